//! UpdateRole and UpdateRoleDescription: a role's description, and how long its sessions may last.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::{self, EntityKind};

use super::max_session_duration;
use crate::iam_api::constraints::{self, Check};
use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::shapes::Role;

/// UpdateRole. What is not given stays.
pub struct UpdateRole {
    role: EntityRef,
    description: Option<String>,
    max_session_seconds: Option<i64>,
}

/// What is asked for.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    role_name: Option<String>,
    description: Option<String>,
    #[serde(default, deserialize_with = "aws::number_text")]
    max_session_duration: Option<aws::FormNumber>,
}

/// An output without members: the model has one all the same.
#[derive(Serialize)]
pub struct Empty {}

/// No text stands for no description.
fn stored(description: &str) -> Option<String> {
    Some(description.to_owned()).filter(|text| !text.is_empty())
}

impl IamOperation for UpdateRole {
    const ACTION: Action = Action::IamUpdateRole;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = Empty;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let role = EntityRef::new(call, EntityKind::Role, input.role_name)?;
        let description = constraints::description(input.description)?;
        let seconds = input.max_session_duration;
        let max_session_seconds = seconds.map(|seconds| max_session_duration(Some(seconds))).transpose()?;
        Ok(Self { role, description, max_session_seconds })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.role.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Empty, IamError> {
        // Of a role that is linked to a service only the description is its account's.
        let is_more = self.max_session_seconds.is_some();
        let mut role = if is_more { self.role.require_own(tx)? } else { self.role.require(tx)? };
        if let Some(description) = &self.description {
            role.description = stored(description);
        }
        if let Some(seconds) = self.max_session_seconds {
            role.max_session_seconds = seconds;
        }
        entities::update(tx, &role)?;
        Ok(Empty {})
    }
}

/// UpdateRoleDescription.
pub struct UpdateRoleDescription {
    role: EntityRef,
    description: String,
}

/// The role as it is now.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct DescriptionOutput {
    role: Role,
}

impl IamOperation for UpdateRoleDescription {
    const ACTION: Action = Action::IamUpdateRoleDescription;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = DescriptionOutput;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let role = EntityRef::new(call, EntityKind::Role, input.role_name)?;
        let description = Check::required("description", constraints::description(input.description)?)?;
        Ok(Self { role, description })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.role.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<DescriptionOutput, IamError> {
        let mut role = self.role.require(tx)?;
        role.description = stored(&self.description);
        entities::update(tx, &role)?;
        Ok(DescriptionOutput { role: Role::whole(&role) })
    }
}
