//! What the columns of all tables hold beyond being texts, for the check of every row: how each is read where it is used.

use aws::{AccountId, Region};
use oci::{Digest, MediaType, RepositoryName, RepositoryPrefix, Tag, TagFilter};
use serde_json::Value as Json;
use uuid::Uuid;

use super::account_settings::AccountSetting;
use super::advisory_records::RecordKind;
use super::creation_templates::Scenario;
use super::iam::entities::EntityKind;
use super::iam::robot_tokens::TokenUse;
use super::image_protections::ProtectionKind;
use super::image_replications::ReplicationStatus;
use super::image_scans::{ScanCause, ScanStatus};
use super::images::ImageStatus;
use super::kms_grants::GrantOperation;
use super::kms_keys::{KeyManager, KmsKeyArn, RotationType};
use super::lifecycle_previews::PreviewStatus;
use super::pull_through_cache_rules::UpstreamKind;
use super::pull_time_exclusions::PrincipalArn;
use super::replication_backfills::{BackfillStatus, LineStatus};
use super::repositories::{EncryptionType, TagMutability, split_filters};
use super::scanning_configurations::ScanType;
use super::storage_checks::CheckStatus;
use crate::blob::{Encoding, ObjectId, Tier};

/// Whether a text is one that Wharf would have written into a column.
type IsGood = fn(&str) -> bool;

fn is<T: std::str::FromStr>(text: &str) -> bool {
    text.parse::<T>().is_ok()
}

/// An account, or empty for what is of none.
fn is_account_or_none(text: &str) -> bool {
    text.is_empty() || is::<AccountId>(text)
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<Json>(text).is_ok()
}

fn is_texts(text: &str) -> bool {
    serde_json::from_str::<Vec<String>>(text).is_ok()
}

fn is_words<T: std::str::FromStr>(text: &str) -> bool {
    serde_json::from_str::<Vec<String>>(text).is_ok_and(|words| words.iter().all(|word| is::<T>(word)))
}

fn is_pairs(text: &str) -> bool {
    serde_json::from_str::<Vec<(String, String)>>(text).is_ok()
}

fn is_filters(text: &str) -> bool {
    split_filters(text, "").is_ok()
}

fn is_scenarios(text: &str) -> bool {
    text.split_whitespace().all(is::<Scenario>)
}

/// The value of any setting: which of them belongs to which is the row's matter.
fn is_setting(text: &str) -> bool {
    AccountSetting::ALL.into_iter().any(|setting| setting.values().contains(&text))
}

/// What is protected beside the kind, of any kind.
fn is_protected(text: &str) -> bool {
    text.is_empty() || is::<Digest>(text) || is::<TagFilter>(text)
}

/// What is known of a column; a table's own goes before what a name means everywhere.
const OF_TABLES: &[(&str, &str, IsGood)] = &[
    ("account_settings", "name", is::<AccountSetting>),
    ("account_settings", "value", is_setting),
    ("advisory_feeds", "files", is_json),
    ("advisory_feeds", "writer", is::<Uuid>),
    ("advisory_records", "kind", is::<RecordKind>),
    ("audit_events", "record", is_json),
    ("blobs", "region", is::<Region>),
    ("creation_templates", "applied_for", is_scenarios),
    ("creation_templates", "prefix", is::<RepositoryPrefix>),
    ("creation_templates", "resource_tags", is_pairs),
    ("deleted_images", "annotations", is_json),
    ("deleted_images", "media_type", is::<MediaType>),
    ("deleted_images", "status", is::<ImageStatus>),
    ("deleted_repositories", "resource_tags", is_pairs),
    ("followed_events", "event", is_json),
    ("garbage_collections", "counts", is_json),
    ("iam_entities", "kind", is::<EntityKind>),
    ("iam_entities", "tags", is_pairs),
    ("iam_oidc_providers", "client_ids", is_texts),
    ("iam_oidc_providers", "tags", is_pairs),
    ("iam_oidc_providers", "thumbprints", is_texts),
    ("iam_policies", "tags", is_pairs),
    ("image_protections", "kind", is::<ProtectionKind>),
    ("image_protections", "target", is_protected),
    ("image_replications", "status", is::<ReplicationStatus>),
    ("image_scans", "cause", is::<ScanCause>),
    ("image_scans", "scan_type", is::<ScanType>),
    ("image_scans", "status", is::<ScanStatus>),
    ("images", "annotations", is_json),
    ("images", "media_type", is::<MediaType>),
    ("images", "status", is::<ImageStatus>),
    ("jobs", "account", is_account_or_none),
    ("jobs", "payload", is_json),
    ("kms_grants", "encryption_context", is_json),
    ("kms_grants", "operations", is_words::<GrantOperation>),
    ("kms_key_versions", "rotation_type", is::<RotationType>),
    ("kms_keys", "key_id", is::<Uuid>),
    ("kms_keys", "manager", is::<KeyManager>),
    ("kms_keys", "tags", is_pairs),
    ("lifecycle_policies", "last_run", is_json),
    ("lifecycle_preview_results", "result", is_json),
    ("lifecycle_previews", "status", is::<PreviewStatus>),
    ("lifecycle_run_steps", "actions", is_json),
    ("lifecycle_runs", "report", is_json),
    ("pull_through_cache_rules", "prefix", is::<RepositoryPrefix>),
    ("pull_through_cache_rules", "upstream_prefix", is::<RepositoryPrefix>),
    ("pull_through_cache_rules", "upstream_registry", is::<UpstreamKind>),
    ("pull_time_exclusions", "principal_arn", is::<PrincipalArn>),
    // A place of its own may be unknown for what was noted before regions were.
    ("removed_objects", "region", |text| text.is_empty() || is::<Region>(text)),
    ("replication_backfill_images", "child_codes", is_texts),
    ("replication_backfill_images", "repository", is::<RepositoryName>),
    ("replication_backfill_images", "status", is::<LineStatus>),
    ("replication_backfill_images", "tag", |text| text.is_empty() || is::<Tag>(text)),
    ("replication_backfills", "id", is::<Uuid>),
    ("replication_backfills", "status", is::<BackfillStatus>),
    ("replication_configurations", "rules", is_json),
    ("replication_extensions", "settings", is_json),
    ("replication_removals", "repository", is::<RepositoryName>),
    ("replication_removals", "tags", is_texts),
    ("repositories", "name", is::<RepositoryName>),
    ("robot_tokens", "actions", is_words::<TokenUse>),
    ("robot_tokens", "repositories", is_texts),
    ("scanning_configurations", "rules", is_json),
    ("scanning_configurations", "scan_type", is::<ScanType>),
    ("secret_versions", "stages", is_texts),
    ("secrets", "tags", is_pairs),
    ("storage_checks", "progress", is_json),
    ("storage_checks", "settings", is_json),
    ("storage_checks", "status", is::<CheckStatus>),
    ("storage_findings", "finding", is_json),
    ("uploads", "id", is::<Uuid>),
];

/// What a name means in every table that has such a column.
const OF_NAMES: &[(&str, IsGood)] = &[
    ("account_id", is::<AccountId>),
    ("child_digest", is::<Digest>),
    ("destination_account_id", is::<AccountId>),
    ("destination_region", is::<Region>),
    ("digest", is::<Digest>),
    ("encoding", is::<Encoding>),
    ("encryption_type", is::<EncryptionType>),
    ("image_digest", is::<Digest>),
    ("object_id", is::<ObjectId>),
    ("kms_key", is::<KmsKeyArn>),
    ("region", is::<Region>),
    ("repository_name", is::<RepositoryName>),
    ("rest_object_id", is::<ObjectId>),
    ("subject_digest", is::<Digest>),
    ("tag", is::<Tag>),
    ("tag_mutability", is::<TagMutability>),
    ("tag_mutability_filters", is_filters),
    ("tier", is::<Tier>),
];

/// Whether a column may hold the text.
pub fn is_good(table: &str, column: &str, text: &str) -> bool {
    let of_table = OF_TABLES.iter().find(|known| known.0 == table && known.1 == column).map(|known| known.2);
    let of_name = || OF_NAMES.iter().find(|known| known.0 == column).map(|known| known.1);
    of_table.or_else(of_name).is_none_or(|is_good| is_good(text))
}
