//! GetUser: a user by name, or whoever calls.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::caller::Credentials;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;

use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::shapes::User;

/// Describes a user by name, or whoever calls.
pub enum GetUser {
    /// A user.
    User(EntityRef),
    /// The root user of an account, who calls.
    Root(aws::AccountId),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    user_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    user: User,
}

/// Whether the root user calls, with its own keys or temporary ones.
fn is_root(call: &Call<'_>) -> bool {
    match &call.caller.credentials {
        Credentials::Root => true,
        Credentials::Session(session) => session.identity.is_none(),
        Credentials::User(_) | Credentials::Anonymous(_) => false,
    }
}

impl IamOperation for GetUser {
    const ACTION: Action = Action::IamGetUser;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        if input.user_name.is_none() && is_root(call) {
            return Ok(Self::Root(call.caller.account));
        }
        EntityRef::user_or_caller(call, input.user_name).map(Self::User)
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        match self {
            Self::User(user) => vec![user.need(call, Self::ACTION)],
            Self::Root(account) => vec![Need::on(Self::ACTION, format!("arn:aws:iam::{account}:root"))],
        }
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let user = match self {
            Self::User(user) => User::whole(&user.require(tx)?),
            Self::Root(account) => User::root(*account),
        };
        Ok(Output { user })
    }
}
