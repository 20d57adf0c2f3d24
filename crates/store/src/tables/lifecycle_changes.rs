//! How often images that were there have changed in a repository with a lifecycle policy. A run compares it with what
//! it was when it decided.

use oci::Digest;

use crate::db::Tx;
use crate::error::StoreError;

/// Counts a change of an image. The count is kept in parts by digest, as changes at once would wait for each other.
pub fn note(tx: &mut dyn Tx, repository_id: i64, digest: &Digest) -> Result<(), StoreError> {
    let shard = i64::from_str_radix(&digest.hex().chars().take(2).collect::<String>(), 16).unwrap_or_default();
    tx.execute(
        "INSERT INTO lifecycle_changes (repository_id, shard, change_count) \
         SELECT repository_id, CAST($1 AS BIGINT), 1 FROM lifecycle_policies WHERE repository_id = $2 \
         ON CONFLICT (repository_id, shard) DO UPDATE SET change_count = lifecycle_changes.change_count + 1",
        &[shard.into(), repository_id.into()],
    )?;
    Ok(())
}

/// How often images have changed since the repository was made, as far as it had a policy then.
pub fn count(tx: &mut dyn Tx, repository_id: i64) -> Result<i64, StoreError> {
    tx.query_opt(
        "SELECT CAST(COALESCE(SUM(change_count), 0) AS BIGINT) FROM lifecycle_changes WHERE repository_id = $1",
        &[repository_id.into()],
    )?
    .map_or(Ok(0), |row| row.int(0))
}
