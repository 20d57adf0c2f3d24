//! Which blobs a repository may show, and how many of its images need each.

use oci::Digest;

use super::blobs::{self, StoredBlob};
use super::parse_column;
use super::repositories::count;
use super::upstream_blobs;
use crate::db::{Tx, Value};
use crate::error::StoreError;

/// A blob as one repository sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryBlob {
    /// The shared copy.
    pub stored: StoredBlob,
    /// Media type that the last image naming it gave; absent until an image does.
    pub media_type: Option<String>,
    /// How many images of the repository name it.
    pub image_count: i64,
}

fn key(repository_id: i64, digest: &Digest) -> [Value; 2] {
    [repository_id.into(), digest.to_string().into()]
}

/// The blob, if the repository has it.
pub fn find(tx: &mut dyn Tx, repository_id: i64, digest: &Digest) -> Result<Option<RepositoryBlob>, StoreError> {
    let Some(row) = tx.query_opt(
        "SELECT b.id, b.size_bytes, b.object_id, b.data_key, r.media_type, r.image_count FROM repository_blobs r \
         JOIN blobs b ON b.id = r.blob_id WHERE r.repository_id = $1 AND r.digest = $2",
        &key(repository_id, digest),
    )?
    else {
        return Ok(None);
    };
    Ok(Some(RepositoryBlob {
        stored: StoredBlob {
            id: row.int(0)?,
            size_bytes: row.int(1)? as u64,
            object: parse_column(row.text(2)?, "blobs.object_id")?,
            data_key: row.blob(3)?.to_vec(),
        },
        media_type: row.opt_text(4)?.map(str::to_owned),
        image_count: row.int(5)?,
    }))
}

/// Shows a blob in a repository; `false` if it was there. The caller has taken the blob's reference and gives it
/// back when the answer is `false`. Its grace period starts at `now_ms`, unless images name it that waited for it to
/// come from upstream.
pub fn insert(
    tx: &mut dyn Tx,
    repository_id: i64,
    digest: &Digest,
    blob_id: i64,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "INSERT INTO repository_blobs (repository_id, digest, blob_id, image_count, unreferenced_since_ms) \
         VALUES ($1, $2, $3, 0, $4) ON CONFLICT (repository_id, digest) DO NOTHING",
        &[repository_id.into(), digest.to_string().into(), blob_id.into(), now_ms.into()],
    )?;
    if changed == 1
        && let Some(awaited) = upstream_blobs::take(tx, repository_id, digest)?
    {
        tx.execute(
            "UPDATE repository_blobs SET image_count = $1, media_type = $2, unreferenced_since_ms = NULL \
             WHERE repository_id = $3 AND digest = $4",
            &[awaited.image_count.into(), awaited.media_type.into(), repository_id.into(), digest.to_string().into()],
        )?;
    }
    Ok(changed == 1)
}

/// Restarts the grace period of a blob that was uploaded again.
pub fn touch(tx: &mut dyn Tx, repository_id: i64, digest: &Digest, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE repository_blobs SET unreferenced_since_ms = $1 \
         WHERE repository_id = $2 AND digest = $3 AND unreferenced_since_ms IS NOT NULL",
        &[now_ms.into(), repository_id.into(), digest.to_string().into()],
    )?;
    Ok(())
}

/// Counts one more image that names the blob; `false` if the repository does not have it.
pub fn add_image(tx: &mut dyn Tx, repository_id: i64, digest: &Digest, media_type: &str) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE repository_blobs SET image_count = image_count + 1, unreferenced_since_ms = NULL, media_type = $1 \
         WHERE repository_id = $2 AND digest = $3",
        &[media_type.into(), repository_id.into(), digest.to_string().into()],
    )?;
    Ok(changed == 1)
}

/// Counts one image less for every blob that the image names, those that are still upstream included; blobs that no
/// image names start their grace period.
pub fn remove_image(tx: &mut dyn Tx, repository_id: i64, image_id: i64, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE repository_blobs SET image_count = image_count - 1, \
         unreferenced_since_ms = CASE WHEN image_count = 1 THEN $1 ELSE unreferenced_since_ms END \
         WHERE repository_id = $2 AND digest IN (SELECT digest FROM image_blobs WHERE image_id = $3)",
        &[now_ms.into(), repository_id.into(), image_id.into()],
    )?;
    upstream_blobs::remove_image(tx, repository_id, image_id)
}

/// Hides up to `limit` blobs that no image has named since `until_ms` and gives up their references; says how many.
pub fn collect_unreferenced(tx: &mut dyn Tx, until_ms: i64, limit: usize) -> Result<usize, StoreError> {
    let due = tx.query(
        "SELECT repository_id, digest FROM repository_blobs \
         WHERE unreferenced_since_ms IS NOT NULL AND unreferenced_since_ms <= $1 \
         ORDER BY unreferenced_since_ms LIMIT $2",
        &[until_ms.into(), count(limit)],
    )?;
    for row in &due {
        // Still unreferenced? A push on another node may have named it since the look-up.
        let removed = tx.query_opt(
            "DELETE FROM repository_blobs WHERE repository_id = $1 AND digest = $2 AND image_count = 0 \
             RETURNING blob_id",
            &[row.int(0)?.into(), row.text(1)?.into()],
        )?;
        if let Some(removed) = removed {
            blobs::release(tx, removed.int(0)?)?;
        }
    }
    Ok(due.len())
}

/// Hides every blob of a repository that is being deleted. The caller has released their references.
pub fn delete_all(tx: &mut dyn Tx, repository_id: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM repository_blobs WHERE repository_id = $1", &[repository_id.into()])?;
    Ok(())
}
