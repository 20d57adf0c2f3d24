//! Whether a migration is filling this database. Until it has come to its end, no server may work with it.

use crate::db::Tx;
use crate::error::StoreError;

/// A migration begins to fill the database.
pub fn begin(tx: &mut dyn Tx) -> Result<(), StoreError> {
    tx.execute("INSERT INTO storage_moves (id) VALUES (1) ON CONFLICT (id) DO NOTHING", &[])?;
    Ok(())
}

/// The database is whole.
pub fn end(tx: &mut dyn Tx) -> Result<(), StoreError> {
    tx.execute("DELETE FROM storage_moves", &[])?;
    Ok(())
}

/// Whether a migration has begun and not ended.
pub fn is_begun(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    Ok(tx.query_opt("SELECT 1 FROM storage_moves", &[])?.is_some())
}

/// Whether there is anything in the database that a migration would overwrite.
pub fn is_used(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    let found = tx.query_opt(
        "SELECT 1 FROM (SELECT id FROM iam_entities UNION SELECT account_id FROM deleted_images \
         UNION SELECT account_id FROM repositories) used LIMIT 1",
        &[],
    )?;
    Ok(found.is_some())
}
