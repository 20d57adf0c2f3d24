//! Objects that were found damaged. A note goes when the blob has its bytes in another object, or is gone.

use super::parse_column;
use crate::blob::ObjectId;
use crate::db::Tx;
use crate::error::StoreError;
use crate::tables::readable::readable_page;

/// A note of damage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedObject {
    /// The object.
    pub object: ObjectId,
    /// What is wrong with it.
    pub problem: String,
    /// When that was found first.
    pub found_at_ms: i64,
}

/// Notes damage; `false` if it was known.
pub fn insert(tx: &mut dyn Tx, object: ObjectId, problem: &str, now_ms: i64) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "INSERT INTO damaged_objects (object_id, problem, found_at_ms) VALUES ($1, $2, $3) \
         ON CONFLICT (object_id) DO NOTHING",
        &[object.to_string().into(), problem.into(), now_ms.into()],
    )?;
    Ok(changed == 1)
}

/// Takes a note back: the object was read and is whole.
pub fn delete(tx: &mut dyn Tx, object: ObjectId) -> Result<(), StoreError> {
    tx.execute("DELETE FROM damaged_objects WHERE object_id = $1", &[object.to_string().into()])?;
    Ok(())
}

/// Forgets objects that no blob has its bytes in any more.
pub fn forget_replaced(tx: &mut dyn Tx) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM damaged_objects WHERE NOT EXISTS \
         (SELECT 1 FROM blobs WHERE blobs.object_id = damaged_objects.object_id)",
        &[],
    )?;
    Ok(())
}

/// How many damaged objects blobs have their bytes in.
pub fn count_all(tx: &mut dyn Tx) -> Result<u64, StoreError> {
    let row = tx.query_opt("SELECT COUNT(*) FROM damaged_objects d JOIN blobs b ON b.object_id = d.object_id", &[])?;
    row.map_or(Ok(0), |row| Ok(row.int(0)? as u64))
}

/// Up to `limit` damaged objects that blobs have their bytes in, the first found first.
pub fn list(tx: &mut dyn Tx, limit: usize) -> Result<Vec<DamagedObject>, StoreError> {
    readable_page(
        tx,
        limit,
        "damaged_objects",
        "SELECT d.object_id, d.problem, d.found_at_ms FROM damaged_objects d \
         JOIN blobs b ON b.object_id = d.object_id ORDER BY d.found_at_ms, d.object_id LIMIT $1",
        &[],
        |row| {
            Ok(DamagedObject {
                object: parse_column(row.text(0)?, "damaged_objects.object_id")?,
                problem: row.text(1)?.to_owned(),
                found_at_ms: row.int(2)?,
            })
        },
    )
}
