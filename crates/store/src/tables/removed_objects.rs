//! Stored objects that no row names any more and whose bytes are still to be deleted.
//!
//! The row is written in the transaction that drops the last name of the object, so a crash never forgets one.

use super::parse_column;
use crate::blob::{BlobScope, ObjectId, Tier};
use crate::db::Tx;
use crate::error::StoreError;
use crate::tables::readable::readable_page;

/// An object whose bytes can go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemovedObject {
    /// Its name.
    pub object: ObjectId,
    /// The store that it is in.
    pub tier: Tier,
    /// Where it is there.
    pub scope: BlobScope,
    /// The multipart upload that was to make it.
    pub multipart: Option<String>,
}

impl RemovedObject {
    /// An object in the standard store that no multipart upload is to make.
    pub const fn standard(object: ObjectId, scope: BlobScope) -> Self {
        Self { object, tier: Tier::Standard, scope, multipart: None }
    }
}

/// Notes that an object's bytes can go. One that is noted stays as it was noted.
pub fn insert(tx: &mut dyn Tx, removed: &RemovedObject, now_ms: i64) -> Result<(), StoreError> {
    note(tx, removed, None, now_ms)
}

/// As [`insert`], of an object of which is known what it holds.
pub fn insert_sized(
    tx: &mut dyn Tx,
    removed: &RemovedObject,
    stored_bytes: u64,
    now_ms: i64,
) -> Result<(), StoreError> {
    note(tx, removed, Some(stored_bytes as i64), now_ms)
}

fn note(tx: &mut dyn Tx, removed: &RemovedObject, stored_bytes: Option<i64>, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO removed_objects (object_id, tier, region, encryption_scope, multipart_id, stored_bytes, \
         removed_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (object_id) DO NOTHING",
        &[
            removed.object.to_string().into(),
            removed.tier.as_str().into(),
            removed.scope.region.as_str().into(),
            removed.scope.encryption.as_str().into(),
            removed.multipart.as_deref().into(),
            stored_bytes.into(),
            now_ms.into(),
        ],
    )?;
    Ok(())
}

/// Notes an object before its first byte is written: a copy of a blob that goes at `until_ms` unless it is
/// [taken into use](take_into_use) before.
pub fn insert_copy(tx: &mut dyn Tx, copy: &RemovedObject, blob_id: i64, until_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO removed_objects (object_id, tier, region, encryption_scope, copy_of_blob_id, removed_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            copy.object.to_string().into(),
            copy.tier.as_str().into(),
            copy.scope.region.as_str().into(),
            copy.scope.encryption.as_str().into(),
            blob_id.into(),
            until_ms.into(),
        ],
    )?;
    Ok(())
}

/// Remembers the multipart upload that makes a copy; `false` if the copy was given up or is used already.
pub fn note_multipart(tx: &mut dyn Tx, object: ObjectId, multipart: &str, now_ms: i64) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE removed_objects SET multipart_id = $1 WHERE object_id = $2 AND removed_at_ms > $3",
        &[multipart.into(), object.to_string().into(), now_ms.into()],
    )?;
    Ok(changed == 1)
}

/// Takes back the note of a copy that a row names from now on; `false` if its bytes may be going already, since its
/// time has come or it was [given up](give_up_copies).
pub fn take_into_use(tx: &mut dyn Tx, object: ObjectId, now_ms: i64) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "DELETE FROM removed_objects WHERE object_id = $1 AND removed_at_ms > $2",
        &[object.to_string().into(), now_ms.into()],
    )?;
    Ok(changed == 1)
}

/// Lets the unused copies of a blob go at once: whoever was writing them has ended, or ends without using them.
pub fn give_up_copies(tx: &mut dyn Tx, blob_id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE removed_objects SET removed_at_ms = 0 WHERE copy_of_blob_id = $1", &[blob_id.into()])?;
    Ok(())
}

/// Lets an object go at once that was noted for later.
pub fn give_up(tx: &mut dyn Tx, object: ObjectId) -> Result<(), StoreError> {
    tx.execute("UPDATE removed_objects SET removed_at_ms = 0 WHERE object_id = $1", &[object.to_string().into()])?;
    Ok(())
}

/// An object that may go now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueObject {
    /// The object.
    pub removed: RemovedObject,
    /// What it frees; 0 if that is not known.
    pub stored_bytes: u64,
    /// Since when it may go.
    pub removed_at_ms: i64,
}

/// Up to `limit` objects that were noted at or before `until_ms`, from the first after the place `after` on: a time and
/// an object's name, of which none comes first.
pub fn list_due(
    tx: &mut dyn Tx,
    until_ms: i64,
    after: (i64, &str),
    limit: usize,
) -> Result<Vec<DueObject>, StoreError> {
    readable_page(
        tx,
        limit,
        "removed_objects",
        "SELECT object_id, tier, region, encryption_scope, multipart_id, stored_bytes, removed_at_ms \
         FROM removed_objects WHERE removed_at_ms <= $1 AND (removed_at_ms, object_id) > ($2, $3) \
         ORDER BY removed_at_ms, object_id LIMIT $4",
        &[until_ms.into(), after.0.into(), after.1.into()],
        |row| {
            Ok(DueObject {
                removed: RemovedObject {
                    object: parse_column(row.text(0)?, "removed_objects.object_id")?,
                    tier: parse_column(row.text(1)?, "removed_objects.tier")?,
                    scope: BlobScope { region: row.text(2)?.to_owned(), encryption: row.text(3)?.to_owned() },
                    multipart: row.opt_text(4)?.map(str::to_owned),
                },
                stored_bytes: row.opt_int(5)?.unwrap_or_default() as u64,
                removed_at_ms: row.int(6)?,
            })
        },
    )
}

/// How many objects were noted at or before `until_ms`, and what they free as far as that is known.
pub fn measure(tx: &mut dyn Tx, until_ms: i64) -> Result<(u64, u64), StoreError> {
    let row = tx.query_opt(
        "SELECT COUNT(*), CAST(COALESCE(SUM(stored_bytes), 0) AS BIGINT) FROM removed_objects WHERE removed_at_ms <= $1",
        &[until_ms.into()],
    )?;
    row.map_or(Ok((0, 0)), |row| Ok((row.int(0)? as u64, row.int(1)? as u64)))
}

/// Forgets an object whose bytes are gone; `false` if somebody else has.
pub fn delete(tx: &mut dyn Tx, object: ObjectId) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM removed_objects WHERE object_id = $1", &[object.to_string().into()])? == 1)
}
