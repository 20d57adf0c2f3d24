//! Operations of users alone; what users share with groups and roles is beside this folder.

mod create_user;
mod get_user;
mod login_profiles;
mod nothing_of_users;

use api::protocols::operation::Entry;

use super::operation::Iam;
use nothing_of_users::{ListNothing, MfaDevices, ServiceSpecificCredentials, SigningCertificates, SshPublicKeys};

/// Every operation of users alone.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<Iam<create_user::CreateUser>>(),
    Entry::of::<Iam<get_user::GetUser>>(),
    Entry::of::<Iam<login_profiles::DeleteLoginProfile>>(),
    Entry::of::<Iam<login_profiles::GetLoginProfile>>(),
    Entry::of::<Iam<ListNothing<MfaDevices>>>(),
    Entry::of::<Iam<ListNothing<ServiceSpecificCredentials>>>(),
    Entry::of::<Iam<ListNothing<SigningCertificates>>>(),
    Entry::of::<Iam<ListNothing<SshPublicKeys>>>(),
];
