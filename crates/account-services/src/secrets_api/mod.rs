//! Secrets Manager's API: one file per operation, one line per operation in `OPERATIONS`; and what the pull through
//! cache reads of secrets.

mod constraints;
mod filters;
mod shapes;

mod batch_get_secret_value;
mod create_secret;
mod delete_secret;
mod describe_secret;
mod get_random_password;
mod get_secret_value;
mod list_secret_version_ids;
mod list_secrets;
mod put_secret_value;
mod resource_policies;
mod restore_secret;
mod rotate_secret;
mod tagging;
mod update_secret;
mod update_secret_version_stage;

use api::protocols::operation::Entry;
use api::protocols::service::{Protocol, Service};

/// Every operation of Secrets Manager that Wharf has.
const OPERATIONS: &[Entry] = &[
    Entry::of::<batch_get_secret_value::BatchGetSecretValue>(),
    Entry::of::<rotate_secret::CancelRotateSecret>(),
    Entry::of::<create_secret::CreateSecret>(),
    Entry::of::<resource_policies::DeleteResourcePolicy>(),
    Entry::of::<delete_secret::DeleteSecret>(),
    Entry::of::<describe_secret::DescribeSecret>(),
    Entry::of::<get_random_password::GetRandomPassword>(),
    Entry::of::<resource_policies::GetResourcePolicy>(),
    Entry::of::<get_secret_value::GetSecretValue>(),
    Entry::of::<list_secret_version_ids::ListSecretVersionIds>(),
    Entry::of::<list_secrets::ListSecrets>(),
    Entry::of::<resource_policies::PutResourcePolicy>(),
    Entry::of::<put_secret_value::PutSecretValue>(),
    Entry::of::<restore_secret::RestoreSecret>(),
    Entry::of::<rotate_secret::RotateSecret>(),
    Entry::of::<tagging::TagResource>(),
    Entry::of::<tagging::UntagResource>(),
    Entry::of::<update_secret::UpdateSecret>(),
    Entry::of::<update_secret_version_stage::UpdateSecretVersionStage>(),
];

/// The service.
pub static SERVICE: Service = Service {
    signing_name: "secretsmanager",
    name: "Secrets Manager",
    protocol: Protocol::Json { target: "secretsmanager" },
    operations: &[OPERATIONS],
    unsigned: &[],
    is_amazons: true,
};
