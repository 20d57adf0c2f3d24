//! Layer uploads in progress: enough to go on after a restart.

use super::repositories::count;
use super::{parse_column, removed_objects};
use crate::blob::{ObjectId, Tier};
use crate::db::{Row, Tx};
use crate::error::StoreError;

/// An upload as stored after its last acknowledged part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The id that clients see.
    pub id: uuid::Uuid,
    /// The repository that it was begun in.
    pub repository_id: i64,
    /// The object that receives the bytes.
    pub object: ObjectId,
    /// The object's data key, wrapped.
    pub data_key: Vec<u8>,
    /// The sealed [`UploadState`](crate::blob::UploadState).
    pub sealed_state: Vec<u8>,
    /// Bytes acknowledged.
    pub received_bytes: u64,
    /// Parts acknowledged.
    pub part_count: u64,
    /// Length of the last part.
    pub last_part_bytes: u64,
    /// Whether a part before the last was shorter than ECR's 5 MiB.
    pub has_short_part: bool,
    /// When it began or last grew.
    pub updated_at_ms: i64,
}

const COLUMNS: &str = "id, repository_id, object_id, data_key, state, received_bytes, part_count, last_part_bytes, \
                       has_short_part, updated_at_ms";

fn from_row(row: &Row) -> Result<Upload, StoreError> {
    Ok(Upload {
        id: parse_column(row.text(0)?, "uploads.id")?,
        repository_id: row.int(1)?,
        object: parse_column(row.text(2)?, "uploads.object_id")?,
        data_key: row.blob(3)?.to_vec(),
        sealed_state: row.blob(4)?.to_vec(),
        received_bytes: row.int(5)? as u64,
        part_count: row.int(6)? as u64,
        last_part_bytes: row.int(7)? as u64,
        has_short_part: row.bool(8)?,
        updated_at_ms: row.int(9)?,
    })
}

/// Adds an upload.
pub fn insert(tx: &mut dyn Tx, upload: &Upload) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO uploads (id, repository_id, object_id, data_key, state, received_bytes, part_count, \
         last_part_bytes, has_short_part, updated_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
        &[
            upload.id.to_string().into(),
            upload.repository_id.into(),
            upload.object.to_string().into(),
            upload.data_key.as_slice().into(),
            upload.sealed_state.as_slice().into(),
            (upload.received_bytes as i64).into(),
            (upload.part_count as i64).into(),
            (upload.last_part_bytes as i64).into(),
            upload.has_short_part.into(),
            upload.updated_at_ms.into(),
        ],
    )?;
    Ok(())
}

/// The upload, if it was begun in that repository.
pub fn find(tx: &mut dyn Tx, repository_id: i64, id: uuid::Uuid) -> Result<Option<Upload>, StoreError> {
    tx.query_opt(
        &format!("SELECT {COLUMNS} FROM uploads WHERE id = $1 AND repository_id = $2"),
        &[id.to_string().into(), repository_id.into()],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// Stores the progress of an upload that was at `from_bytes`; `false` if it is gone or has moved on since.
pub fn advance(tx: &mut dyn Tx, upload: &Upload, from_bytes: u64) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE uploads SET state = $1, received_bytes = $2, part_count = $3, last_part_bytes = $4, \
         has_short_part = $5, updated_at_ms = $6 WHERE id = $7 AND received_bytes = $8",
        &[
            upload.sealed_state.as_slice().into(),
            (upload.received_bytes as i64).into(),
            (upload.part_count as i64).into(),
            (upload.last_part_bytes as i64).into(),
            upload.has_short_part.into(),
            upload.updated_at_ms.into(),
            upload.id.to_string().into(),
            (from_bytes as i64).into(),
        ],
    )?;
    Ok(changed == 1)
}

/// Ends an upload whose object lives on as a blob; `false` if it is gone.
pub fn delete(tx: &mut dyn Tx, id: uuid::Uuid) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM uploads WHERE id = $1", &[id.to_string().into()])? == 1)
}

/// Ends an upload and notes its object for removal; `false` if it is gone.
pub fn abandon(tx: &mut dyn Tx, id: uuid::Uuid, now_ms: i64) -> Result<bool, StoreError> {
    let removed = tx.query_opt("DELETE FROM uploads WHERE id = $1 RETURNING object_id", &[id.to_string().into()])?;
    let Some(row) = removed else { return Ok(false) };
    removed_objects::insert(tx, parse_column(row.text(0)?, "uploads.object_id")?, Tier::Standard, now_ms)?;
    Ok(true)
}

/// Abandons up to `limit` uploads that have not grown since `until_ms`; says how many.
pub fn abandon_stale(tx: &mut dyn Tx, until_ms: i64, now_ms: i64, limit: usize) -> Result<usize, StoreError> {
    let rows = tx.query(
        "SELECT id FROM uploads WHERE updated_at_ms <= $1 ORDER BY updated_at_ms LIMIT $2",
        &[until_ms.into(), count(limit)],
    )?;
    for row in &rows {
        abandon(tx, parse_column(row.text(0)?, "uploads.id")?, now_ms)?;
    }
    Ok(rows.len())
}

/// Abandons every upload of a repository that is being deleted.
pub fn abandon_all_of(tx: &mut dyn Tx, repository_id: i64, now_ms: i64) -> Result<(), StoreError> {
    let rows = tx.query("DELETE FROM uploads WHERE repository_id = $1 RETURNING object_id", &[repository_id.into()])?;
    for row in &rows {
        removed_objects::insert(tx, parse_column(row.text(0)?, "uploads.object_id")?, Tier::Standard, now_ms)?;
    }
    Ok(())
}

/// How many uploads there are, of all repositories, and the bytes that they have received.
pub fn count_all(tx: &mut dyn Tx) -> Result<(u64, u64), StoreError> {
    let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(received_bytes), 0) AS BIGINT) FROM uploads";
    tx.query_opt(sql, &[])?.map_or(Ok((0, 0)), |row| Ok((row.int(0)? as u64, row.int(1)? as u64)))
}
