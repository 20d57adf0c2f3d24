//! Blobs that a repository's images name and that are still at the upstream registry that the images came from.

use oci::Digest;

use super::parse_column;
use crate::db::Tx;
use crate::error::StoreError;

/// Where a blob is to be had, and nowhere else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlobSource {
    /// The upstream, as the rule names it.
    pub upstream_url: String,
    /// The repository's name there.
    pub upstream_repository: String,
}

impl BlobSource {
    /// How columns named `cached_from` hold it.
    pub fn key(&self) -> String {
        format!("{} {}", self.upstream_url, self.upstream_repository)
    }
}

/// A blob that has not come yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamBlob {
    /// Its length, if the manifest says.
    pub size_bytes: Option<u64>,
    /// The media type that the manifest gives it.
    pub media_type: String,
    /// How many images of the repository name it.
    pub image_count: i64,
    /// Where it is.
    pub source: BlobSource,
}

/// The blob, if the repository waits for it.
pub fn find(tx: &mut dyn Tx, repository_id: i64, digest: &Digest) -> Result<Option<UpstreamBlob>, StoreError> {
    tx.query_opt(
        "SELECT size_bytes, media_type, image_count, upstream_url, upstream_repository FROM upstream_blobs \
         WHERE repository_id = $1 AND digest = $2",
        &[repository_id.into(), digest.to_string().into()],
    )?
    .map(|row| {
        Ok(UpstreamBlob {
            size_bytes: row.opt_int(0)?.map(|size| size as u64),
            media_type: row.text(1)?.to_owned(),
            image_count: row.int(2)?,
            source: BlobSource { upstream_url: row.text(3)?.to_owned(), upstream_repository: row.text(4)?.to_owned() },
        })
    })
    .transpose()
}

/// How many images of a repository that name a blob are not active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InactiveImages {
    /// They are archived.
    pub archived: i64,
    /// They are on their way back from there.
    pub activating: i64,
}

/// Counts the images that name a blob and are not active.
pub fn inactive_images(tx: &mut dyn Tx, repository_id: i64, digest: &Digest) -> Result<InactiveImages, StoreError> {
    let row = tx.query_opt(
        "SELECT COUNT(CASE WHEN i.status = 'ARCHIVED' THEN 1 END), COUNT(CASE WHEN i.status = 'ACTIVATING' THEN 1 END) \
         FROM images i JOIN image_blobs n ON n.image_id = i.id AND n.digest = $1 \
         WHERE i.repository_id = $2 AND i.status <> 'ACTIVE'",
        &[digest.to_string().into(), repository_id.into()],
    )?;
    let counted = row.map(|row| Ok(InactiveImages { archived: row.int(0)?, activating: row.int(1)? })).transpose()?;
    Ok(counted.unwrap_or(InactiveImages { archived: 0, activating: 0 }))
}

/// Whether only archived images wait for the blob, so that it is out of reach until one is restored, as one that has come
/// ([`RepositoryBlob::is_archived`](super::repository_blobs::RepositoryBlob::is_archived)).
pub fn is_archived(
    tx: &mut dyn Tx,
    repository_id: i64,
    digest: &Digest,
    known: &UpstreamBlob,
) -> Result<bool, StoreError> {
    let InactiveImages { archived, activating } = inactive_images(tx, repository_id, digest)?;
    Ok(known.image_count > 0 && known.image_count == archived + activating)
}

/// Counts one more image that names the blob. The newest image says where it is to be had.
pub fn add_image(
    tx: &mut dyn Tx,
    repository_id: i64,
    digest: &Digest,
    size_bytes: Option<u64>,
    media_type: &str,
    source: &BlobSource,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO upstream_blobs (repository_id, digest, size_bytes, media_type, image_count, upstream_url, \
         upstream_repository) VALUES ($1, $2, $3, $4, 1, $5, $6) \
         ON CONFLICT (repository_id, digest) DO UPDATE SET image_count = upstream_blobs.image_count + 1, \
         size_bytes = excluded.size_bytes, media_type = excluded.media_type, upstream_url = excluded.upstream_url, \
         upstream_repository = excluded.upstream_repository",
        &[
            repository_id.into(),
            digest.to_string().into(),
            size_bytes.map(|size| size as i64).into(),
            media_type.into(),
            source.upstream_url.as_str().into(),
            source.upstream_repository.as_str().into(),
        ],
    )?;
    Ok(())
}

/// Counts one image less for every blob that the image names, and forgets those that no image names.
pub fn remove_image(tx: &mut dyn Tx, repository_id: i64, image_id: i64) -> Result<(), StoreError> {
    for sql in [
        "UPDATE upstream_blobs SET image_count = image_count - 1 \
         WHERE repository_id = $1 AND digest IN (SELECT digest FROM image_blobs WHERE image_id = $2)",
        "DELETE FROM upstream_blobs WHERE repository_id = $1 AND image_count = 0 \
         AND digest IN (SELECT digest FROM image_blobs WHERE image_id = $2)",
    ] {
        tx.execute(sql, &[repository_id.into(), image_id.into()])?;
    }
    Ok(())
}

/// Forgets a blob that has come, and says what was known of it.
pub fn take(tx: &mut dyn Tx, repository_id: i64, digest: &Digest) -> Result<Option<UpstreamBlob>, StoreError> {
    let found = find(tx, repository_id, digest)?;
    if found.is_some() {
        tx.execute(
            "DELETE FROM upstream_blobs WHERE repository_id = $1 AND digest = $2",
            &[repository_id.into(), digest.to_string().into()],
        )?;
    }
    Ok(found)
}

/// The blobs of an image that have not come yet, in the order of their digests.
pub fn list_of_image(tx: &mut dyn Tx, repository_id: i64, image_id: i64) -> Result<Vec<Digest>, StoreError> {
    tx.query(
        "SELECT u.digest FROM image_blobs i JOIN upstream_blobs u ON u.digest = i.digest AND u.repository_id = $1 \
         WHERE i.image_id = $2 ORDER BY u.digest",
        &[repository_id.into(), image_id.into()],
    )?
    .iter()
    .map(|row| parse_column(row.text(0)?, "upstream_blobs.digest"))
    .collect()
}
