//! KMS's API: one file per noun, one line per operation in `OPERATIONS`.

mod aliases;
mod constraints;
mod cryptography;
mod deletion;
mod grants;
mod keys;
mod policies;
mod random;
mod rotation;
mod shapes;
mod tagging;

use api::protocols::operation::Entry;
use api::protocols::service::{Protocol, Service};

/// Every operation of KMS that Wharf has.
const OPERATIONS: &[Entry] = &[
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

/// The service.
pub static SERVICE: Service = Service {
    signing_name: "kms",
    name: "KMS",
    protocol: Protocol::Json { target: "TrentService" },
    operations: &[OPERATIONS],
    unsigned: &[],
    is_amazons: true,
};
