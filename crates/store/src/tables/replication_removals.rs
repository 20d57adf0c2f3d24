//! Images and tags that were deleted here, for destinations that are to lose them too.

use oci::{Digest, RepositoryName};

use super::image_replications::ReplicationRoute;
use super::parse_column;
use super::repositories::count;
use crate::db::Tx;
use crate::error::{StoreError, StoreErrorKind};

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removal {
    /// In which repository.
    pub repository: RepositoryName,
    /// Which image.
    pub digest: Digest,
    /// The tags that it lost.
    pub tags: Vec<String>,
    /// Whether it is gone itself.
    pub is_gone: bool,
}

/// Notes a removal.
pub fn insert(tx: &mut dyn Tx, route: &ReplicationRoute, removal: &Removal) -> Result<(), StoreError> {
    let tags = serde_json::to_string(&removal.tags)
        .map_err(|error| StoreError::new(StoreErrorKind::Other, "tags of a removal").with_source(error))?;
    let mut values = route.columns().to_vec();
    values.extend([
        removal.repository.as_str().into(),
        removal.digest.to_string().into(),
        tags.into(),
        removal.is_gone.into(),
    ]);
    tx.execute(
        "INSERT INTO replication_removals (account_id, region, destination_account_id, destination_region, \
         repository, digest, tags, is_gone) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        &values,
    )?;
    Ok(())
}

/// Up to `limit` removals of a route with their keys, in the order in which they were noted.
pub fn list(tx: &mut dyn Tx, route: &ReplicationRoute, limit: usize) -> Result<Vec<(i64, Removal)>, StoreError> {
    let mut values = route.columns().to_vec();
    values.push(count(limit));
    tx.query(
        "SELECT id, repository, digest, tags, is_gone FROM replication_removals WHERE account_id = $1 \
         AND region = $2 AND destination_account_id = $3 AND destination_region = $4 ORDER BY id LIMIT $5",
        &values,
    )?
    .iter()
    .map(|row| {
        let tags = serde_json::from_str(row.text(3)?).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "column replication_removals.tags").with_source(error)
        })?;
        let removal = Removal {
            repository: parse_column(row.text(1)?, "replication_removals.repository")?,
            digest: parse_column(row.text(2)?, "replication_removals.digest")?,
            tags,
            is_gone: row.bool(4)?,
        };
        Ok((row.int(0)?, removal))
    })
    .collect()
}

/// Forgets a removal that was done.
pub fn delete(tx: &mut dyn Tx, id: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM replication_removals WHERE id = $1", &[id.into()])?;
    Ok(())
}
