//! How much there is in the whole database, over all tables that hold registries.

use super::parse_column;
use crate::blob::Tier;
use crate::db::Tx;
use crate::error::StoreError;

/// What one tier of the store holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TierSizes {
    /// Stored objects.
    pub objects: u64,
    /// Bytes of their content, each counted once.
    pub unique_bytes: u64,
    /// Bytes that they take in the form that they are stored in, without what encryption adds.
    pub stored_bytes: u64,
    /// Bytes if every repository, and every deleted image that can be restored, had copies of its own.
    pub logical_bytes: u64,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreSizes {
    /// Layers and configs of images that are not archived.
    pub standard: TierSizes,
    /// Those that only archived images need.
    pub archive: TierSizes,
    /// Repositories.
    pub repositories: u64,
    /// Images.
    pub images: u64,
    /// Tags.
    pub tags: u64,
}

/// Measures all of it: reads every row of blobs and the keys of tags, so it is not for every request.
pub fn measure(tx: &mut dyn Tx) -> Result<StoreSizes, StoreError> {
    let mut sizes = StoreSizes::default();
    let tiers = tx.query(
        "SELECT tier, COUNT(*), CAST(COALESCE(SUM(size_bytes), 0) AS BIGINT), \
         CAST(COALESCE(SUM(COALESCE(stored_bytes, size_bytes)), 0) AS BIGINT), \
         CAST(COALESCE(SUM(size_bytes * reference_count), 0) AS BIGINT) FROM blobs GROUP BY tier",
        &[],
    )?;
    for row in tiers {
        let of_tier = match parse_column(row.text(0)?, "blobs.tier")? {
            Tier::Standard => &mut sizes.standard,
            Tier::Archive => &mut sizes.archive,
        };
        *of_tier = TierSizes {
            objects: row.int(1)? as u64,
            unique_bytes: row.int(2)? as u64,
            stored_bytes: row.int(3)? as u64,
            logical_bytes: row.int(4)? as u64,
        };
    }
    let mut one =
        |sql: &str| -> Result<u64, StoreError> { tx.query_opt(sql, &[])?.map_or(Ok(0), |row| Ok(row.int(0)? as u64)) };
    sizes.repositories = one("SELECT COUNT(*) FROM repositories")?;
    // Kept by triggers, a few rows per repository.
    sizes.images = one("SELECT CAST(COALESCE(SUM(images), 0) AS BIGINT) FROM image_counts")?;
    sizes.tags = one("SELECT COUNT(*) FROM image_tags")?;
    Ok(sizes)
}
