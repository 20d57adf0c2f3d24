//! Who keeps the garbage collection from removing bytes, and until when: a copy of all that a snapshot names is made.

use crate::db::Tx;
use crate::error::StoreError;

/// Holds the removal of objects back until a time; with the same id again, until a later one.
pub fn hold(tx: &mut dyn Tx, id: &str, until_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO collection_holds (id, until_ms) VALUES ($1, $2) \
         ON CONFLICT (id) DO UPDATE SET until_ms = excluded.until_ms",
        &[id.into(), until_ms.into()],
    )?;
    Ok(())
}

/// Ends a hold, and forgets those whose time passed before `now_ms`.
pub fn release(tx: &mut dyn Tx, id: &str, now_ms: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM collection_holds WHERE id = $1 OR until_ms <= $2", &[id.into(), now_ms.into()])?;
    Ok(())
}

/// Until when objects must stay; none if nobody holds them.
pub fn held_until(tx: &mut dyn Tx, now_ms: i64) -> Result<Option<i64>, StoreError> {
    tx.query_opt("SELECT MAX(until_ms) FROM collection_holds WHERE until_ms > $1", &[now_ms.into()])?
        .map_or(Ok(None), |row| row.opt_int(0))
}
