//! Which blobs a repository may show, and how many of its images need each.

use oci::{Digest, RepositoryName};

use super::blobs::{self, BlobScope, StoredBlob};
use super::images::ImageStatus;
use super::parse_column;
use super::registry_id::RegistryId;
use super::repositories::count;
use super::upstream_blobs::{self, BlobSource, InactiveImages, UpstreamBlob};
use crate::blob::Tier;
use crate::db::{Row, Tx, Value};
use crate::error::StoreError;
use crate::tables::readable::readable;

/// A blob as one repository sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryBlob {
    /// The shared copy.
    pub stored: StoredBlob,
    /// Media type that the last image naming it gave; absent until an image does.
    pub media_type: Option<String>,
    /// How many images of the repository name it.
    pub image_count: i64,
    /// How many of these are archived, or on their way back from there.
    pub inactive_image_count: i64,
    /// Whether it was uploaded again while it had no other images.
    pub is_pushed_again: bool,
    /// Where its bytes came from.
    pub origin: BlobOrigin,
}

impl RepositoryBlob {
    /// Whether only archived images name it, so that it cannot be read until one is restored
    /// (reference/repositories-images.md 4).
    pub const fn is_archived(&self) -> bool {
        self.image_count > 0 && self.image_count == self.inactive_image_count && !self.is_pushed_again
    }
}

fn key(repository_id: i64, digest: &Digest) -> [Value; 2] {
    [repository_id.into(), digest.to_string().into()]
}

/// The blob, if the repository has it.
pub fn find(tx: &mut dyn Tx, repository_id: i64, digest: &Digest) -> Result<Option<RepositoryBlob>, StoreError> {
    let sql = format!(
        "SELECT {}, r.media_type, r.image_count, r.archived_image_count + r.activating_image_count, \
         r.pushed_again_at_ms, r.cached_from FROM repository_blobs r JOIN blobs b ON b.id = r.blob_id {} \
         WHERE r.repository_id = $1 AND r.digest = $2",
        blobs::COLUMNS,
        blobs::SMALL
    );
    let Some(row) = tx.query_opt(&sql, &key(repository_id, digest))? else { return Ok(None) };
    Ok(Some(RepositoryBlob {
        stored: blobs::stored_from_row(&row)?,
        media_type: row.opt_text(10)?.map(str::to_owned),
        image_count: row.int(11)?,
        inactive_image_count: row.int(12)?,
        is_pushed_again: row.opt_int(13)?.is_some(),
        origin: BlobOrigin::from_column(row.opt_text(14)?),
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
        take_over_images(tx, repository_id, digest, &awaited, now_ms)?;
    }
    Ok(changed == 1)
}

/// Counts the images that waited for a blob which has come. One that only archived images name came because somebody
/// wanted it: it is as one that was uploaded again.
fn take_over_images(
    tx: &mut dyn Tx,
    repository_id: i64,
    digest: &Digest,
    awaited: &UpstreamBlob,
    now_ms: i64,
) -> Result<(), StoreError> {
    let InactiveImages { archived, activating } = upstream_blobs::inactive_images(tx, repository_id, digest)?;
    let pushed_again_at_ms = (archived + activating == awaited.image_count).then_some(now_ms);
    tx.execute(
        "UPDATE repository_blobs SET image_count = $1, archived_image_count = $2, activating_image_count = $3, \
         media_type = $4, unreferenced_since_ms = NULL, pushed_again_at_ms = $5 WHERE repository_id = $6 AND digest = $7",
        &[
            awaited.image_count.into(),
            archived.into(),
            activating.into(),
            awaited.media_type.as_str().into(),
            pushed_again_at_ms.into(),
            repository_id.into(),
            digest.to_string().into(),
        ],
    )?;
    Ok(())
}

/// Where the bytes of a blob that a repository shows came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlobOrigin {
    /// Somebody pushed them, or nobody noted where they came from.
    Unknown,
    /// The pull through cache brought them; from where, as [`BlobSource::key`].
    Cached(String),
}

impl BlobOrigin {
    fn from_column(cached_from: Option<&str>) -> Self {
        cached_from.map_or(Self::Unknown, |key| Self::Cached(key.to_owned()))
    }

    /// Whether the cache had them from there.
    pub fn is_from(&self, source: &BlobSource) -> bool {
        matches!(self, Self::Cached(key) if *key == source.key())
    }
}

/// Where the bytes of a blob came from; none if the repository does not show it.
pub fn origin(tx: &mut dyn Tx, repository_id: i64, digest: &Digest) -> Result<Option<BlobOrigin>, StoreError> {
    let sql = "SELECT cached_from FROM repository_blobs WHERE repository_id = $1 AND digest = $2";
    let row = tx.query_opt(sql, &key(repository_id, digest))?;
    row.map(|row| Ok(BlobOrigin::from_column(row.opt_text(0)?))).transpose()
}

/// Notes that the pull through cache has had the bytes of a blob from there.
pub fn set_cached_from(
    tx: &mut dyn Tx,
    repository_id: i64,
    digest: &Digest,
    source: &BlobSource,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE repository_blobs SET cached_from = $1 WHERE repository_id = $2 AND digest = $3",
        &[source.key().into(), repository_id.into(), digest.to_string().into()],
    )?;
    Ok(())
}

/// Shows a blob in the repository `to`, whose blobs are stored in `scope`, as the repository `from` shows it to those who
/// pull from there; `false` if `from` does not, or has it stored elsewhere. Nothing else turns a digest into a layer
/// without the bytes, so the caller has made sure that whoever it is done for may pull from `from`.
pub fn share(
    tx: &mut dyn Tx,
    from: i64,
    to: i64,
    scope: &BlobScope,
    digest: &Digest,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let shown = find(tx, from, digest)?.filter(|blob| !blob.is_archived() && blob.stored.scope == *scope);
    let Some(RepositoryBlob { stored, .. }) = shown else { return Ok(false) };
    if !blobs::add_reference(tx, stored.id)? {
        return Ok(false);
    }
    if !insert(tx, to, digest, stored.id, now_ms)? {
        blobs::release(tx, stored.id)?;
        touch(tx, to, digest, now_ms)?;
    }
    Ok(true)
}

/// A repository that shows a blob to those who pull from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShowingRepository {
    /// The repository's key.
    pub repository_id: i64,
    /// Its name.
    pub name: RepositoryName,
}

/// The repositories of a registry that show a blob to those who pull from them, in the order of their keys.
pub fn shown_in_registry(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    digest: &Digest,
) -> Result<Vec<ShowingRepository>, StoreError> {
    tx.query(
        "SELECT p.id, p.name FROM blobs b JOIN repository_blobs r ON r.blob_id = b.id \
         JOIN repositories p ON p.id = r.repository_id \
         WHERE b.region = $1 AND b.digest = $2 AND p.region = $1 AND p.account_id = $3 \
         AND (r.image_count = 0 OR r.image_count <> r.archived_image_count + r.activating_image_count \
         OR r.pushed_again_at_ms IS NOT NULL) ORDER BY p.id",
        &[registry.region.as_str().into(), digest.to_string().into(), registry.account.as_str().into()],
    )?
    .iter()
    .map(|row| {
        Ok(ShowingRepository { repository_id: row.int(0)?, name: parse_column(row.text(1)?, "repositories.name")? })
    })
    .collect()
}

/// Restarts the grace period of a blob that was uploaded again, which makes one readable that only archived images name.
pub fn touch(tx: &mut dyn Tx, repository_id: i64, digest: &Digest, now_ms: i64) -> Result<(), StoreError> {
    for (column, condition) in [
        ("unreferenced_since_ms", "unreferenced_since_ms IS NOT NULL"),
        ("pushed_again_at_ms", "image_count > 0 AND image_count = archived_image_count + activating_image_count"),
    ] {
        tx.execute(
            &format!(
                "UPDATE repository_blobs SET {column} = $1 WHERE repository_id = $2 AND digest = $3 AND {condition}"
            ),
            &[now_ms.into(), repository_id.into(), digest.to_string().into()],
        )?;
    }
    Ok(())
}

/// Counts one more image that names the blob; `false` if the repository does not have it.
pub fn add_image(tx: &mut dyn Tx, repository_id: i64, digest: &Digest, media_type: &str) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE repository_blobs SET image_count = image_count + 1, unreferenced_since_ms = NULL, \
         pushed_again_at_ms = NULL, media_type = $1 \
         WHERE repository_id = $2 AND digest = $3",
        &[media_type.into(), repository_id.into(), digest.to_string().into()],
    )?;
    Ok(changed == 1)
}

/// Counts one image less for every blob that the image names, those that are still upstream included; blobs that no
/// image names start their grace period.
pub fn remove_image(tx: &mut dyn Tx, repository_id: i64, image_id: i64, now_ms: i64) -> Result<(), StoreError> {
    let status = tx.query_opt("SELECT status FROM images WHERE id = $1", &[image_id.into()])?;
    let uncounted = match status.map(|row| parse_column(row.text(0)?, "images.status")).transpose()? {
        Some(ImageStatus::Archived) => ", archived_image_count = archived_image_count - 1",
        Some(ImageStatus::Activating) => ", activating_image_count = activating_image_count - 1",
        Some(ImageStatus::Active) | None => "",
    };
    tx.execute(
        &format!(
            "UPDATE repository_blobs SET image_count = image_count - 1{uncounted}, \
             unreferenced_since_ms = CASE WHEN image_count = 1 THEN $1 ELSE unreferenced_since_ms END \
             WHERE repository_id = $2 AND digest IN (SELECT digest FROM image_blobs WHERE image_id = $3)"
        ),
        &[now_ms.into(), repository_id.into(), image_id.into()],
    )?;
    upstream_blobs::remove_image(tx, repository_id, image_id)
}

/// Counts an image that turns from one status to another for every blob that it names.
pub fn count_status(
    tx: &mut dyn Tx,
    repository_id: i64,
    image_id: i64,
    from: ImageStatus,
    to: ImageStatus,
) -> Result<(), StoreError> {
    let change = |status| i64::from(to == status) - i64::from(from == status);
    // What was uploaded again has found its image, or has lost it to the archive since.
    tx.execute(
        "UPDATE repository_blobs SET archived_image_count = archived_image_count + $1, \
         activating_image_count = activating_image_count + $2, pushed_again_at_ms = NULL \
         WHERE repository_id = $3 AND digest IN (SELECT digest FROM image_blobs WHERE image_id = $4)",
        &[
            change(ImageStatus::Archived).into(),
            change(ImageStatus::Activating).into(),
            repository_id.into(),
            image_id.into(),
        ],
    )?;
    Ok(())
}

/// A blob that an image names, as its repository sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedBlob {
    /// The shared copy's row.
    pub blob_id: i64,
    /// Where the copy is.
    pub tier: Tier,
    /// How many images of the repository name it.
    pub image_count: i64,
    /// How many of these are archived.
    pub archived_image_count: i64,
}

/// The blobs that an image names and its repository has, in the order of their rows.
pub fn list_of_image(tx: &mut dyn Tx, repository_id: i64, image_id: i64) -> Result<Vec<NamedBlob>, StoreError> {
    tx.query(
        "SELECT b.id, b.tier, r.image_count, r.archived_image_count FROM image_blobs n \
         JOIN repository_blobs r ON r.repository_id = $1 AND r.digest = n.digest JOIN blobs b ON b.id = r.blob_id \
         WHERE n.image_id = $2 ORDER BY b.id",
        &[repository_id.into(), image_id.into()],
    )?
    .iter()
    .map(|row| {
        Ok(NamedBlob {
            blob_id: row.int(0)?,
            tier: parse_column(row.text(1)?, "blobs.tier")?,
            image_count: row.int(2)?,
            archived_image_count: row.int(3)?,
        })
    })
    .collect()
}

/// The blobs of a repository that others have in archived images: once it shows them no more, they may belong into the
/// archive.
pub fn archived_elsewhere(tx: &mut dyn Tx, repository_id: i64) -> Result<Vec<i64>, StoreError> {
    tx.query(
        "SELECT DISTINCT other.blob_id FROM repository_blobs own \
         JOIN repository_blobs other ON other.blob_id = own.blob_id AND other.repository_id <> own.repository_id \
         WHERE own.repository_id = $1 AND other.archived_image_count > 0 ORDER BY other.blob_id",
        &[repository_id.into()],
    )?
    .iter()
    .map(|row| row.int(0))
    .collect()
}

/// What a step of the garbage collection has found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Rows that it looked at.
    pub rows: usize,
    /// Blobs that may belong into the archive now, since archived images name them still.
    pub maybe_archived: Vec<i64>,
}

/// Hides up to `limit` blobs that no image has named since `until_ms` and gives up their references.
pub fn collect_unreferenced(tx: &mut dyn Tx, until_ms: i64, limit: usize) -> Result<Collected, StoreError> {
    let due = tx.query(
        "SELECT repository_id, digest FROM repository_blobs \
         WHERE unreferenced_since_ms IS NOT NULL AND unreferenced_since_ms <= $1 AND image_count = 0 \
         ORDER BY unreferenced_since_ms LIMIT $2",
        &[until_ms.into(), count(limit)],
    )?;
    let mut maybe_archived = Vec::new();
    for (repository_id, digest) in readable(&due, "repository_blobs", |row| Ok((row.int(0)?, row.text(1)?.to_owned())))?
    {
        // Still unreferenced? A push on another node may have named it since the look-up.
        let removed = tx.query_opt(
            "DELETE FROM repository_blobs WHERE repository_id = $1 AND digest = $2 AND image_count = 0 \
             RETURNING blob_id",
            &[repository_id.into(), digest.into()],
        )?;
        if let Some(removed) = removed {
            let blob_id = removed.int(0)?;
            blobs::release(tx, blob_id)?;
            let archived = tx.query_opt(
                "SELECT 1 FROM repository_blobs WHERE blob_id = $1 AND archived_image_count > 0 LIMIT 1",
                &[blob_id.into()],
            )?;
            maybe_archived.extend(archived.map(|_| blob_id));
        }
    }
    Ok(Collected { rows: due.len(), maybe_archived })
}

/// Takes up to `limit` blobs for archived again that were uploaded before `until_ms` for an image that never came.
pub fn collect_pushed_again(tx: &mut dyn Tx, until_ms: i64, limit: usize) -> Result<Collected, StoreError> {
    let due = tx.query(
        "SELECT repository_id, digest, blob_id FROM repository_blobs \
         WHERE pushed_again_at_ms IS NOT NULL AND pushed_again_at_ms <= $1 ORDER BY pushed_again_at_ms LIMIT $2",
        &[until_ms.into(), count(limit)],
    )?;
    let mut maybe_archived = Vec::new();
    let read = |row: &Row| Ok((row.int(0)?, row.text(1)?.to_owned(), row.int(2)?));
    for (repository_id, digest, blob_id) in readable(&due, "repository_blobs", read)? {
        tx.execute(
            "UPDATE repository_blobs SET pushed_again_at_ms = NULL WHERE repository_id = $1 AND digest = $2",
            &[repository_id.into(), digest.into()],
        )?;
        maybe_archived.push(blob_id);
    }
    Ok(Collected { rows: due.len(), maybe_archived })
}

/// Hides every blob of a repository that is being deleted. The caller has released their references.
pub fn delete_all(tx: &mut dyn Tx, repository_id: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM repository_blobs WHERE repository_id = $1", &[repository_id.into()])?;
    Ok(())
}
