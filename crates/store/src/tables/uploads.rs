//! Layer uploads in progress: enough to go on after a restart.

use super::parse_column;
use super::registry_id::RegistryId;
use super::removed_objects::{self, RemovedObject};
use super::repositories::{count, encryption_scope};
use crate::blob::{BlobScope, ObjectId, Tier};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::readable::readable;

/// An upload as stored after its last acknowledged part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upload {
    /// The id that clients see.
    pub id: uuid::Uuid,
    /// The repository that it was begun in.
    pub repository_id: i64,
    /// The object that receives the bytes.
    pub object: ObjectId,
    /// The object's data key, wrapped; empty for an object that is plain, which the store encrypts.
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
    /// How many sessions were allowed to write it to a store that nodes share; the last one is.
    pub epoch: u64,
    /// The first part number that no session was given.
    pub next_part: u32,
    /// The object that holds the bytes which make no part yet.
    pub rest: Option<ObjectId>,
    /// The multipart upload that receives the object.
    pub multipart: Option<String>,
}

const COLUMNS: &str = "id, repository_id, object_id, data_key, state, received_bytes, part_count, last_part_bytes, \
                       has_short_part, updated_at_ms, epoch, next_part, rest_object_id, multipart_id";

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
        epoch: row.int(10)? as u64,
        next_part: row.int(11)? as u32,
        rest: rest_of(row, 12)?,
        multipart: row.opt_text(13)?.map(str::to_owned),
    })
}

fn rest_of(row: &Row, index: usize) -> Result<Option<ObjectId>, StoreError> {
    row.opt_text(index)?.map(|text| parse_column(text, "uploads.rest_object_id")).transpose()
}

/// Adds an upload, of which nothing is stored yet.
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

/// Lets a session write an upload to a store that nodes share, and none that came before it. `spare` is noted for
/// removal at `until_ms`, if nothing [takes it into use](removed_objects::take_into_use) before.
pub fn claim(
    tx: &mut dyn Tx,
    repository_id: i64,
    id: uuid::Uuid,
    spare: &RemovedObject,
    until_ms: i64,
) -> Result<Option<Upload>, StoreError> {
    let claimed = tx.query_opt(
        &format!("UPDATE uploads SET epoch = epoch + 1 WHERE id = $1 AND repository_id = $2 RETURNING {COLUMNS}"),
        &[id.to_string().into(), repository_id.into()],
    )?;
    let Some(row) = claimed else { return Ok(None) };
    removed_objects::insert(tx, spare, until_ms)?;
    from_row(&row).map(Some)
}

/// Gives the session of an epoch the first of `count` part numbers, and remembers the multipart upload that they are of;
/// none if another session may write by now, or the upload is gone.
pub fn reserve_parts(
    tx: &mut dyn Tx,
    id: uuid::Uuid,
    epoch: u64,
    multipart: &str,
    count: u32,
) -> Result<Option<u32>, StoreError> {
    tx.query_opt(
        "UPDATE uploads SET multipart_id = $1, next_part = next_part + $2 WHERE id = $3 AND epoch = $4 \
         RETURNING next_part",
        &[multipart.into(), i64::from(count).into(), id.to_string().into(), (epoch as i64).into()],
    )?
    .map(|row| Ok(row.int(0)? as u32 - count))
    .transpose()
}

/// Stores the progress of an upload that was at `from_bytes`; `false` if it is gone, has moved on since, or is another
/// session's.
pub fn advance(tx: &mut dyn Tx, upload: &Upload, from_bytes: u64) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE uploads SET state = $1, received_bytes = $2, part_count = $3, last_part_bytes = $4, \
         has_short_part = $5, updated_at_ms = $6, next_part = $7, rest_object_id = $8 \
         WHERE id = $9 AND received_bytes = $10 AND epoch = $11",
        &[
            upload.sealed_state.as_slice().into(),
            (upload.received_bytes as i64).into(),
            (upload.part_count as i64).into(),
            (upload.last_part_bytes as i64).into(),
            upload.has_short_part.into(),
            upload.updated_at_ms.into(),
            i64::from(upload.next_part).into(),
            upload.rest.map(|rest| rest.to_string()).as_deref().into(),
            upload.id.to_string().into(),
            (from_bytes as i64).into(),
            (upload.epoch as i64).into(),
        ],
    )?;
    Ok(changed == 1)
}

/// Ends an upload whose object lives on as a blob, and notes what else holds bytes of it for removal. Gives its object
/// and that one's wrapped data key as they are stored now; none if it is gone or another session's.
pub fn finish(
    tx: &mut dyn Tx,
    id: uuid::Uuid,
    epoch: u64,
    now_ms: i64,
) -> Result<Option<(ObjectId, Vec<u8>)>, StoreError> {
    let ended = tx.query_opt(
        "DELETE FROM uploads WHERE id = $1 AND epoch = $2 RETURNING rest_object_id, repository_id, object_id, data_key",
        &[id.to_string().into(), (epoch as i64).into()],
    )?;
    let Some(row) = ended else { return Ok(None) };
    if let Some(rest) = rest_of(&row, 0)? {
        let scope = scope_of(tx, row.int(1)?)?;
        removed_objects::insert(tx, &RemovedObject::standard(rest, scope), now_ms)?;
    }
    Ok(Some((parse_column(row.text(2)?, "uploads.object_id")?, row.blob(3)?.to_vec())))
}

/// Where the blobs of an upload's repository are shared.
fn scope_of(tx: &mut dyn Tx, repository_id: i64) -> Result<BlobScope, StoreError> {
    let row = tx.query_opt(
        "SELECT region, encryption_type, kms_key FROM repositories WHERE id = $1",
        &[repository_id.into()],
    )?;
    // A repository goes after its uploads.
    row.map_or_else(
        || Ok(BlobScope { region: String::new(), encryption: String::new() }),
        |row| {
            let encryption = encryption_scope(row.text(1)?, row.opt_text(2)?);
            Ok(BlobScope { region: row.text(0)?.to_owned(), encryption })
        },
    )
}

/// Notes the objects of an upload, of which `row` begins with the object, the rest and the multipart upload. What cannot
/// be read of them keeps the upload from nothing: its objects are orphans then, which `wharf fsck` finds.
fn note(tx: &mut dyn Tx, row: &Row, scope: &BlobScope, received_bytes: i64, now_ms: i64) -> Result<(), StoreError> {
    let objects = readable(std::slice::from_ref(row), "uploads", |row| {
        let object = RemovedObject {
            object: parse_column(row.text(0)?, "uploads.object_id")?,
            tier: Tier::Standard,
            scope: scope.clone(),
            multipart: row.opt_text(2)?.map(str::to_owned),
        };
        Ok((object, rest_of(row, 1)?))
    })?;
    for (object, rest) in objects {
        removed_objects::insert_sized(tx, &object, received_bytes as u64, now_ms)?;
        if let Some(rest) = rest {
            removed_objects::insert(tx, &RemovedObject::standard(rest, scope.clone()), now_ms)?;
        }
    }
    Ok(())
}

/// Ends an upload and notes its objects for removal; `false` if it is gone, or is another session's than that of
/// `epoch`.
pub fn abandon(tx: &mut dyn Tx, id: uuid::Uuid, epoch: Option<u64>, now_ms: i64) -> Result<bool, StoreError> {
    let removed = tx.query_opt(
        "DELETE FROM uploads WHERE id = $1 AND epoch = COALESCE($2, epoch) \
         RETURNING object_id, rest_object_id, multipart_id, repository_id, received_bytes",
        &[id.to_string().into(), epoch.map(|epoch| epoch as i64).into()],
    )?;
    let Some(row) = removed else { return Ok(false) };
    let scope = scope_of(tx, row.int(3)?)?;
    note(tx, &row, &scope, row.int(4)?, now_ms)?;
    Ok(true)
}

/// Abandons up to `limit` uploads that have not grown since `until_ms`; says how many.
pub fn abandon_stale(tx: &mut dyn Tx, until_ms: i64, now_ms: i64, limit: usize) -> Result<usize, StoreError> {
    let rows = tx.query(
        "SELECT id FROM uploads WHERE updated_at_ms <= $1 ORDER BY updated_at_ms LIMIT $2",
        &[until_ms.into(), count(limit)],
    )?;
    for id in readable(&rows, "uploads", |row| parse_column::<uuid::Uuid>(row.text(0)?, "uploads.id"))? {
        abandon(tx, id, None, now_ms)?;
    }
    Ok(rows.len())
}

/// Which uploads of a registry could go that nobody has written to, and that began at `until_ms` or before: up to `limit` of the
/// repository that has the most uploads of all that have such, oldest first.
pub fn unused_of_fullest(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    until_ms: i64,
    limit: usize,
) -> Result<Vec<uuid::Uuid>, StoreError> {
    // CROSS JOIN as in `reach`.
    let fullest = tx.query_opt(
        "SELECT u.repository_id FROM uploads u CROSS JOIN repositories r \
         WHERE r.id = u.repository_id AND r.account_id = $1 AND r.region = $2 GROUP BY u.repository_id \
         HAVING SUM(CASE WHEN u.received_bytes = 0 AND u.epoch = 0 AND u.updated_at_ms <= $3 THEN 1 ELSE 0 END) > 0 \
         ORDER BY COUNT(*) DESC, u.repository_id LIMIT 1",
        &[registry.account.as_str().into(), registry.region.as_str().into(), until_ms.into()],
    )?;
    let Some(row) = fullest else { return Ok(Vec::new()) };
    let rows = tx.query(
        "SELECT id FROM uploads WHERE repository_id = $1 AND received_bytes = 0 AND epoch = 0 AND updated_at_ms <= $2 \
         ORDER BY updated_at_ms, id LIMIT $3",
        &[row.int(0)?.into(), until_ms.into(), count(limit)],
    )?;
    readable(&rows, "uploads", |row| parse_column(row.text(0)?, "uploads.id"))
}

/// Abandons an upload that nobody has written to; `false` if somebody has, or it is gone. Whoever calls holds the right to write
/// it on this node; on another one a session changes the epoch.
pub fn abandon_unused(tx: &mut dyn Tx, id: uuid::Uuid, now_ms: i64) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM uploads WHERE id = $1 AND received_bytes = 0";
    let is_unused = tx.query_opt(sql, &[id.to_string().into()])?.is_some();
    Ok(is_unused && abandon(tx, id, Some(0), now_ms)?)
}

/// Abandons every upload of a repository that is being deleted.
pub fn abandon_all_of(tx: &mut dyn Tx, repository_id: i64, now_ms: i64) -> Result<(), StoreError> {
    let scope = scope_of(tx, repository_id)?;
    let rows = tx.query(
        "DELETE FROM uploads WHERE repository_id = $1 RETURNING object_id, rest_object_id, multipart_id, received_bytes",
        &[repository_id.into()],
    )?;
    for row in &rows {
        note(tx, row, &scope, row.int(3)?, now_ms)?;
    }
    Ok(())
}

/// How many uploads a repository has, counted no further than `limit`.
pub fn count_up_to(tx: &mut dyn Tx, repository_id: i64, limit: u64) -> Result<u64, StoreError> {
    let row = tx.query_opt(
        "SELECT count(*) FROM (SELECT 1 FROM uploads WHERE repository_id = $1 LIMIT $2) counted",
        &[repository_id.into(), count(usize::try_from(limit).unwrap_or(usize::MAX))],
    )?;
    row.map_or(Ok(0), |row| Ok(row.int(0)? as u64))
}

/// Whether all repositories of a registry together have `limit` uploads or more. Where there are fewer of all registries,
/// which is nearly always, it counts along an index, and else looks each upload's repository up.
pub fn reach(tx: &mut dyn Tx, registry: &RegistryId, limit: u64) -> Result<bool, StoreError> {
    let at_most = count(usize::try_from(limit).unwrap_or(usize::MAX));
    let number = |row: Option<Row>| row.map_or(Ok(0), |row| Ok::<_, StoreError>(row.int(0)? as u64));
    let of_all = "SELECT count(*) FROM (SELECT 1 FROM uploads LIMIT $1) counted";
    if number(tx.query_opt(of_all, std::slice::from_ref(&at_most))?)? < limit {
        return Ok(false);
    }
    // CROSS JOIN has SQLite begin with the uploads: there may be far more repositories.
    let of_registry = "SELECT count(*) FROM (SELECT 1 FROM uploads u CROSS JOIN repositories r \
                       WHERE r.id = u.repository_id AND r.account_id = $1 AND r.region = $2 LIMIT $3) counted";
    let params = [registry.account.as_str().into(), registry.region.as_str().into(), at_most];
    Ok(number(tx.query_opt(of_registry, &params)?)? >= limit)
}

/// How many uploads there are, of all repositories, and the bytes that they have received.
pub fn count_all(tx: &mut dyn Tx) -> Result<(u64, u64), StoreError> {
    let sql = "SELECT COUNT(*), CAST(COALESCE(SUM(received_bytes), 0) AS BIGINT) FROM uploads";
    tx.query_opt(sql, &[])?.map_or(Ok((0, 0)), |row| Ok((row.int(0)? as u64, row.int(1)? as u64)))
}

/// How many uploads have not grown since `until_ms`, and the bytes that they hold.
pub fn measure_stale(tx: &mut dyn Tx, until_ms: i64) -> Result<(u64, u64), StoreError> {
    let row = tx.query_opt(
        "SELECT COUNT(*), CAST(COALESCE(SUM(received_bytes), 0) AS BIGINT) FROM uploads WHERE updated_at_ms <= $1",
        &[until_ms.into()],
    )?;
    row.map_or(Ok((0, 0)), |row| Ok((row.int(0)? as u64, row.int(1)? as u64)))
}
