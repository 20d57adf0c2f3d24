//! The check of the service key: one value, sealed with the key of the first start and never replaced.

use crate::db::Tx;
use crate::error::StoreError;

/// The sealed value; none before the first start is done.
pub fn find(tx: &mut dyn Tx) -> Result<Option<Vec<u8>>, StoreError> {
    tx.query_opt("SELECT sealed FROM service_key_check WHERE id = 1", &[])?
        .map(|row| row.blob(0).map(<[u8]>::to_vec))
        .transpose()
}

/// Stores the sealed value unless there is one, and says which one is there then.
pub fn find_or_insert(tx: &mut dyn Tx, sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    tx.execute("INSERT INTO service_key_check (id, sealed) VALUES (1, $1) ON CONFLICT DO NOTHING", &[sealed.into()])?;
    Ok(find(tx)?.unwrap_or_default())
}
