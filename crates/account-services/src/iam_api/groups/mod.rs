//! Operations of groups alone; what groups share with users and roles is beside this folder.

mod create_group;
mod get_group;
mod list_groups_for_user;
mod members;

use api::protocols::operation::Entry;

use super::operation::Iam;

/// Every operation of groups alone.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<Iam<create_group::CreateGroup>>(),
    Entry::of::<Iam<get_group::GetGroup>>(),
    Entry::of::<Iam<list_groups_for_user::ListGroupsForUser>>(),
    Entry::of::<Iam<members::AddUserToGroup>>(),
    Entry::of::<Iam<members::RemoveUserFromGroup>>(),
];
