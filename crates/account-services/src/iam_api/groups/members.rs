//! AddUserToGroup and RemoveUserFromGroup.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::Deserialize;
use store::db::Tx;
use store::tables::iam::entities::EntityKind;
use store::tables::iam::groups;

use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};

/// The most groups of one user.
const MAX_GROUPS: usize = 10;

/// A group and a user.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    group_name: Option<String>,
    user_name: Option<String>,
}

fn check(call: &Call<'_>, input: Input) -> Result<(EntityRef, EntityRef), IamError> {
    let group = EntityRef::new(call, EntityKind::Group, input.group_name)?;
    Ok((group, EntityRef::new(call, EntityKind::User, input.user_name)?))
}

/// AddUserToGroup; a user that belongs to it already is fine.
pub struct AddUserToGroup {
    group: EntityRef,
    user: EntityRef,
}

impl IamOperation for AddUserToGroup {
    const ACTION: Action = Action::IamAddUserToGroup;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let (group, user) = check(call, input)?;
        Ok(Self { group, user })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.group.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let (group, user) = (self.group.require(tx)?, self.user.require(tx)?);
        groups::insert_member(tx, &group.id, &user.id)?;
        if groups::list_of_user(tx, &user.id)?.len() > MAX_GROUPS {
            return Err(IamError::Quota("GroupsPerUser", MAX_GROUPS));
        }
        Ok(())
    }
}

/// RemoveUserFromGroup.
pub struct RemoveUserFromGroup {
    group: EntityRef,
    user: EntityRef,
}

impl IamOperation for RemoveUserFromGroup {
    const ACTION: Action = Action::IamRemoveUserFromGroup;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let (group, user) = check(call, input)?;
        Ok(Self { group, user })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.group.need(call, Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let (group, user) = (self.group.require(tx)?, self.user.require(tx)?);
        if groups::delete_member(tx, &group.id, &user.id)? {
            Ok(())
        } else {
            Err(IamError::NotInGroup { user: user.name, group: group.name })
        }
    }
}
