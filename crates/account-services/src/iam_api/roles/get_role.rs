//! GetRole: a role.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::Serialize;
use store::db::Tx;

use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::{self, EntityName, EntityRef};
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::shapes::Role;

/// Describes a role with its trust policy.
pub struct GetRole(EntityRef);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    role: Role,
}

impl IamOperation for GetRole {
    const ACTION: Action = Action::IamGetRole;
    const ACCESS: Access = Access::Reads;
    type Input = EntityName;
    type Output = Output;

    fn check(call: &Call<'_>, input: EntityName) -> Result<Self, IamError> {
        input.check::<kinds::Role>(call).map(Self)
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.0.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        Ok(Output { role: Role::whole(&self.0.require(tx)?) })
    }
}
