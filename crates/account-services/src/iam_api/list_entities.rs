//! ListUsers, ListGroups and ListRoles: the entities of the account, in the order of their names.

use std::marker::PhantomData;

use access::action::Action;
use access::auth::authorize::Need;
use api::paging;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::entities::{self, Entity};

use super::constraints;
use super::errors::IamError;
use super::kinds::{self, Kind};
use super::operation::{Access, IamOperation};
use super::paging::{Page, PageInput, PageOutput};
use super::shapes::{Group, Role, User};

/// A kind whose entities are listed, each in a shape of its own and under a name of its own.
pub trait Listed: Kind {
    /// The action.
    const LIST: Action;
    /// The member that holds them.
    type Members: Serialize + Send + 'static;
    /// The entities of a page.
    fn members(entities: &[Entity]) -> Self::Members;
}

/// Lists the users, groups or roles of the account whose paths begin as is asked, by their names.
pub struct ListEntities<K> {
    account: aws::AccountId,
    path_prefix: String,
    page: Page,
    kind: PhantomData<K>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    path_prefix: Option<String>,
    #[serde(flatten)]
    page: PageInput,
}

#[derive(Serialize)]
pub struct Output<M> {
    #[serde(flatten)]
    members: M,
    #[serde(flatten)]
    page: PageOutput,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Users {
    users: Vec<User>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Groups {
    groups: Vec<Group>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Roles {
    roles: Vec<Role>,
}

impl Listed for kinds::User {
    const LIST: Action = Action::IamListUsers;
    type Members = Users;

    fn members(entities: &[Entity]) -> Users {
        Users { users: entities.iter().map(User::listed).collect() }
    }
}

impl Listed for kinds::Group {
    const LIST: Action = Action::IamListGroups;
    type Members = Groups;

    fn members(entities: &[Entity]) -> Groups {
        Groups { groups: entities.iter().map(Group::new).collect() }
    }
}

impl Listed for kinds::Role {
    const LIST: Action = Action::IamListRoles;
    type Members = Roles;

    fn members(entities: &[Entity]) -> Roles {
        Roles { roles: entities.iter().map(Role::listed).collect() }
    }
}

impl<K: Listed> IamOperation for ListEntities<K> {
    const ACTION: Action = K::LIST;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output<K::Members>;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let path_prefix = constraints::path_prefix(input.path_prefix)?;
        Ok(Self { account: call.caller.account, path_prefix, page: input.page.check()?, kind: PhantomData })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Self::Output, IamError> {
        let paging::Page { limit, after, .. } = &self.page.0;
        let found = entities::list(tx, self.account, K::KIND, &self.path_prefix, after, limit + 1)?;
        let (found, page) = self.page.cut(found, |entity| entity.name.to_ascii_lowercase());
        Ok(Output { members: K::members(&found), page })
    }
}
