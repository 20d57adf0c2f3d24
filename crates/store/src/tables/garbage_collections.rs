//! The garbage collection: how far the last one got, and what all of them together have removed.

use serde::{Deserialize, Serialize};

use super::{from_json, to_json};
use crate::db::Tx;
use crate::error::StoreError;

/// What a collection has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CollectionCounts {
    /// Uploads that were abandoned.
    pub uploads_abandoned: u64,
    /// Deleted images that can no longer be restored.
    pub deleted_images_dropped: u64,
    /// Deleted tags that can no longer be restored.
    pub deleted_tags_dropped: u64,
    /// Layers that repositories no longer show.
    pub repository_layers_hidden: u64,
    /// Stored blobs that nothing refers to any more.
    pub blobs_released: u64,
    /// Objects whose bytes are gone.
    pub objects_removed: u64,
    /// What these held.
    pub bytes_removed: u64,
    /// Objects whose bytes could not be removed.
    pub objects_failed: u64,
}

/// The last collection, and the sum of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GarbageCollection {
    /// When it began.
    pub started_at_ms: i64,
    /// When it ended; none while it goes on, or if it was cut off.
    pub finished_at_ms: Option<i64>,
    /// What it is at.
    pub step: String,
    /// What it has done.
    pub counts: CollectionCounts,
    /// What went wrong.
    pub error: Option<String>,
    /// Objects that were ever removed.
    pub total_objects_removed: u64,
    /// Bytes that were ever removed.
    pub total_bytes_removed: u64,
}

/// The last collection; none if there never was one.
pub fn find(tx: &mut dyn Tx) -> Result<Option<GarbageCollection>, StoreError> {
    tx.query_opt(
        "SELECT started_at_ms, finished_at_ms, step, counts, error, objects_removed, bytes_removed \
         FROM garbage_collections WHERE id = 1",
        &[],
    )?
    .map(|row| {
        Ok(GarbageCollection {
            started_at_ms: row.int(0)?,
            finished_at_ms: row.opt_int(1)?,
            step: row.document(2).to_owned(),
            // Nothing hangs on it: the next collection must not, either.
            counts: from_json(row.document(3), "garbage_collections.counts").unwrap_or_default(),
            error: row.opt_document(4).map(str::to_owned),
            total_objects_removed: row.int(5)? as u64,
            total_bytes_removed: row.int(6)? as u64,
        })
    })
    .transpose()
}

/// A collection begins.
pub fn begin(tx: &mut dyn Tx, now_ms: i64) -> Result<(), StoreError> {
    let counts = to_json(&CollectionCounts::default());
    tx.execute(
        "INSERT INTO garbage_collections (id, started_at_ms, step, counts, objects_removed, bytes_removed) \
         VALUES (1, $1, '', $2, 0, 0) ON CONFLICT (id) DO UPDATE SET started_at_ms = excluded.started_at_ms, \
         finished_at_ms = NULL, step = '', counts = excluded.counts, error = NULL",
        &[now_ms.into(), counts.into()],
    )?;
    Ok(())
}

/// Notes how far it is.
pub fn note(tx: &mut dyn Tx, step: &str, counts: &CollectionCounts) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE garbage_collections SET step = $1, counts = $2 WHERE id = 1",
        &[step.into(), to_json(counts).into()],
    )?;
    Ok(())
}

/// Adds to the sum of all, in the transaction that forgets the objects.
pub fn add_removed(tx: &mut dyn Tx, objects: u64, bytes: u64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE garbage_collections SET objects_removed = objects_removed + $1, bytes_removed = bytes_removed + $2 \
         WHERE id = 1",
        &[(objects as i64).into(), (bytes as i64).into()],
    )?;
    Ok(())
}

/// It has ended, with what went wrong.
pub fn finish(tx: &mut dyn Tx, counts: &CollectionCounts, error: Option<&str>, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE garbage_collections SET finished_at_ms = $1, step = '', counts = $2, error = $3 WHERE id = 1",
        &[now_ms.into(), to_json(counts).into(), error.into()],
    )?;
    Ok(())
}

/// What a collection at this moment would take: kind by kind, a number and bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collectable {
    /// Uploads that do not grow, and what they received.
    pub uploads: (u64, u64),
    /// Deleted images whose time to be restored is over.
    pub deleted_images: u64,
    /// Layers of repositories that no image names.
    pub repository_layers: u64,
    /// Stored blobs that nothing would refer to any more, and what they hold.
    pub blobs: (u64, u64),
    /// Objects that are noted for removal already and may go now, and what they hold.
    pub objects: (u64, u64),
}

/// What repositories show for pushes that count on it, though no image names it: a number and bytes, and since when the last
/// of it is so.
pub fn measure_unnamed(tx: &mut dyn Tx) -> Result<(u64, u64, Option<i64>), StoreError> {
    let found = tx.query_opt(
        "SELECT COUNT(*), CAST(COALESCE(SUM(COALESCE(b.stored_bytes, b.size_bytes)), 0) AS BIGINT), MAX(u.since_ms) \
         FROM (SELECT blob_id, MAX(unreferenced_since_ms) AS since_ms, COUNT(*) AS places FROM repository_blobs \
             WHERE unreferenced_since_ms IS NOT NULL AND image_count = 0 GROUP BY blob_id) u \
         JOIN blobs b ON b.id = u.blob_id WHERE b.reference_count <= u.places",
        &[],
    )?;
    found.map_or(Ok((0, 0, None)), |row| Ok((row.int(0)? as u64, row.int(1)? as u64, row.opt_int(2)?)))
}

/// Finds out what a collection would take, with the times until which each thing must be old.
pub fn measure(
    tx: &mut dyn Tx,
    stale_uploads_ms: i64,
    unreferenced_ms: i64,
    now_ms: i64,
    objects_ms: i64,
) -> Result<Collectable, StoreError> {
    let one = |tx: &mut dyn Tx, sql: &str, until_ms: i64| -> Result<u64, StoreError> {
        tx.query_opt(sql, &[until_ms.into()])?.map_or(Ok(0), |row| Ok(row.int(0)? as u64))
    };
    let uploads = super::uploads::measure_stale(tx, stale_uploads_ms)?;
    let deleted_images = one(tx, "SELECT COUNT(*) FROM deleted_images WHERE expires_at_ms <= $1", now_ms)?;
    let repository_layers = one(
        tx,
        "SELECT COUNT(*) FROM repository_blobs WHERE unreferenced_since_ms IS NOT NULL \
         AND unreferenced_since_ms <= $1 AND image_count = 0",
        unreferenced_ms,
    )?;
    // A blob goes if all that refers to it goes.
    let blobs = tx.query_opt(
        "SELECT COUNT(*), CAST(COALESCE(SUM(COALESCE(b.stored_bytes, b.size_bytes)), 0) AS BIGINT) FROM blobs b \
         WHERE b.id IN (SELECT id FROM blobs WHERE reference_count = 0 \
             UNION SELECT blob_id FROM repository_blobs WHERE unreferenced_since_ms IS NOT NULL \
                 AND unreferenced_since_ms <= $1 AND image_count = 0 \
             UNION SELECT k.blob_id FROM deleted_images d JOIN deleted_image_blobs k ON k.deleted_image_id = d.id \
                 WHERE d.expires_at_ms <= $2) \
         AND b.reference_count <= \
             (SELECT COUNT(*) FROM repository_blobs r WHERE r.blob_id = b.id AND r.unreferenced_since_ms <= $1 \
                 AND r.image_count = 0) \
             + (SELECT COUNT(*) FROM deleted_image_blobs k JOIN deleted_images d ON d.id = k.deleted_image_id \
                 WHERE k.blob_id = b.id AND d.expires_at_ms <= $2)",
        &[unreferenced_ms.into(), now_ms.into()],
    )?;
    let blobs = blobs.map_or(Ok((0, 0)), |row| Ok::<_, StoreError>((row.int(0)? as u64, row.int(1)? as u64)))?;
    let objects = super::removed_objects::measure(tx, objects_ms)?;
    Ok(Collectable { uploads, deleted_images, repository_layers, blobs, objects })
}
