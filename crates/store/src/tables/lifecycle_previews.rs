//! Previews of lifecycle policies (ECR: StartLifecyclePolicyPreview): one per repository, with its results.

use super::repositories::count;
use crate::db::Tx;
use crate::error::StoreError;
use crate::stored_enum::stored_enum;
use crate::tables::readable::readable_page;

stored_enum! {
    /// How far a preview is.
    pub enum PreviewStatus {
        /// It is being made.
        InProgress = "IN_PROGRESS",
        /// Its results are there.
        Complete = "COMPLETE",
        /// It could not be made.
        Failed = "FAILED",
        /// Its results were removed, as they are old.
        Expired = "EXPIRED",
    }
}

/// A preview without its results.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preview {
    /// The policy that it shows.
    pub policy_text: String,
    /// How far it is.
    pub status: PreviewStatus,
    /// When it was asked for.
    pub started_at_ms: i64,
    /// When it was complete, or had failed.
    pub finished_at_ms: Option<i64>,
    /// How many images would be deleted.
    pub expiring_count: i64,
    /// How many images would be moved to the archive.
    pub archiving_count: i64,
}

/// One image in a preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewResult {
    /// Its place, from 0.
    pub position: i64,
    /// The image.
    pub image_digest: String,
    /// Whether it had a tag.
    pub is_tagged: bool,
    /// What is told of it, as JSON.
    pub result: String,
}

/// Begins a preview in place of the one that the repository has, whose results [`delete_results`] removes.
pub fn start(tx: &mut dyn Tx, repository_id: i64, policy_text: &str, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO lifecycle_previews (repository_id, policy_text, status, started_at_ms, expiring_count, \
         archiving_count) VALUES ($1, $2, 'IN_PROGRESS', $3, 0, 0) ON CONFLICT (repository_id) DO UPDATE SET \
         policy_text = excluded.policy_text, status = excluded.status, started_at_ms = excluded.started_at_ms, \
         finished_at_ms = NULL, expiring_count = 0, archiving_count = 0",
        &[repository_id.into(), policy_text.into(), now_ms.into()],
    )?;
    Ok(())
}

/// The preview of a repository.
pub fn find(tx: &mut dyn Tx, repository_id: i64) -> Result<Option<Preview>, StoreError> {
    tx.query_opt(
        "SELECT policy_text, status, started_at_ms, finished_at_ms, expiring_count, archiving_count \
         FROM lifecycle_previews WHERE repository_id = $1",
        &[repository_id.into()],
    )?
    .map(|row| {
        Ok(Preview {
            policy_text: row.text(0)?.to_owned(),
            status: super::parse_column(row.text(1)?, "lifecycle_previews.status")?,
            started_at_ms: row.int(2)?,
            finished_at_ms: row.opt_int(3)?,
            expiring_count: row.int(4)?,
            archiving_count: row.int(5)?,
        })
    })
    .transpose()
}

/// Ends the preview that was started then, with what its results come to.
pub fn finish(
    tx: &mut dyn Tx,
    repository_id: i64,
    started_at_ms: i64,
    status: PreviewStatus,
    counts: (i64, i64),
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE lifecycle_previews SET status = $1, expiring_count = $2, archiving_count = $3, finished_at_ms = $4 \
         WHERE repository_id = $5 AND started_at_ms = $6",
        &[
            status.as_str().into(),
            counts.0.into(),
            counts.1.into(),
            now_ms.into(),
            repository_id.into(),
            started_at_ms.into(),
        ],
    )?;
    Ok(())
}

/// Adds a result.
pub fn insert_result(tx: &mut dyn Tx, repository_id: i64, result: &PreviewResult) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO lifecycle_preview_results (repository_id, position, image_digest, is_tagged, result) \
         VALUES ($1, $2, $3, $4, $5)",
        &[
            repository_id.into(),
            result.position.into(),
            result.image_digest.as_str().into(),
            result.is_tagged.into(),
            result.result.as_str().into(),
        ],
    )?;
    Ok(())
}

/// Removes up to `limit` results of a repository; returns how many.
pub fn delete_results(tx: &mut dyn Tx, repository_id: i64, limit: usize) -> Result<u64, StoreError> {
    tx.execute(
        "DELETE FROM lifecycle_preview_results WHERE repository_id = $1 AND position IN ( \
         SELECT position FROM lifecycle_preview_results WHERE repository_id = $1 LIMIT $2)",
        &[repository_id.into(), count(limit)],
    )
}

/// Ends a preview that was complete at `before_ms`, up to `limit` of whose results it removes; `false` if there is none.
pub fn expire_one(tx: &mut dyn Tx, before_ms: i64, limit: usize) -> Result<bool, StoreError> {
    let complete = tx.query_opt(
        "SELECT repository_id FROM lifecycle_previews WHERE status = 'COMPLETE' AND finished_at_ms <= $1 LIMIT 1",
        &[before_ms.into()],
    )?;
    let Some(row) = complete else { return Ok(false) };
    let repository_id = row.int(0)?;
    if delete_results(tx, repository_id, limit)? == 0 {
        tx.execute(
            "UPDATE lifecycle_previews SET status = 'EXPIRED' WHERE repository_id = $1",
            &[repository_id.into()],
        )?;
    }
    Ok(true)
}

/// Up to `limit` results in their order, from the first after `after`; with `is_tagged` only such.
pub fn list_results(
    tx: &mut dyn Tx,
    repository_id: i64,
    after: i64,
    is_tagged: Option<bool>,
    limit: usize,
) -> Result<Vec<PreviewResult>, StoreError> {
    readable_page(
        tx,
        limit,
        "lifecycle_previews",
        "SELECT position, image_digest, is_tagged, result FROM lifecycle_preview_results \
         WHERE repository_id = $1 AND position > $2 AND is_tagged = COALESCE($3, is_tagged) ORDER BY position LIMIT $4",
        &[repository_id.into(), after.into(), is_tagged.into()],
        |row| result_from_row(row.clone()),
    )
}

/// The result of an image.
pub fn find_result(
    tx: &mut dyn Tx,
    repository_id: i64,
    image_digest: &str,
) -> Result<Option<PreviewResult>, StoreError> {
    tx.query_opt(
        "SELECT position, image_digest, is_tagged, result FROM lifecycle_preview_results \
         WHERE repository_id = $1 AND image_digest = $2",
        &[repository_id.into(), image_digest.into()],
    )?
    .map(result_from_row)
    .transpose()
}

fn result_from_row(mut row: crate::db::Row) -> Result<PreviewResult, StoreError> {
    Ok(PreviewResult {
        position: row.int(0)?,
        image_digest: row.take_text(1)?,
        is_tagged: row.bool(2)?,
        result: row.take_text(3)?,
    })
}
