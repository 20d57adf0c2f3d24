//! Stored objects that no row names any more and whose bytes are still to be deleted.
//!
//! The row is written in the transaction that drops the last name of the object, so a crash never forgets one.

use super::parse_column;
use super::repositories::count;
use crate::blob::ObjectId;
use crate::db::Tx;
use crate::error::StoreError;

/// Notes that an object's bytes can go.
pub fn insert(tx: &mut dyn Tx, object: ObjectId, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO removed_objects (object_id, removed_at_ms) VALUES ($1, $2) ON CONFLICT (object_id) DO NOTHING",
        &[object.to_string().into(), now_ms.into()],
    )?;
    Ok(())
}

/// Up to `limit` objects that were noted at or before `until_ms`.
pub fn list_due(tx: &mut dyn Tx, until_ms: i64, limit: usize) -> Result<Vec<ObjectId>, StoreError> {
    tx.query(
        "SELECT object_id FROM removed_objects WHERE removed_at_ms <= $1 ORDER BY removed_at_ms LIMIT $2",
        &[until_ms.into(), count(limit)],
    )?
    .iter()
    .map(|row| parse_column(row.text(0)?, "removed_objects.object_id"))
    .collect()
}

/// Forgets an object whose bytes are gone.
pub fn delete(tx: &mut dyn Tx, object: ObjectId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM removed_objects WHERE object_id = $1", &[object.to_string().into()])?;
    Ok(())
}
