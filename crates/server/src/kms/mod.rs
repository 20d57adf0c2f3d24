//! KMS's API: one file per noun, one line per operation in `OPERATIONS`; and the keys as the registry uses them.

mod aliases;
pub mod aws_managed;
mod constraints;
mod cryptography;
pub mod delete_kms_key;
mod deletion;
mod errors;
mod grants;
mod keys;
pub mod loaded;
mod paging;
mod policies;
mod random;
pub mod rotate_kms_key;
mod rotation;
mod shapes;
mod tagging;

pub use constraints::key_ref;
pub use errors::KmsError;
pub use policies::default as default_policy;
pub use shapes::on_key;

use crate::aws_api::operation::Entry;

/// What the material of keys is sealed for; its context is [`material_context`].
pub const MATERIAL_PURPOSE: &str = "KMS key material";

/// What binds sealed material to its version.
pub fn material_context(key_id: uuid::Uuid, version: u32) -> Vec<u8> {
    [key_id.as_bytes().as_slice(), &version.to_be_bytes()].concat()
}

/// Every operation of KMS that Wharf has.
pub const OPERATIONS: &[Entry] = &[
    Entry::of::<deletion::CancelKeyDeletion>(),
    Entry::of::<aliases::CreateAlias>(),
    Entry::of::<grants::CreateGrant>(),
    Entry::of::<keys::CreateKey>(),
    Entry::of::<cryptography::Decrypt>(),
    Entry::of::<aliases::DeleteAlias>(),
    Entry::of::<keys::DescribeKey>(),
    Entry::of::<keys::DisableKey>(),
    Entry::of::<rotation::DisableKeyRotation>(),
    Entry::of::<keys::EnableKey>(),
    Entry::of::<rotation::EnableKeyRotation>(),
    Entry::of::<cryptography::Encrypt>(),
    Entry::of::<cryptography::GenerateDataKey>(),
    Entry::of::<cryptography::GenerateDataKeyWithoutPlaintext>(),
    Entry::of::<random::GenerateRandom>(),
    Entry::of::<policies::GetKeyPolicy>(),
    Entry::of::<rotation::GetKeyRotationStatus>(),
    Entry::of::<aliases::ListAliases>(),
    Entry::of::<grants::ListGrants>(),
    Entry::of::<policies::ListKeyPolicies>(),
    Entry::of::<rotation::ListKeyRotations>(),
    Entry::of::<keys::ListKeys>(),
    Entry::of::<tagging::ListResourceTags>(),
    Entry::of::<grants::ListRetirableGrants>(),
    Entry::of::<policies::PutKeyPolicy>(),
    Entry::of::<cryptography::ReEncrypt>(),
    Entry::of::<grants::RetireGrant>(),
    Entry::of::<grants::RevokeGrant>(),
    Entry::of::<rotation::RotateKeyOnDemand>(),
    Entry::of::<deletion::ScheduleKeyDeletion>(),
    Entry::of::<tagging::TagResource>(),
    Entry::of::<tagging::UntagResource>(),
    Entry::of::<aliases::UpdateAlias>(),
    Entry::of::<keys::UpdateKeyDescription>(),
];
