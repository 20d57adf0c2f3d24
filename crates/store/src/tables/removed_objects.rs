//! Stored objects that no row names any more and whose bytes are still to be deleted.
//!
//! The row is written in the transaction that drops the last name of the object, so a crash never forgets one.

use super::parse_column;
use super::repositories::count;
use crate::blob::{ObjectId, Tier};
use crate::db::Tx;
use crate::error::StoreError;

/// Notes that an object's bytes can go.
pub fn insert(tx: &mut dyn Tx, object: ObjectId, tier: Tier, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO removed_objects (object_id, tier, removed_at_ms) VALUES ($1, $2, $3) \
         ON CONFLICT (object_id) DO NOTHING",
        &[object.to_string().into(), tier.as_str().into(), now_ms.into()],
    )?;
    Ok(())
}

/// Notes an object before its first byte is written: a copy of a blob that goes at `until_ms` unless it is
/// [taken into use](take_into_use) before.
pub fn insert_copy(
    tx: &mut dyn Tx,
    object: ObjectId,
    tier: Tier,
    blob_id: i64,
    until_ms: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO removed_objects (object_id, tier, copy_of_blob_id, removed_at_ms) VALUES ($1, $2, $3, $4)",
        &[object.to_string().into(), tier.as_str().into(), blob_id.into(), until_ms.into()],
    )?;
    Ok(())
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

/// Up to `limit` objects, with the tiers that they are in, that were noted at or before `until_ms`.
pub fn list_due(tx: &mut dyn Tx, until_ms: i64, limit: usize) -> Result<Vec<(ObjectId, Tier)>, StoreError> {
    tx.query(
        "SELECT object_id, tier FROM removed_objects WHERE removed_at_ms <= $1 ORDER BY removed_at_ms LIMIT $2",
        &[until_ms.into(), count(limit)],
    )?
    .iter()
    .map(|row| {
        let object = parse_column(row.text(0)?, "removed_objects.object_id")?;
        Ok((object, parse_column(row.text(1)?, "removed_objects.tier")?))
    })
    .collect()
}

/// Forgets an object whose bytes are gone.
pub fn delete(tx: &mut dyn Tx, object: ObjectId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM removed_objects WHERE object_id = $1", &[object.to_string().into()])?;
    Ok(())
}
