//! CreateGroup: makes a group.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use runtime::random_text::new_access_key_id;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::{self, Entity, EntityKind};

use crate::iam_api::constraints::{self, MAX_NAME};
use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::shapes::Group;

/// Makes a group, which has no members and no policies yet.
pub struct CreateGroup {
    group: Entity,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    path: Option<String>,
    group_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    group: Group,
}

impl IamOperation for CreateGroup {
    const ACTION: Action = Action::IamCreateGroup;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let group = Entity {
            id: new_access_key_id("AGPA"),
            account: call.caller.account,
            kind: EntityKind::Group,
            name: constraints::name("groupName", input.group_name, MAX_NAME)?,
            path: constraints::path("path", input.path)?,
            created_at_ms: call.app.now_ms(),
            boundary_arn: None,
            tags: Vec::new(),
            description: None,
            trust_policy: None,
            max_session_seconds: 0,
        };
        Ok(Self { group })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::on(Self::ACTION, self.group.arn())]
    }

    fn run(&self, app: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        if !entities::insert(tx, &self.group)? {
            return Err(IamError::EntityExists(EntityKind::Group, self.group.name.clone()));
        }
        crate::iam_api::quotas::require_room_for_entity(&app.quotas.iam, tx, self.group.account, self.group.kind)?;
        Ok(Output { group: Group::new(&self.group) })
    }
}
