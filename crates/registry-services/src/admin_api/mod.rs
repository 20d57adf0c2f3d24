//! Wharf's own API, for what ECR lacks: robot tokens, why something is allowed or denied, deleted images, what must not
//! be deleted, runs of lifecycle policies, background jobs, the garbage collection, checks of what is stored, advisories, events,
//! how replications stand, scans of images and what they found, and what one Wharf needs of another to replicate to it. One file
//! per operation.

mod arrival;
mod collect_garbage;
mod constraints;
mod create_token;
mod delete_deletion_protection;
mod describe_advisories;
mod describe_garbage_collection;
mod describe_image_scan;
mod describe_lifecycle_policies;
mod describe_server;
mod describe_storage_check;
mod dry_run;
mod dry_run_lifecycle_policy;
mod errors;
mod explain_access;
mod explain_image_finding;
mod follow_events;
mod get_restore_window;
mod guards;
mod image_scans;
mod import_advisories;
mod list_deleted_images;
mod list_deletion_protections;
mod list_image_packages;
mod list_image_scan_counts;
mod list_jobs;
mod list_nodes;
mod list_replications;
mod list_tokens;
mod prepare_replication;
mod purge_deleted_images;
mod put_deletion_protection;
mod put_lifecycle_settings;
mod put_restore_window;
mod receive_replicated_image;
mod receive_replicated_removal;
pub mod replicated_layer;
mod repository_pages;
mod restore_image;
mod retry_job;
mod retry_replications;
mod revoke_token;
mod root_keys;
mod run_lifecycle_policy;
mod shapes;
mod start_image_scan;
mod start_storage_check;
mod test_events;
mod update_advisories;

use api::protocols::operation::Entry;
use api::protocols::service::{Protocol, Service};

/// Every operation of Wharf's own.
const OPERATIONS: &[Entry] = &[
    Entry::of::<collect_garbage::CollectGarbage>(),
    Entry::of::<create_token::CreateToken>(),
    Entry::of::<delete_deletion_protection::DeleteDeletionProtection>(),
    Entry::of::<describe_advisories::DescribeAdvisories>(),
    Entry::of::<describe_garbage_collection::DescribeGarbageCollection>(),
    Entry::of::<describe_image_scan::DescribeImageScan>(),
    Entry::of::<describe_lifecycle_policies::DescribeLifecyclePolicies>(),
    Entry::of::<root_keys::DescribeRootKeys>(),
    Entry::of::<describe_server::DescribeServer>(),
    Entry::of::<describe_storage_check::DescribeStorageCheck>(),
    Entry::of::<dry_run_lifecycle_policy::DryRunLifecyclePolicy>(),
    Entry::of::<explain_access::ExplainAccess>(),
    Entry::of::<explain_image_finding::ExplainImageFinding>(),
    Entry::of::<follow_events::FollowEvents>(),
    Entry::of::<get_restore_window::GetRestoreWindow>(),
    Entry::of::<import_advisories::ImportAdvisories>(),
    Entry::of::<list_deleted_images::ListDeletedImages>(),
    Entry::of::<list_deletion_protections::ListDeletionProtections>(),
    Entry::of::<list_image_packages::ListImagePackages>(),
    Entry::of::<list_image_scan_counts::ListImageScanCounts>(),
    Entry::of::<list_jobs::ListJobs>(),
    Entry::of::<list_nodes::ListNodes>(),
    Entry::of::<list_replications::ListReplications>(),
    Entry::of::<list_tokens::ListTokens>(),
    Entry::of::<prepare_replication::PrepareReplication>(),
    Entry::of::<purge_deleted_images::PurgeDeletedImages>(),
    Entry::of::<put_deletion_protection::PutDeletionProtection>(),
    Entry::of::<put_lifecycle_settings::PutLifecycleSettings>(),
    Entry::of::<put_restore_window::PutRestoreWindow>(),
    Entry::of::<receive_replicated_image::ReceiveReplicatedImage>(),
    Entry::of::<receive_replicated_removal::ReceiveReplicatedRemoval>(),
    Entry::of::<restore_image::RestoreImage>(),
    Entry::of::<root_keys::RetireRootKey>(),
    Entry::of::<retry_job::RetryJob>(),
    Entry::of::<retry_replications::RetryReplications>(),
    Entry::of::<revoke_token::RevokeToken>(),
    Entry::of::<root_keys::RewrapRootKeys>(),
    Entry::of::<root_keys::RotateRootKey>(),
    Entry::of::<run_lifecycle_policy::RunLifecyclePolicy>(),
    Entry::of::<start_image_scan::StartImageScan>(),
    Entry::of::<start_storage_check::StartStorageCheck>(),
    Entry::of::<test_events::TestEvents>(),
    Entry::of::<update_advisories::UpdateAdvisories>(),
];

/// The service.
pub static SERVICE: Service = Service {
    signing_name: "wharf",
    name: "Wharf's own",
    protocol: Protocol::Json { target: "Wharf_20261121" },
    operations: &[OPERATIONS],
    unsigned: &[],
    is_amazons: false,
};
