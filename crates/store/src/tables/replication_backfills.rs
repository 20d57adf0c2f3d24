//! Back-fills: replications of what was there before a rule was (ECR: StartReplicationBackfill), with a line for each
//! image and tag.

use oci::{Digest, RepositoryName};
use uuid::Uuid;

use super::image_replications::ReplicationRoute;
use super::parse_column;
use super::registry_id::RegistryId;
use super::repositories::count;
use crate::db::{Row, Tx, Value};
use crate::error::{StoreError, StoreErrorKind};
use crate::stored_enum::stored_enum;
use crate::tables::readable::readable;
use crate::tables::readable::readable_page;

stored_enum! {
    /// How a back-fill stands (ECR: `ReplicationBackfillStatus`). ECR's `FAILED` is not among them: nothing but single
    /// images can fail here.
    pub enum BackfillStatus {
        /// What it is to replicate is being listed.
        Preparing = "PREPARING",
        /// It replicates.
        InProgress = "IN_PROGRESS",
        /// It was stopped, and waits for what it has begun.
        Stopping = "STOPPING",
        /// It was stopped.
        Stopped = "STOPPED",
        /// It is done.
        Complete = "COMPLETE",
    }
}

impl BackfillStatus {
    /// Whether it has ended.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Stopped | Self::Complete)
    }
}

/// A back-fill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backfill {
    /// Its id.
    pub id: Uuid,
    /// From where to where.
    pub route: ReplicationRoute,
    /// How it stands.
    pub status: BackfillStatus,
    /// The last repository that was listed; empty at first.
    pub prepared_to: String,
    /// Whether all was listed.
    pub is_prepared: bool,
    /// When it was started.
    pub started_at_ms: i64,
    /// When it ended.
    pub ended_at_ms: Option<i64>,
}

stored_enum! {
    /// How one line stands.
    pub enum LineStatus {
        /// Not begun.
        Waiting = "WAITING",
        /// Noted for replication.
        Noted = "NOTED",
        /// Replicated.
        Complete = "COMPLETE",
        /// Not replicated.
        Failed = "FAILED",
    }
}

/// An image of a back-fill, with one of its tags if it has any.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackfillLine {
    /// Its repository.
    pub repository: RepositoryName,
    /// The image.
    pub digest: Digest,
    /// The tag.
    pub tag: Option<String>,
    /// How it stands.
    pub status: LineStatus,
    /// Why it failed.
    pub failure_code: Option<String>,
    /// Of a list: why images that it names failed.
    pub child_codes: Option<Vec<String>>,
}

/// How many lines a back-fill has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// In all.
    pub total: i64,
    /// Replicated.
    pub completed: i64,
    /// Failed.
    pub failed: i64,
    /// Each code once, in order.
    pub failure_codes: Vec<String>,
}

const COLUMNS: &str = "id, account_id, region, destination_account_id, destination_region, status, prepared_to, \
                       is_prepared, started_at_ms, ended_at_ms";

fn from_row(row: &Row) -> Result<Backfill, StoreError> {
    Ok(Backfill {
        id: parse_column(row.text(0)?, "replication_backfills.id")?,
        route: ReplicationRoute {
            source: RegistryId {
                account: parse_column(row.text(1)?, "replication_backfills.account_id")?,
                region: parse_column(row.text(2)?, "replication_backfills.region")?,
            },
            destination: RegistryId {
                account: parse_column(row.text(3)?, "replication_backfills.destination_account_id")?,
                region: parse_column(row.text(4)?, "replication_backfills.destination_region")?,
            },
        },
        status: parse_column(row.text(5)?, "replication_backfills.status")?,
        prepared_to: row.text(6)?.to_owned(),
        is_prepared: row.bool(7)?,
        started_at_ms: row.int(8)?,
        ended_at_ms: row.opt_int(9)?,
    })
}

/// Adds a back-fill that begins with listing.
pub fn insert(tx: &mut dyn Tx, id: Uuid, route: &ReplicationRoute, now_ms: i64) -> Result<Backfill, StoreError> {
    let mut values: Vec<Value> = vec![id.to_string().into()];
    values.extend(route.columns());
    values.push(now_ms.into());
    tx.execute(
        "INSERT INTO replication_backfills (id, account_id, region, destination_account_id, destination_region, \
         status, prepared_to, is_prepared, started_at_ms) VALUES ($1, $2, $3, $4, $5, 'PREPARING', '', 0, $6)",
        &values,
    )?;
    Ok(Backfill {
        id,
        route: route.clone(),
        status: BackfillStatus::Preparing,
        prepared_to: String::new(),
        is_prepared: false,
        started_at_ms: now_ms,
        ended_at_ms: None,
    })
}

/// The back-fill of that id, if it is of that registry.
pub fn find(tx: &mut dyn Tx, source: &RegistryId, id: Uuid) -> Result<Option<Backfill>, StoreError> {
    tx.query_opt(
        &format!("SELECT {COLUMNS} FROM replication_backfills WHERE id = $1 AND account_id = $2 AND region = $3"),
        &[id.to_string().into(), source.account.as_str().into(), source.region.as_str().into()],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// The destinations of a registry's back-fills that have not ended.
pub fn list_running(tx: &mut dyn Tx, source: &RegistryId) -> Result<Vec<RegistryId>, StoreError> {
    let rows = tx.query(
        &format!(
            "SELECT {COLUMNS} FROM replication_backfills WHERE account_id = $1 AND region = $2 \
             AND ended_at_ms IS NULL ORDER BY started_at_ms, id"
        ),
        &[source.account.as_str().into(), source.region.as_str().into()],
    )?;
    readable(&rows, "replication_backfills", |row| Ok(from_row(row)?.route.destination))
}

/// Up to `limit` back-fills of a registry in the order of (start, id), from the first after these.
pub fn list(
    tx: &mut dyn Tx,
    source: &RegistryId,
    (after_ms, after_id): (i64, &str),
    limit: usize,
) -> Result<Vec<Backfill>, StoreError> {
    readable_page(
        tx,
        limit,
        "replication_backfills",
        &format!(
            "SELECT {COLUMNS} FROM replication_backfills WHERE account_id = $1 AND region = $2 \
             AND started_at_ms >= $3 AND NOT (started_at_ms = $3 AND id <= $4) ORDER BY started_at_ms, id LIMIT $5"
        ),
        &[source.account.as_str().into(), source.region.as_str().into(), after_ms.into(), after_id.into()],
        from_row,
    )
}

/// Stores how a back-fill stands.
pub fn update(tx: &mut dyn Tx, backfill: &Backfill) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE replication_backfills SET status = $1, prepared_to = $2, is_prepared = $3, ended_at_ms = $4 \
         WHERE id = $5",
        &[
            backfill.status.as_str().into(),
            backfill.prepared_to.as_str().into(),
            backfill.is_prepared.into(),
            backfill.ended_at_ms.into(),
            backfill.id.to_string().into(),
        ],
    )?;
    Ok(())
}

/// Forgets back-fills of a registry that ended before a time.
pub fn delete_ended(tx: &mut dyn Tx, source: &RegistryId, before_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM replication_backfills WHERE account_id = $1 AND region = $2 AND ended_at_ms < $3",
        &[source.account.as_str().into(), source.region.as_str().into(), before_ms.into()],
    )?;
    Ok(())
}

/// Adds a line that waits; one that is there stays as it is.
pub fn insert_line(
    tx: &mut dyn Tx,
    id: Uuid,
    repository: &RepositoryName,
    digest: &Digest,
    tag: Option<&str>,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO replication_backfill_images (backfill_id, repository, digest, tag, status) \
         VALUES ($1, $2, $3, $4, 'WAITING') ON CONFLICT (backfill_id, repository, digest, tag) DO NOTHING",
        &[id.to_string().into(), repository.as_str().into(), digest.to_string().into(), tag.unwrap_or_default().into()],
    )?;
    Ok(())
}

/// Stores how a line stands.
pub fn update_line(tx: &mut dyn Tx, id: Uuid, line: &BackfillLine) -> Result<(), StoreError> {
    let codes =
        line.child_codes.as_ref().map(serde_json::to_string).transpose().map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "codes of a back-fill's line").with_source(error)
        })?;
    tx.execute(
        "UPDATE replication_backfill_images SET status = $1, failure_code = $2, child_codes = $3 \
         WHERE backfill_id = $4 AND repository = $5 AND digest = $6 AND tag = $7",
        &[
            line.status.as_str().into(),
            line.failure_code.as_deref().into(),
            codes.into(),
            id.to_string().into(),
            line.repository.as_str().into(),
            line.digest.to_string().into(),
            line.tag.as_deref().unwrap_or_default().into(),
        ],
    )?;
    Ok(())
}

/// Drops the lines that wait; says how many.
pub fn delete_waiting(tx: &mut dyn Tx, id: Uuid) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM replication_backfill_images WHERE backfill_id = $1 AND status = 'WAITING'",
        &[id.to_string().into()],
    )
}

/// Up to `limit` lines in order, from the first after (`repository`, `digest`, `tag`); of one status, or of all.
pub fn list_lines(
    tx: &mut dyn Tx,
    id: Uuid,
    status: Option<LineStatus>,
    (repository, digest, tag): (&str, &str, &str),
    limit: usize,
) -> Result<Vec<BackfillLine>, StoreError> {
    tx.query(
        "SELECT repository, digest, tag, status, failure_code, child_codes FROM replication_backfill_images \
         WHERE backfill_id = $1 AND status = COALESCE($2, status) AND repository >= $3 \
         AND (repository > $3 OR digest > $4 OR (digest = $4 AND tag > $5)) \
         ORDER BY repository, digest, tag LIMIT $6",
        &[
            id.to_string().into(),
            status.map(LineStatus::as_str).into(),
            repository.into(),
            digest.into(),
            tag.into(),
            count(limit),
        ],
    )?
    .iter()
    .map(|row| {
        let tag = row.text(2)?;
        let child_codes = row.opt_text(5)?.map(serde_json::from_str).transpose().map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "column replication_backfill_images.child_codes")
                .with_source(error)
        })?;
        Ok(BackfillLine {
            repository: parse_column(row.text(0)?, "replication_backfill_images.repository")?,
            digest: parse_column(row.text(1)?, "replication_backfill_images.digest")?,
            tag: (!tag.is_empty()).then(|| tag.to_owned()),
            status: parse_column(row.text(3)?, "replication_backfill_images.status")?,
            failure_code: row.opt_text(4)?.map(str::to_owned),
            child_codes,
        })
    })
    .collect()
}

/// How many lines there are, by what became of them.
pub fn progress(tx: &mut dyn Tx, id: Uuid) -> Result<Progress, StoreError> {
    let rows = tx.query(
        "SELECT status, failure_code, count(*) FROM replication_backfill_images WHERE backfill_id = $1 \
         GROUP BY status, failure_code ORDER BY failure_code",
        &[id.to_string().into()],
    )?;
    let mut progress = Progress::default();
    for row in &rows {
        let lines = row.int(2)?;
        progress.total += lines;
        match parse_column(row.text(0)?, "replication_backfill_images.status")? {
            LineStatus::Waiting | LineStatus::Noted => {}
            LineStatus::Complete => progress.completed += lines,
            LineStatus::Failed => {
                progress.failed += lines;
                progress.failure_codes.extend(row.opt_text(1)?.map(str::to_owned));
            }
        }
    }
    Ok(progress)
}
