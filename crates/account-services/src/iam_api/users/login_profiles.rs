//! GetLoginProfile and DeleteLoginProfile: users have access keys here and no passwords, so there is never one.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::Deserialize;
use store::db::Tx;

use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};

/// Whose profile is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    user_name: Option<String>,
}

fn none(user: &EntityRef, tx: &mut dyn Tx) -> Result<(), IamError> {
    let user = user.require(tx)?;
    Err(IamError::NoSuchLoginProfile(user.name))
}

/// GetLoginProfile.
pub struct GetLoginProfile(EntityRef);

impl IamOperation for GetLoginProfile {
    const ACTION: Action = Action::IamGetLoginProfile;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        EntityRef::user_or_caller(call, input.user_name).map(Self)
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.0.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        none(&self.0, tx)
    }
}

/// DeleteLoginProfile.
pub struct DeleteLoginProfile(EntityRef);

impl IamOperation for DeleteLoginProfile {
    const ACTION: Action = Action::IamDeleteLoginProfile;
    // What deletes, though there is never one to delete.
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        EntityRef::user_or_caller(call, input.user_name).map(Self)
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.0.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        none(&self.0, tx)
    }
}
