//! The kinds of jobs by their names in storage: a job that was noted before an upgrade is done after it, so none of these
//! changes.

use super::job::EVENT_KIND_PREFIX;

/// Every kind, but for those that bring events to sinks: each sink has one of its own.
pub const KINDS: &[&str] = &[
    "analyse_layer",
    "check_storage",
    "collect_garbage",
    "delete_kms_key",
    "follow_subject",
    "import_advisories",
    "move_blob",
    "pick_up_images",
    "preview_lifecycle_policy",
    "replicate",
    "replication-backfill",
    "reseal",
    "restore_image",
    "rotate_kms_key",
    "run_lifecycle_policy",
    "scan_image",
    "scrub_storage",
    "update_advisories",
];

/// Whether there is such a kind of job.
pub fn is_known(kind: &str) -> bool {
    kind.starts_with(EVENT_KIND_PREFIX) || KINDS.contains(&kind)
}
