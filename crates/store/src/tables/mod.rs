//! The metadata tables: one file per table, holding all SQL text that touches it.
//!
//! Every statement runs unchanged on SQLite and PostgreSQL. Functions are synchronous, take the transaction as
//! `&mut dyn Tx`, never read a clock and may run twice.

pub mod account_settings;
pub mod advisory_feeds;
pub mod advisory_records;
pub mod audit_events;
pub mod blobs;
pub mod collection_holds;
pub mod column_kinds;
pub mod creation_templates;
pub mod damaged_objects;
pub mod deleted_images;
pub mod deleted_repositories;
pub mod deleted_tags;
pub mod document_copies;
pub mod followed_events;
pub mod garbage_collections;
pub mod iam;
pub mod identity_version;
pub mod image_counts;
pub mod image_protections;
pub mod image_replications;
pub mod image_scans;
pub mod image_tags;
pub mod images;
pub mod jobs;
pub mod key_version;
pub mod kms_aliases;
pub mod kms_grants;
pub mod kms_keys;
pub mod layer_facts;
pub mod lifecycle_changes;
pub mod lifecycle_images;
pub mod lifecycle_policies;
pub mod lifecycle_previews;
pub mod lifecycle_runs;
pub mod lifecycle_settings;
pub mod nodes;
mod prefixes;
pub mod pull_through_cache_rules;
pub mod pull_time_exclusions;
pub(crate) mod readable;
pub mod registry_id;
pub mod registry_kind;
pub mod registry_policies;
pub mod removed_objects;
pub mod replication_backfills;
pub mod replication_configurations;
pub mod replication_removals;
pub mod repositories;
pub mod repository_blobs;
pub mod repository_policies;
pub mod resource_policies;
pub mod resource_tags;
pub mod root_keys;
pub mod row_checks;
pub mod row_values;
pub mod scanning_configurations;
pub mod sealed_documents;
pub mod sealed_values;
pub mod secret_versions;
pub mod secrets;
pub mod storage_checks;
pub mod storage_moves;
pub mod storage_scrubs;
pub mod store_sizes;
pub mod uploads;
pub mod upstream_blobs;

use std::str::FromStr;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::db::Row;
use crate::error::{StoreError, StoreErrorKind};

/// Parses a column that Wharf itself wrote; anything else there means that the database was damaged or edited.
pub(crate) fn parse_column<T: FromStr>(text: &str, column: &str) -> Result<T, StoreError> {
    text.parse().map_err(|_| {
        StoreError::new(StoreErrorKind::Corrupt, format!("column {column} holds {text:?}, which is not valid there"))
    })
}

/// Reads a column that is only shown: one that is damaged is logged and read as none, as an image is pulled and a rule
/// followed all the same. What anything is decided by is read with [`parse_column`], and its row is of no use if it is damaged.
pub(crate) fn parse_shown<T: FromStr>(
    row: &Row,
    index: usize,
    table: &str,
    column: &str,
) -> Result<Option<T>, StoreError> {
    let parsed = row.opt_text(index).and_then(|text| text.map(|text| parse_column(text, column)).transpose());
    Ok(unless_damaged(row, table, parsed)?.flatten())
}

/// A value of a row that goes on without it: one that is damaged is logged, and none.
fn unless_damaged<T>(row: &Row, table: &str, value: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match value {
        Err(error) if error.kind() == StoreErrorKind::Corrupt => {
            readable::log_not_shown(row, table, &error);
            Ok(None)
        }
        value => value.map(Some),
    }
}

/// Reads what [`words_to_json`] wrote: a list of what a row allows. A word that is damaged is logged and allows nothing, and
/// the row can still be listed and taken away.
pub(crate) fn words_from_json<T: FromStr>(
    row: &Row,
    index: usize,
    table: &str,
    column: &str,
) -> Result<Vec<T>, StoreError> {
    let texts = row.text(index).and_then(|text| from_json::<Vec<String>>(text, column));
    let texts = unless_damaged(row, table, texts)?.unwrap_or_default();
    let words = texts.iter().map(|text| unless_damaged(row, table, parse_column(text, column)));
    words.filter_map(Result::transpose).collect()
}

/// A column that holds a list of words that are of a type.
pub(crate) fn words_to_json<T: Copy>(words: &[T], word: fn(T) -> &'static str) -> String {
    to_json(&words.iter().copied().map(word).collect::<Vec<_>>())
}

/// A column that holds a list as JSON.
pub(crate) fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("lists of texts can be written as JSON")
}

/// Reads what [`to_json`] wrote.
pub(crate) fn from_json<T: DeserializeOwned>(text: &str, column: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| {
        StoreError::new(StoreErrorKind::Corrupt, format!("column {column} is not what was written there"))
            .with_source(error.to_string())
    })
}
