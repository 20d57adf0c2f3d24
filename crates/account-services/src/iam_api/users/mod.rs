//! Operations of users alone; what users share with groups and roles is beside this folder.

mod create_user;
mod empty_lists;
mod get_user;
mod login_profiles;

use api::protocols::operation::Entry;

use super::operation::Iam;
use empty_lists::{EmptyList, MfaDevices, ServiceSpecificCredentials, SigningCertificates, SshPublicKeys};

/// Every operation of users alone.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<Iam<create_user::CreateUser>>(),
    Entry::of::<Iam<get_user::GetUser>>(),
    Entry::of::<Iam<login_profiles::DeleteLoginProfile>>(),
    Entry::of::<Iam<login_profiles::GetLoginProfile>>(),
    Entry::of::<Iam<EmptyList<MfaDevices>>>(),
    Entry::of::<Iam<EmptyList<ServiceSpecificCredentials>>>(),
    Entry::of::<Iam<EmptyList<SigningCertificates>>>(),
    Entry::of::<Iam<EmptyList<SshPublicKeys>>>(),
];
