//! CreateRole: makes a role, which those can assume whom its trust policy names.

use access::action::Action;
use access::auth::authorize::Need;
use api::grammar::Tag;
use api::protocols::operation::Call;
use registry::Registry;
use runtime::random_text::new_access_key_id;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::{self, Entity, EntityKind};

use super::{max_session_duration, service_linked_roles};
use crate::iam_api::boundaries::with_boundary;
use crate::iam_api::constraints::{self, MAX_USER_OR_ROLE_NAME};
use crate::iam_api::documents;
use crate::iam_api::errors::IamError;
use crate::iam_api::managed_policy::ManagedRef;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::references;
use crate::iam_api::shapes::Role;
use crate::iam_api::tags;

/// Makes a role with its trust policy, whose principals must be there.
pub struct CreateRole {
    role: Entity,
    trust_policy: String,
    boundary: Option<ManagedRef>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    path: Option<String>,
    role_name: Option<String>,
    assume_role_policy_document: Option<String>,
    description: Option<String>,
    #[serde(default, deserialize_with = "aws::number_text")]
    max_session_duration: Option<aws::FormNumber>,
    permissions_boundary: Option<String>,
    #[serde(default, deserialize_with = "constraints::list")]
    tags: Option<Vec<Tag>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    role: Role,
}

impl IamOperation for CreateRole {
    const ACTION: Action = Action::IamCreateRole;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let boundary = input.permissions_boundary;
        let boundary = boundary.map(|arn| ManagedRef::new(call, "permissionsBoundary", Some(arn))).transpose()?;
        let name = constraints::name("roleName", input.role_name, MAX_USER_OR_ROLE_NAME)?;
        let trust_policy = documents::trust("assumeRolePolicyDocument", input.assume_role_policy_document)?;
        let path = constraints::path("path", input.path)?;
        service_linked_roles::check_path(&path)?;
        let role = Entity {
            id: new_access_key_id("AROA"),
            account: call.caller.account,
            kind: EntityKind::Role,
            name,
            path,
            created_at_ms: call.app.now_ms(),
            boundary_arn: boundary.as_ref().map(|boundary| boundary.arn.clone()),
            tags: tags::check(input.tags)?,
            description: constraints::description(input.description)?,
            trust_policy: Some(trust_policy.clone()),
            max_session_seconds: max_session_duration(input.max_session_duration)?,
        };
        Ok(Self { role, trust_policy, boundary })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        let need = |action| Need::on(action, self.role.arn()).with_request_tags(&self.role.tags);
        let mut needs = vec![with_boundary(need(Self::ACTION), self.boundary.as_ref())];
        if !self.role.tags.is_empty() {
            needs.push(need(Action::IamTagRole));
        }
        needs
    }

    fn run(&self, app: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        documents::require_principals(app, &self.trust_policy)?;
        if let Some(boundary) = &self.boundary {
            boundary.require_attachable(tx)?;
        }
        if !entities::insert(tx, &self.role)? {
            return Err(IamError::EntityExists(EntityKind::Role, self.role.name.clone()));
        }
        crate::iam_api::quotas::require_room_for_entity(&app.quotas.iam, tx, self.role.account, self.role.kind)?;
        references::release(tx, &self.role)?;
        Ok(Output { role: Role::whole(&self.role) })
    }
}
