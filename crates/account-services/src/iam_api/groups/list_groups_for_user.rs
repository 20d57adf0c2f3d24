//! ListGroupsForUser: the groups that a user belongs to.

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
use crate::iam_api::shapes::Group;

/// Lists the groups that a user is in.
pub struct ListGroupsForUser {
    user: EntityRef,
    page: Page,
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
    groups: Vec<Group>,
    #[serde(flatten)]
    page: PageOutput,
}

impl IamOperation for ListGroupsForUser {
    const ACTION: Action = Action::IamListGroupsForUser;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        Ok(Self { user: EntityRef::new(call, EntityKind::User, input.user_name)?, page: input.page.check()? })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.user.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let user = self.user.require(tx)?;
        let found = groups::list_of_user(tx, &user.id)?;
        let (found, page) = self.page.cut(found, |group| group.name.to_ascii_lowercase());
        Ok(Output { groups: found.iter().map(Group::new).collect(), page })
    }
}
