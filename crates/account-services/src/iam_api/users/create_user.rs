//! CreateUser: makes a user, who may do nothing yet.

use access::action::Action;
use access::auth::authorize::Need;
use api::grammar::Tag;
use api::protocols::operation::Call;
use registry::Registry;
use runtime::random_text::new_access_key_id;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::{self, Entity, EntityKind};

use crate::iam_api::boundaries::with_boundary;
use crate::iam_api::constraints::{self, MAX_USER_OR_ROLE_NAME};
use crate::iam_api::errors::IamError;
use crate::iam_api::managed_policy::ManagedRef;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::references;
use crate::iam_api::shapes::User;
use crate::iam_api::tags;

/// Makes a user, who has no keys and no policies yet.
pub struct CreateUser {
    user: Entity,
    boundary: Option<ManagedRef>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    path: Option<String>,
    user_name: Option<String>,
    permissions_boundary: Option<String>,
    #[serde(default, deserialize_with = "constraints::list")]
    tags: Option<Vec<Tag>>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    user: User,
}

impl IamOperation for CreateUser {
    const ACTION: Action = Action::IamCreateUser;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let boundary = input.permissions_boundary;
        let boundary = boundary.map(|arn| ManagedRef::new(call, "permissionsBoundary", Some(arn))).transpose()?;
        let user = Entity {
            id: new_access_key_id("AIDA"),
            account: call.caller.account,
            kind: EntityKind::User,
            name: constraints::name("userName", input.user_name, MAX_USER_OR_ROLE_NAME)?,
            path: constraints::path("path", input.path)?,
            created_at_ms: call.app.now_ms(),
            boundary_arn: boundary.as_ref().map(|boundary| boundary.arn.clone()),
            tags: tags::check(input.tags)?,
            description: None,
            trust_policy: None,
            max_session_seconds: 0,
        };
        Ok(Self { user, boundary })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        let need = |action| Need::on(action, self.user.arn()).with_request_tags(&self.user.tags);
        let mut needs = vec![with_boundary(need(Self::ACTION), self.boundary.as_ref())];
        if !self.user.tags.is_empty() {
            needs.push(need(Action::IamTagUser));
        }
        needs
    }

    fn run(&self, app: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        if let Some(boundary) = &self.boundary {
            boundary.require_attachable(tx)?;
        }
        if !entities::insert(tx, &self.user)? {
            return Err(IamError::EntityExists(EntityKind::User, self.user.name.clone()));
        }
        crate::iam_api::quotas::require_room_for_entity(&app.quotas.iam, tx, self.user.account, self.user.kind)?;
        references::release(tx, &self.user)?;
        Ok(Output { user: User::whole(&self.user) })
    }
}
