//! The key-value tags of repositories (ECR: TagResource), not to be confused with image tags.

use crate::db::Tx;
use crate::error::StoreError;

/// Sets a tag, replacing the value of an equal key.
pub fn upsert(tx: &mut dyn Tx, repository_id: i64, key: &str, value: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO resource_tags (repository_id, key, value) VALUES ($1, $2, $3) \
         ON CONFLICT (repository_id, key) DO UPDATE SET value = excluded.value",
        &[repository_id.into(), key.into(), value.into()],
    )?;
    Ok(())
}

/// Removes a tag; one that is absent is fine.
pub fn delete(tx: &mut dyn Tx, repository_id: i64, key: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM resource_tags WHERE repository_id = $1 AND key = $2", &[repository_id.into(), key.into()])?;
    Ok(())
}

/// All tags of a repository as (key, value), ordered by key. At most 50 exist (reference/repositories-images.md 6).
pub fn list(tx: &mut dyn Tx, repository_id: i64) -> Result<Vec<(String, String)>, StoreError> {
    tx.query("SELECT key, value FROM resource_tags WHERE repository_id = $1 ORDER BY key", &[repository_id.into()])?
        .iter()
        .map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned())))
        .collect()
}
