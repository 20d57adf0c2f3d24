//! Operations of roles alone; what roles share with users and groups is beside this folder.

mod create_role;
mod get_role;
mod list_instance_profiles_for_role;
pub mod service_linked_roles;
mod update_assume_role_policy;
mod update_role;

use api::protocols::operation::Entry;
use aws::FormNumber;

use super::constraints::Check;
use super::errors::IamError;
use super::operation::Iam;

/// Every operation of roles alone.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<Iam<create_role::CreateRole>>(),
    Entry::of::<Iam<get_role::GetRole>>(),
    Entry::of::<Iam<service_linked_roles::CreateServiceLinkedRole>>(),
    Entry::of::<Iam<service_linked_roles::DeleteServiceLinkedRole>>(),
    Entry::of::<Iam<service_linked_roles::GetServiceLinkedRoleDeletionStatus>>(),
    Entry::of::<Iam<list_instance_profiles_for_role::ListInstanceProfilesForRole>>(),
    Entry::of::<Iam<update_assume_role_policy::UpdateAssumeRolePolicy>>(),
    Entry::of::<Iam<update_role::UpdateRole>>(),
    Entry::of::<Iam<update_role::UpdateRoleDescription>>(),
];

/// The longest session of a role, in seconds: an hour to twelve, one if nothing is said.
fn max_session_duration(seconds: Option<FormNumber>) -> Result<i64, IamError> {
    Check::number("maxSessionDuration", seconds.unwrap_or(3600.into()), 3600, 43200)
}
