//! What a repository adds to ECR's lifecycle policies. It outlives the policy, which clients delete to replace it.

use crate::db::Tx;
use crate::error::StoreError;

/// Whether rules of a repository look only at images that no list names; `false` unless it was set.
pub fn counts_root_images(tx: &mut dyn Tx, repository_id: i64) -> Result<bool, StoreError> {
    tx.query_opt("SELECT count_root_images FROM lifecycle_settings WHERE repository_id = $1", &[repository_id.into()])?
        .map_or(Ok(false), |row| row.bool(0))
}

/// Says whether rules look only at images that no list names.
pub fn set_counts_root_images(tx: &mut dyn Tx, repository_id: i64, counts: bool) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO lifecycle_settings (repository_id, count_root_images) VALUES ($1, $2) \
         ON CONFLICT (repository_id) DO UPDATE SET count_root_images = excluded.count_root_images",
        &[repository_id.into(), counts.into()],
    )?;
    Ok(())
}
