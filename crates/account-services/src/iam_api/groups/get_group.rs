//! GetGroup: a group and its users.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::EntityKind;
use store::tables::iam::groups;

use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::paging::{Page, PageInput, PageOutput};
use crate::iam_api::shapes::{Group, User};

/// Describes a group, and lists its users page by page.
pub struct GetGroup {
    group: EntityRef,
    page: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    group_name: Option<String>,
    #[serde(flatten)]
    page: PageInput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    group: Group,
    users: Vec<User>,
    #[serde(flatten)]
    page: PageOutput,
}

impl IamOperation for GetGroup {
    const ACTION: Action = Action::IamGetGroup;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        Ok(Self { group: EntityRef::new(call, EntityKind::Group, input.group_name)?, page: input.page.check()? })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.group.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let group = self.group.require(tx)?;
        let members = groups::list_members(tx, &group.id)?;
        let (members, page) = self.page.cut(members, |user| user.name.to_ascii_lowercase());
        Ok(Output { group: Group::new(&group), users: members.iter().map(User::listed).collect(), page })
    }
}
