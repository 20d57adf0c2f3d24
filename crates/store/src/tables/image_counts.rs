//! How many images a repository has, kept by triggers on `images` in parts that pushes at once rarely share.

use crate::db::Tx;
use crate::error::StoreError;

/// The number of images of a repository, of every status; at most 64 rows are read.
pub fn of_repository(tx: &mut dyn Tx, repository_id: i64) -> Result<u64, StoreError> {
    let row = tx.query_opt(
        "SELECT CAST(COALESCE(sum(images), 0) AS BIGINT) FROM image_counts WHERE repository_id = $1",
        &[repository_id.into()],
    )?;
    row.map_or(Ok(0), |row| Ok(u64::try_from(row.int(0)?).unwrap_or(0)))
}
