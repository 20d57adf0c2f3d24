//! Brings a database's schema up to date: numbered scripts, each applied once, in order and in its own transaction.
//!
//! Scripts only go forward, and the program before a script must still run after it (expand, switch, contract), since
//! nodes of both versions run side by side during an update. On SQLite a script must declare no deferred constraint:
//! one transaction's fault would come up at the commit that it shares with others.

use std::fmt::Write as _;

use aws_lc_rs::digest;

use super::dialect::Dialect;
use super::transaction::Tx;
use crate::error::{StoreError, StoreErrorKind};

/// One step of the schema. Once released, its text never changes.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its place in the order, from 1 without gaps.
    pub version: i64,
    /// Its file's name without the number.
    pub name: &'static str,
    /// The script for SQLite.
    pub sqlite: &'static str,
    /// The script for PostgreSQL.
    pub postgres: &'static str,
}

impl Migration {
    fn script(&self, dialect: Dialect) -> &'static str {
        match dialect {
            Dialect::Sqlite => self.sqlite,
            Dialect::Postgres => self.postgres,
        }
    }
}

macro_rules! migration {
    ($version:literal, $name:literal, $file:literal) => {
        Migration {
            version: $version,
            name: $name,
            sqlite: include_str!(concat!("../../migrations/sqlite/", $file)),
            postgres: include_str!(concat!("../../migrations/postgres/", $file)),
        }
    };
}

/// Every step of Wharf's schema, in order.
pub const MIGRATIONS: &[Migration] = &[
    migration!(1, "registry", "0001_registry.sql"),
    migration!(2, "identities", "0002_identities.sql"),
    migration!(3, "service_key_check", "0003_service_key_check.sql"),
    migration!(4, "jobs", "0004_jobs.sql"),
    migration!(5, "creation_templates", "0005_creation_templates.sql"),
    migration!(6, "deleted_images", "0006_deleted_images.sql"),
    migration!(7, "secrets", "0007_secrets.sql"),
    migration!(8, "settings_and_audit", "0008_settings_and_audit.sql"),
    migration!(9, "storage_classes", "0009_storage_classes.sql"),
    migration!(10, "lifecycle_policies", "0010_lifecycle_policies.sql"),
    migration!(11, "pull_through_cache", "0011_pull_through_cache.sql"),
    migration!(12, "replication", "0012_replication.sql"),
    migration!(13, "nodes", "0013_nodes.sql"),
    migration!(14, "replication_tags", "0014_replication_tags.sql"),
    migration!(15, "followed_events", "0015_followed_events.sql"),
    migration!(16, "shared_stores", "0016_shared_stores.sql"),
    migration!(17, "storage_care", "0017_storage_care.sql"),
    migration!(18, "keys", "0018_keys.sql"),
    migration!(19, "node_keys", "0019_node_keys.sql"),
    migration!(20, "small_blobs", "0020_small_blobs.sql"),
    migration!(21, "cached_from", "0021_cached_from.sql"),
    migration!(22, "document_copies", "0022_document_copies.sql"),
    migration!(23, "page_checksums", "0023_page_checksums.sql"),
    migration!(24, "origins", "0024_origins.sql"),
    migration!(25, "scanning", "0025_scanning.sql"),
    migration!(26, "job_accounts", "0026_job_accounts.sql"),
    migration!(27, "artifacts", "0027_artifacts.sql"),
    migration!(28, "advisory_writers", "0028_advisory_writers.sql"),
];

/// A transaction that keeps all other migrating programs out and can run a whole script.
pub(super) trait MigrationTx: Tx {
    /// Runs the statements of `sql` one after the other.
    fn run_script(&mut self, sql: &str) -> Result<(), StoreError>;
}

/// Applies the first migration that the database has not seen; `false` if there is none. Call it in a new transaction
/// each time until it says so.
pub(super) fn apply_next(
    tx: &mut dyn MigrationTx,
    migrations: &[Migration],
    log: &mut MigrationLog,
) -> Result<bool, StoreError> {
    let dialect = tx.dialect();
    tx.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations (version BIGINT PRIMARY KEY, name TEXT NOT NULL, \
         checksum TEXT NOT NULL, applied_at_ms BIGINT NOT NULL)",
        &[],
    )?;
    let applied = tx.query("SELECT version, name, checksum FROM schema_migrations ORDER BY version", &[])?;
    for (row, expected) in applied.iter().zip(migrations) {
        let (version, name) = (row.int(0)?, row.text(1)?);
        if (version, name) != (expected.version, expected.name) {
            return Err(refused(format!(
                "the database has applied migration {version} ({name}) where this program has {} ({})",
                expected.version, expected.name
            )));
        }
        if row.text(2)? != checksum(expected.script(dialect)) {
            return Err(refused(format!(
                "migration {version} ({name}) was applied with another text than this program has"
            )));
        }
    }
    if let Some(newer) = applied.get(migrations.len()) {
        return Err(refused(format!(
            "the database is newer than this program: it has applied migration {} ({}), the last known here is {}",
            newer.int(0)?,
            newer.text(1)?,
            migrations.len()
        )));
    }
    let Some(next) = migrations.get(applied.len()) else {
        return Ok(false);
    };
    let script = next.script(dialect);
    tx.run_script(script).map_err(|error| {
        StoreError::new(error.kind(), format!("migration {} ({}) failed", next.version, next.name)).with_source(error)
    })?;
    tx.execute(
        &format!(
            "INSERT INTO schema_migrations (version, name, checksum, applied_at_ms) VALUES ($1, $2, $3, {})",
            dialect.now_ms()
        ),
        &[next.version.into(), next.name.into(), checksum(script).into()],
    )?;
    log.applied(next);
    Ok(true)
}

/// Tells of the migrations that are applied at a start: of each to who updates a database, of none to who begins one.
#[derive(Default)]
pub(super) struct MigrationLog {
    is_new: bool,
}

impl MigrationLog {
    fn applied(&mut self, migration: &Migration) {
        let Migration { version, name, .. } = migration;
        self.is_new |= *version == 1;
        if self.is_new {
            tracing::debug!(version, name, "applied migration {version} ({name})");
        } else {
            tracing::info!(version, name, "applied migration {version} ({name})");
        }
    }
}

fn refused(context: String) -> StoreError {
    StoreError::new(StoreErrorKind::Other, context)
}

/// SHA-256 of a script as lower-case hexadecimal digits.
fn checksum(script: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest::digest(&digest::SHA256, script.as_bytes()).as_ref() {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_count_up_from_one() {
        for (migration, version) in MIGRATIONS.iter().zip(1..) {
            assert_eq!(migration.version, version, "{}", migration.name);
        }
    }

    #[test]
    fn the_checksum_is_sha_256() {
        assert_eq!(checksum("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
