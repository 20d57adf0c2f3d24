//! The version of all keys that nodes hold in memory: root keys and KMS keys.

use crate::db::Tx;
use crate::error::{StoreError, StoreErrorKind};

/// The version.
pub fn find(tx: &mut dyn Tx) -> Result<i64, StoreError> {
    tx.query_opt("SELECT version FROM key_version WHERE id = 1", &[])?
        .ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, "table key_version has no row"))?
        .int(0)
}

/// Says that a key has changed; to be called in the transaction that changes it.
pub fn increment(tx: &mut dyn Tx) -> Result<(), StoreError> {
    tx.execute("UPDATE key_version SET version = version + 1 WHERE id = 1", &[])?;
    Ok(())
}
