//! Stored blobs: one copy per region, encryption scope and digest, counted by the repositories that show it and by the
//! deleted images that need it to be restored.

use oci::Digest;

use super::repositories::count;
use super::{parse_column, removed_objects};
use crate::blob::ObjectId;
use crate::db::Tx;
use crate::error::StoreError;

/// Where copies are shared: a region and the key that they are encrypted under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobScope {
    /// The region's name.
    pub region: String,
    /// See [`Repository::encryption_scope`](super::repositories::Repository::encryption_scope).
    pub encryption: String,
}

/// A blob's bytes, as stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredBlob {
    /// The row's key.
    pub id: i64,
    /// Plaintext length.
    pub size_bytes: u64,
    /// The object that holds the bytes.
    pub object: ObjectId,
    /// The object's data key, wrapped by the scope's key with the object's id as context.
    pub data_key: Vec<u8>,
}

/// Takes one reference to the stored copy of `digest`, if there is one.
pub fn reference_existing(tx: &mut dyn Tx, scope: &BlobScope, digest: &Digest) -> Result<Option<i64>, StoreError> {
    tx.query_opt(
        "UPDATE blobs SET reference_count = reference_count + 1 \
         WHERE region = $1 AND encryption_scope = $2 AND digest = $3 RETURNING id",
        &[scope.region.as_str().into(), scope.encryption.as_str().into(), digest.to_string().into()],
    )?
    .map(|row| row.int(0))
    .transpose()
}

/// Replaces the stored copy of `digest` with the one just received, if there is one, takes one reference, and notes
/// the old object for removal. So pushing a blob again heals a copy that was damaged on disk.
pub fn replace_existing(
    tx: &mut dyn Tx,
    scope: &BlobScope,
    digest: &Digest,
    object: ObjectId,
    data_key: &[u8],
    now_ms: i64,
) -> Result<Option<i64>, StoreError> {
    let Some(old) = tx.query_opt(
        "SELECT id, object_id FROM blobs WHERE region = $1 AND encryption_scope = $2 AND digest = $3",
        &[scope.region.as_str().into(), scope.encryption.as_str().into(), digest.to_string().into()],
    )?
    else {
        return Ok(None);
    };
    let id = old.int(0)?;
    tx.execute(
        "UPDATE blobs SET reference_count = reference_count + 1, object_id = $1, data_key = $2 WHERE id = $3",
        &[object.to_string().into(), data_key.into(), id.into()],
    )?;
    removed_objects::insert(tx, parse_column(old.text(1)?, "blobs.object_id")?, now_ms)?;
    Ok(Some(id))
}

/// Adds a stored copy with one reference. Fails if the scope has one: call [`replace_existing`] first.
pub fn insert(
    tx: &mut dyn Tx,
    scope: &BlobScope,
    digest: &Digest,
    size_bytes: u64,
    object: ObjectId,
    data_key: &[u8],
    now_ms: i64,
) -> Result<i64, StoreError> {
    let rows = tx.query(
        "INSERT INTO blobs (region, encryption_scope, digest, size_bytes, object_id, data_key, reference_count, \
         created_at_ms) VALUES ($1, $2, $3, $4, $5, $6, 1, $7) RETURNING id",
        &[
            scope.region.as_str().into(),
            scope.encryption.as_str().into(),
            digest.to_string().into(),
            (size_bytes as i64).into(),
            object.to_string().into(),
            data_key.into(),
            now_ms.into(),
        ],
    )?;
    rows.first().map_or(Ok(0), |row| row.int(0))
}

/// Gives up one reference.
pub fn release(tx: &mut dyn Tx, id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE blobs SET reference_count = reference_count - 1 WHERE id = $1", &[id.into()])?;
    Ok(())
}

/// Gives up one reference; returns the blob's length if it was the last.
pub fn release_and_measure(tx: &mut dyn Tx, id: i64) -> Result<u64, StoreError> {
    let row = tx.query_opt(
        "UPDATE blobs SET reference_count = reference_count - 1 WHERE id = $1 RETURNING reference_count, size_bytes",
        &[id.into()],
    )?;
    match row {
        Some(row) if row.int(0)? == 0 => Ok(row.int(1)? as u64),
        Some(_) | None => Ok(0),
    }
}

/// Gives up the references of a whole repository that is being deleted.
pub fn release_all_of(tx: &mut dyn Tx, repository_id: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE blobs SET reference_count = reference_count - 1 \
         WHERE id IN (SELECT blob_id FROM repository_blobs WHERE repository_id = $1)",
        &[repository_id.into()],
    )?;
    Ok(())
}

/// Removes up to `limit` blobs that nothing refers to and notes their objects for removal; says how many.
pub fn collect_unreferenced(tx: &mut dyn Tx, now_ms: i64, limit: usize) -> Result<usize, StoreError> {
    let rows = tx.query(
        "DELETE FROM blobs WHERE id IN (SELECT id FROM blobs WHERE reference_count = 0 ORDER BY id LIMIT $1) \
         AND reference_count = 0 RETURNING object_id",
        &[count(limit)],
    )?;
    for row in &rows {
        removed_objects::insert(tx, parse_column(row.text(0)?, "blobs.object_id")?, now_ms)?;
    }
    Ok(rows.len())
}
