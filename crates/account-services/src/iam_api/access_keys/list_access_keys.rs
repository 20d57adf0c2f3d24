//! ListAccessKeys: the keys of a user, without their secrets.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::caller::Credentials;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::access_keys::{self, AccessKey};

use super::status;
use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::paging::{Page, PageInput, PageOutput};

/// Lists the access keys of a user, or that of the root user who calls, without their secrets.
pub struct ListAccessKeys {
    owner: Owner,
    page: Page,
}

/// Whose keys are listed.
enum Owner {
    User(EntityRef),
    /// The root user, who calls with the key of this id.
    Root {
        account: aws::AccountId,
        access_key_id: String,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    user_name: Option<String>,
    #[serde(flatten)]
    page: PageInput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    access_key_metadata: Vec<Metadata>,
    #[serde(flatten)]
    page: PageOutput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    user_name: Option<String>,
    access_key_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_date: Option<String>,
}

impl IamOperation for ListAccessKeys {
    const ACTION: Action = Action::IamListAccessKeys;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let caller = &call.caller;
        let owner = match (input.user_name, &caller.credentials) {
            (None, Credentials::Root) => {
                Owner::Root { account: caller.account, access_key_id: caller.access_key_id.clone() }
            }
            (user_name, _) => Owner::User(EntityRef::user_or_caller(call, user_name)?),
        };
        Ok(Self { owner, page: input.page.check()? })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        match &self.owner {
            Owner::User(user) => vec![user.need(call, Self::ACTION)],
            Owner::Root { account, .. } => vec![Need::on(Self::ACTION, format!("arn:aws:iam::{account}:root"))],
        }
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let user = match &self.owner {
            Owner::User(user) => user.require(tx)?,
            Owner::Root { access_key_id, .. } => {
                let key = Metadata {
                    user_name: None,
                    access_key_id: access_key_id.clone(),
                    status: status(true),
                    create_date: None,
                };
                return Ok(Output { access_key_metadata: vec![key], page: PageOutput::default() });
            }
        };
        let keys = access_keys::list_of_user(tx, &user.id)?;
        let (keys, page) = self.page.cut(keys, |key| format!("{:020} {}", key.created_at_ms, key.id));
        let metadata = |key: AccessKey| Metadata {
            user_name: Some(user.name.clone()),
            access_key_id: key.id,
            status: status(key.is_active),
            create_date: Some(aws::time::iso8601(key.created_at_ms)),
        };
        Ok(Output { access_key_metadata: keys.into_iter().map(metadata).collect(), page })
    }
}
