//! The background scrub: which blobs of its round it has read.

use crate::db::Tx;
use crate::error::StoreError;

/// A round of the scrub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scrub {
    /// When it began.
    pub started_at_ms: i64,
    /// When it ended; none while it goes on.
    pub finished_at_ms: Option<i64>,
    /// The last blob that was read.
    pub last_blob_id: i64,
    /// Objects read in this round.
    pub objects_read: u64,
    /// Bytes read in this round.
    pub bytes_read: u64,
}

/// The round that goes on, or the last one.
pub fn find(tx: &mut dyn Tx) -> Result<Option<Scrub>, StoreError> {
    tx.query_opt(
        "SELECT started_at_ms, finished_at_ms, last_blob_id, objects_read, bytes_read FROM storage_scrubs WHERE id = 1",
        &[],
    )?
    .map(|row| {
        Ok(Scrub {
            started_at_ms: row.int(0)?,
            finished_at_ms: row.opt_int(1)?,
            last_blob_id: row.int(2)?,
            objects_read: row.int(3)? as u64,
            bytes_read: row.int(4)? as u64,
        })
    })
    .transpose()
}

/// Stores how far a round is.
pub fn store(tx: &mut dyn Tx, scrub: &Scrub) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO storage_scrubs (id, started_at_ms, finished_at_ms, last_blob_id, objects_read, bytes_read) \
         VALUES (1, $1, $2, $3, $4, $5) ON CONFLICT (id) DO UPDATE SET started_at_ms = excluded.started_at_ms, \
         finished_at_ms = excluded.finished_at_ms, last_blob_id = excluded.last_blob_id, \
         objects_read = excluded.objects_read, bytes_read = excluded.bytes_read",
        &[
            scrub.started_at_ms.into(),
            scrub.finished_at_ms.into(),
            scrub.last_blob_id.into(),
            (scrub.objects_read as i64).into(),
            (scrub.bytes_read as i64).into(),
        ],
    )?;
    Ok(())
}
