//! Images: a manifest in a repository, with what it names.

use std::collections::BTreeMap;

use oci::{Digest, MediaType};

use super::repositories::count;
use super::upstream_blobs::BlobSource;
use super::{from_json, parse_column, parse_shown};
use crate::db::{Row, Tx};
use crate::error::{StoreError, StoreErrorKind};
use crate::stored_enum::stored_enum;
use crate::tables::readable::readable_page;

stored_enum! {
    /// Where an image is in its life (ECR: `imageStatus`).
    pub enum ImageStatus {
        /// Can be pulled.
        Active = "ACTIVE",
        /// In the archive storage class.
        Archived = "ARCHIVED",
        /// On its way back from the archive.
        Activating = "ACTIVATING",
    }
}

/// What is stored with a manifest, derived from it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewImage {
    /// Digest of exactly the manifest's bytes.
    pub digest: Digest,
    /// The manifest's media type.
    pub media_type: MediaType,
    /// ECR's `artifactMediaType`; none for lists.
    pub artifact_media_type: Option<String>,
    /// The `artifactType` under which referrers lists show it.
    pub artifact_type: Option<String>,
    /// The manifest's annotations, kept for referrers lists.
    pub annotations: BTreeMap<String, String>,
    /// The image that this one refers to.
    pub subject: Option<Digest>,
    /// Config and layers; for a list the largest of its images (reference/repositories-images.md 4).
    pub size_bytes: u64,
    /// Length of the manifest in clear.
    pub manifest_bytes: u64,
    /// The manifest, sealed.
    pub sealed_manifest: Vec<u8>,
    /// Push time.
    pub pushed_at_ms: i64,
}

/// An image without its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The row's key.
    pub id: i64,
    /// Digest of the manifest.
    pub digest: Digest,
    /// The manifest's media type; none if what is stored of it is damaged, which the manifest itself says too.
    pub media_type: Option<MediaType>,
    /// ECR's `artifactMediaType`.
    pub artifact_media_type: Option<String>,
    /// See [`NewImage::subject`].
    pub subject: Option<Digest>,
    /// See [`NewImage::size_bytes`].
    pub size_bytes: u64,
    /// Length of the manifest in clear.
    pub manifest_bytes: u64,
    /// First push of this digest.
    pub pushed_at_ms: i64,
    /// Last recorded pull.
    pub last_pulled_at_ms: Option<i64>,
    /// Where it is in its life.
    pub status: ImageStatus,
    /// When it was last archived.
    pub last_archived_at_ms: Option<i64>,
    /// When it last came back from the archive.
    pub last_activated_at_ms: Option<i64>,
    /// Whether it was looked at and holds statements, but no files that could run. It may hold none where this is `false`.
    pub is_artifact: bool,
}

/// An image as a referrers list shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Referrer {
    /// Digest of its manifest.
    pub digest: Digest,
    /// Its manifest's media type.
    pub media_type: MediaType,
    /// Its artifact type.
    pub artifact_type: Option<String>,
    /// Length of its manifest.
    pub manifest_bytes: u64,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Where it is in its life.
    pub status: ImageStatus,
    /// See [`cached_from`].
    pub cached_from: Option<String>,
}

const COLUMNS: &str = "i.id, i.digest, i.media_type, i.artifact_media_type, i.subject_digest, i.size_bytes, \
                       i.manifest_bytes, i.pushed_at_ms, i.last_pulled_at_ms, i.status, i.last_archived_at_ms, \
                       i.last_activated_at_ms, i.is_artifact";

fn from_row(row: &Row) -> Result<Image, StoreError> {
    Ok(Image {
        id: row.int(0)?,
        digest: parse_column(row.text(1)?, "images.digest")?,
        media_type: parse_shown(row, 2, "images", "images.media_type")?,
        artifact_media_type: row.opt_text(3)?.map(str::to_owned),
        subject: row.opt_text(4)?.map(|text| parse_column(text, "images.subject_digest")).transpose()?,
        size_bytes: row.int(5)? as u64,
        manifest_bytes: row.int(6)? as u64,
        pushed_at_ms: row.int(7)?,
        last_pulled_at_ms: row.opt_int(8)?,
        status: parse_column(row.text(9)?, "images.status")?,
        last_archived_at_ms: row.opt_int(10)?,
        last_activated_at_ms: row.opt_int(11)?,
        is_artifact: row.bool(12)?,
    })
}

/// Adds an image; `None` if the repository has the digest.
pub fn insert(tx: &mut dyn Tx, repository_id: i64, new: &NewImage) -> Result<Option<i64>, StoreError> {
    let annotations = (!new.annotations.is_empty())
        .then(|| serde_json::to_string(&new.annotations))
        .transpose()
        .map_err(|error| StoreError::new(StoreErrorKind::Other, "annotations of a manifest").with_source(error))?;
    tx.query_opt(
        "INSERT INTO images (repository_id, digest, media_type, artifact_media_type, artifact_type, annotations, \
         subject_digest, size_bytes, manifest_bytes, manifest, pushed_at_ms, status) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'ACTIVE') \
         ON CONFLICT (repository_id, digest) DO NOTHING RETURNING id",
        &[
            repository_id.into(),
            new.digest.to_string().into(),
            new.media_type.as_str().into(),
            new.artifact_media_type.as_deref().into(),
            new.artifact_type.as_deref().into(),
            annotations.into(),
            new.subject.map(|digest| digest.to_string()).into(),
            (new.size_bytes as i64).into(),
            (new.manifest_bytes as i64).into(),
            new.sealed_manifest.as_slice().into(),
            new.pushed_at_ms.into(),
        ],
    )?
    .map(|row| row.int(0))
    .transpose()
}

/// Notes that an image names a blob. The caller has counted it.
pub fn insert_blob(tx: &mut dyn Tx, image_id: i64, digest: &Digest) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO image_blobs (image_id, digest) VALUES ($1, $2)",
        &[image_id.into(), digest.to_string().into()],
    )?;
    Ok(())
}

/// Notes that a list names an image.
pub fn insert_child(
    tx: &mut dyn Tx,
    parent_image_id: i64,
    repository_id: i64,
    child: &Digest,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO image_children (parent_image_id, repository_id, child_digest) VALUES ($1, $2, $3) \
         ON CONFLICT (parent_image_id, child_digest) DO NOTHING",
        &[parent_image_id.into(), repository_id.into(), child.to_string().into()],
    )?;
    Ok(())
}

/// The image of that digest.
pub fn find(tx: &mut dyn Tx, repository_id: i64, digest: &Digest) -> Result<Option<Image>, StoreError> {
    tx.query_opt(
        &format!("SELECT {COLUMNS} FROM images i WHERE i.repository_id = $1 AND i.digest = $2"),
        &[repository_id.into(), digest.to_string().into()],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// The image that a tag names.
pub fn find_by_tag(tx: &mut dyn Tx, repository_id: i64, tag: &str) -> Result<Option<Image>, StoreError> {
    tx.query_opt(
        &format!(
            "SELECT {COLUMNS} FROM image_tags t JOIN images i ON i.id = t.image_id \
             WHERE t.repository_id = $1 AND t.tag = $2"
        ),
        &[repository_id.into(), tag.into()],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// The image of that row, if it is in the repository.
pub fn find_by_id(tx: &mut dyn Tx, repository_id: i64, image_id: i64) -> Result<Option<Image>, StoreError> {
    tx.query_opt(
        &format!("SELECT {COLUMNS} FROM images i WHERE i.id = $1 AND i.repository_id = $2"),
        &[image_id.into(), repository_id.into()],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// The repository that an image is in; none if there is no such image.
pub fn repository_of(tx: &mut dyn Tx, image_id: i64) -> Result<Option<i64>, StoreError> {
    let row = tx.query_opt("SELECT repository_id FROM images WHERE id = $1", &[image_id.into()])?;
    row.map(|row| row.int(0)).transpose()
}

/// Turns an image to another status. Archiving and coming back leave their times.
pub fn set_status(tx: &mut dyn Tx, image_id: i64, status: ImageStatus, now_ms: i64) -> Result<(), StoreError> {
    let (archived_at_ms, activated_at_ms) = match status {
        ImageStatus::Archived => (Some(now_ms), None),
        ImageStatus::Activating => (None, None),
        ImageStatus::Active => (None, Some(now_ms)),
    };
    tx.execute(
        "UPDATE images SET status = $1, last_archived_at_ms = COALESCE($2, last_archived_at_ms), \
         last_activated_at_ms = COALESCE($3, last_activated_at_ms) WHERE id = $4",
        &[status.as_str().into(), archived_at_ms.into(), activated_at_ms.into(), image_id.into()],
    )?;
    Ok(())
}

/// The [`BlobSource::key`] of where the pull through cache had an image from; none for one that was pushed.
pub fn cached_from(tx: &mut dyn Tx, image_id: i64) -> Result<Option<String>, StoreError> {
    let row = tx.query_opt("SELECT cached_from FROM images WHERE id = $1", &[image_id.into()])?;
    row.map_or(Ok(None), |row| Ok(row.opt_text(0)?.map(str::to_owned)))
}

/// Notes that the pull through cache has had an image from there.
pub fn set_cached_from(tx: &mut dyn Tx, image_id: i64, source: &BlobSource) -> Result<(), StoreError> {
    let key = source.key();
    tx.execute("UPDATE images SET cached_from = $1 WHERE id = $2", &[key.into(), image_id.into()])?;
    Ok(())
}

/// The registry that replication brought an image from; none for one that was pushed, or that several have brought.
pub fn replicated_from(tx: &mut dyn Tx, image_id: i64) -> Result<Option<String>, StoreError> {
    let row = tx.query_opt("SELECT replicated_from FROM images WHERE id = $1", &[image_id.into()])?;
    row.map_or(Ok(None), |row| Ok(row.opt_text(0)?.map(str::to_owned)))
}

/// Notes that replication has brought an image from there.
pub fn set_replicated_from(tx: &mut dyn Tx, image_id: i64, source: &str) -> Result<(), StoreError> {
    tx.execute("UPDATE images SET replicated_from = $1 WHERE id = $2", &[source.into(), image_id.into()])?;
    Ok(())
}

/// Forgets where replication brought an image from, as it has come by another way as well; with `unless` not if it was there.
pub fn forget_replicated_from(tx: &mut dyn Tx, image_id: i64, unless: Option<&str>) -> Result<(), StoreError> {
    let known = replicated_from(tx, image_id)?;
    if known.is_some() && known.as_deref() != unless {
        tx.execute("UPDATE images SET replicated_from = NULL WHERE id = $1", &[image_id.into()])?;
    }
    Ok(())
}

/// Whether an active image that the pull through cache had from there names a blob. Looks at every such image of the
/// repository.
pub fn is_blob_of_cached(
    tx: &mut dyn Tx,
    repository_id: i64,
    digest: &Digest,
    source: &BlobSource,
) -> Result<bool, StoreError> {
    let found = tx.query_opt(
        "SELECT 1 FROM images i JOIN image_blobs n ON n.image_id = i.id AND n.digest = $1 \
         WHERE i.repository_id = $2 AND i.cached_from = $3 AND i.status = 'ACTIVE' LIMIT 1",
        &[digest.to_string().into(), repository_id.into(), source.key().into()],
    )?;
    Ok(found.is_some())
}

/// The sealed manifest of an image.
pub fn sealed_manifest(tx: &mut dyn Tx, image_id: i64) -> Result<Option<Vec<u8>>, StoreError> {
    tx.query_opt("SELECT manifest FROM images WHERE id = $1", &[image_id.into()])?
        .map(|row| Ok(row.blob(0)?.to_vec()))
        .transpose()
}

/// Up to `limit` images in the order of their digests, from the first after `after`.
pub fn list(tx: &mut dyn Tx, repository_id: i64, after: &str, limit: usize) -> Result<Vec<Image>, StoreError> {
    readable_page(
        tx,
        limit,
        "images",
        &format!(
            "SELECT {COLUMNS} FROM images i WHERE i.repository_id = $1 AND i.digest > $2 ORDER BY i.digest LIMIT $3"
        ),
        &[repository_id.into(), after.into()],
        from_row,
    )
}

/// Whether the repository has any image.
pub fn any(tx: &mut dyn Tx, repository_id: i64) -> Result<bool, StoreError> {
    Ok(tx.query_opt("SELECT 1 FROM images WHERE repository_id = $1 LIMIT 1", &[repository_id.into()])?.is_some())
}

/// The lists that name `child`, in the order of their digests.
pub fn parent_images(tx: &mut dyn Tx, repository_id: i64, child: &Digest) -> Result<Vec<Image>, StoreError> {
    tx.query(
        &format!(
            "SELECT {COLUMNS} FROM image_children c JOIN images i ON i.id = c.parent_image_id \
             WHERE c.repository_id = $1 AND c.child_digest = $2 ORDER BY i.digest"
        ),
        &[repository_id.into(), child.to_string().into()],
    )?
    .iter()
    .map(from_row)
    .collect()
}

/// The digests of the lists that name `child`, in order.
pub fn parents(tx: &mut dyn Tx, repository_id: i64, child: &Digest) -> Result<Vec<Digest>, StoreError> {
    Ok(parent_images(tx, repository_id, child)?.into_iter().map(|image| image.digest).collect())
}

/// The images that a list names, in the order of their digests.
pub fn children(tx: &mut dyn Tx, parent_image_id: i64) -> Result<Vec<Image>, StoreError> {
    tx.query(
        &format!(
            "SELECT {COLUMNS} FROM image_children c \
             JOIN images i ON i.repository_id = c.repository_id AND i.digest = c.child_digest \
             WHERE c.parent_image_id = $1 ORDER BY i.digest"
        ),
        &[parent_image_id.into()],
    )?
    .iter()
    .map(from_row)
    .collect()
}

/// Up to `limit` images whose subject is `subject`, in the order of their digests, from the first after `after`,
/// without what a referrers list shows of them.
pub fn of_subject(
    tx: &mut dyn Tx,
    repository_id: i64,
    subject: &Digest,
    after: &str,
    limit: usize,
) -> Result<Vec<Image>, StoreError> {
    tx.query(
        &format!(
            "SELECT {COLUMNS} FROM images i WHERE i.repository_id = $1 AND i.subject_digest = $2 AND i.digest > $3 \
             ORDER BY i.digest LIMIT $4"
        ),
        &[repository_id.into(), subject.to_string().into(), after.into(), count(limit)],
    )?
    .iter()
    .map(from_row)
    .collect()
}

/// The images that are on their way back from the archive and name the blob: (repository, image), in that order.
pub fn activating_of_blob(tx: &mut dyn Tx, blob_id: i64) -> Result<Vec<(i64, i64)>, StoreError> {
    // CROSS JOIN: SQLite keeps the order, beginning with the few images that are on their way.
    tx.query(
        "SELECT i.repository_id, i.id FROM images i CROSS JOIN image_blobs n CROSS JOIN repository_blobs r \
         WHERE i.status = 'ACTIVATING' AND n.image_id = i.id AND r.repository_id = i.repository_id \
         AND r.digest = n.digest AND r.blob_id = $1 ORDER BY i.repository_id, i.id",
        &[blob_id.into()],
    )?
    .iter()
    .map(|row| Ok((row.int(0)?, row.int(1)?)))
    .collect()
}

/// What of a repository belongs together, as pairs: a list and an image that it names, or a subject and its referrer.
pub fn links(tx: &mut dyn Tx, repository_id: i64) -> Result<Vec<(Digest, Digest)>, StoreError> {
    tx.query(
        "SELECT p.digest, c.child_digest FROM images p JOIN image_children c ON c.parent_image_id = p.id \
         WHERE p.repository_id = $1 UNION ALL \
         SELECT subject_digest, digest FROM images WHERE repository_id = $1 AND subject_digest IS NOT NULL",
        &[repository_id.into()],
    )?
    .iter()
    .map(|row| Ok((parse_column(row.text(0)?, "images.digest")?, parse_column(row.text(1)?, "images.digest")?)))
    .collect()
}

/// Up to `limit` images whose subject is `subject`, in the order of their digests, from the first after `after`.
pub fn referrers(
    tx: &mut dyn Tx,
    repository_id: i64,
    subject: &Digest,
    after: &str,
    limit: usize,
) -> Result<Vec<Referrer>, StoreError> {
    let read = |row: &Row| {
        let annotations = match row.opt_text(4)? {
            None => BTreeMap::new(),
            Some(text) => from_json(text, "images.annotations")?,
        };
        Ok(Referrer {
            digest: parse_column(row.text(0)?, "images.digest")?,
            media_type: parse_column(row.text(1)?, "images.media_type")?,
            artifact_type: row.opt_text(2)?.map(str::to_owned),
            manifest_bytes: row.int(3)? as u64,
            annotations,
            status: parse_column(row.text(5)?, "images.status")?,
            cached_from: row.opt_text(6)?.map(str::to_owned),
        })
    };
    readable_page(
        tx,
        limit,
        "images",
        "SELECT digest, media_type, artifact_type, manifest_bytes, annotations, status, cached_from FROM images \
         WHERE repository_id = $1 AND subject_digest = $2 AND digest > $3 ORDER BY digest LIMIT $4",
        &[repository_id.into(), subject.to_string().into(), after.into()],
        read,
    )
}

/// How long the manifests of such images are, in bytes: no less than their annotations.
pub fn referrer_lengths(
    tx: &mut dyn Tx,
    repository_id: i64,
    subject: &Digest,
    after: &str,
    limit: usize,
) -> Result<Vec<u64>, StoreError> {
    tx.query(
        "SELECT manifest_bytes FROM images WHERE repository_id = $1 AND subject_digest = $2 AND digest > $3 \
         ORDER BY digest LIMIT $4",
        &[repository_id.into(), subject.to_string().into(), after.into(), count(limit)],
    )?
    .iter()
    .map(|row| Ok(row.int(0)? as u64))
    .collect()
}

/// The repository of an image: the account, the region and the name.
pub fn place_of(tx: &mut dyn Tx, image_id: i64) -> Result<Option<(String, String, String)>, StoreError> {
    let sql = "SELECT r.account_id, r.region, r.name FROM images i JOIN repositories r ON r.id = i.repository_id \
               WHERE i.id = $1";
    tx.query_opt(sql, &[image_id.into()])?
        .map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.text(2)?.to_owned())))
        .transpose()
}

/// Notes what was seen of its layers, see [`Image::is_artifact`].
pub fn note_artifact(tx: &mut dyn Tx, image_id: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE images SET is_artifact = 1 WHERE id = $1", &[image_id.into()])?;
    Ok(())
}

/// Moves the last pull time of an image forward.
pub fn record_pull(tx: &mut dyn Tx, image_id: i64, pulled_at_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE images SET last_pulled_at_ms = $1 \
         WHERE id = $2 AND (last_pulled_at_ms IS NULL OR last_pulled_at_ms < $1)",
        &[pulled_at_ms.into(), image_id.into()],
    )?;
    Ok(())
}

/// Removes an image and the notes of what it names. The caller has removed its tags and uncounted its blobs.
pub fn delete(tx: &mut dyn Tx, image_id: i64) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM image_blobs WHERE image_id = $1",
        "DELETE FROM image_children WHERE parent_image_id = $1",
        "DELETE FROM images WHERE id = $1",
    ] {
        tx.execute(sql, &[image_id.into()])?;
    }
    Ok(())
}

/// Removes every image of a repository that is being deleted.
pub fn delete_all(tx: &mut dyn Tx, repository_id: i64) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM image_tags WHERE repository_id = $1",
        "DELETE FROM image_blobs WHERE image_id IN (SELECT id FROM images WHERE repository_id = $1)",
        "DELETE FROM image_children WHERE repository_id = $1",
        "DELETE FROM images WHERE repository_id = $1",
    ] {
        tx.execute(sql, &[repository_id.into()])?;
    }
    Ok(())
}
