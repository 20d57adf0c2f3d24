//! Deleted images that can still be restored: all that an image's row held, and references on the blobs that it named.
//!
//! They are kept by the name of their repository, not by its row, so that they outlive it. Nothing here is visible to
//! those who pull, list or describe images.

use oci::{Digest, MediaType, RepositoryName};

use super::images::ImageStatus;
use super::kms_keys::KmsKeyArn;
use super::registry_id::RegistryId;
use super::repositories::{EncryptionType, RepositoryRef, count};
use super::{blobs, parse_column, parse_shown, repository_blobs};
use crate::db::{Row, Tx, Value};
use crate::error::{StoreError, StoreErrorKind};
use crate::tables::readable::readable_page;

/// What is written down of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionNote {
    /// Who deleted: a principal's ARN, or `lifecycle`.
    pub by: String,
    /// What made it go, such as an operation's name.
    pub reason: String,
    /// When.
    pub at_ms: i64,
    /// Until when it can be restored.
    pub expires_at_ms: i64,
}

/// A deleted image, without its manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedImage {
    /// The row's key, which was the image's.
    pub id: i64,
    /// The registry that it was in.
    pub registry: RegistryId,
    /// The repository that it was in, which may be gone.
    pub repository: RepositoryName,
    /// What the repository was encrypted with.
    pub encryption_type: EncryptionType,
    /// The ARN of its KMS key, for the KMS types.
    pub kms_key: Option<KmsKeyArn>,
    /// Digest of the manifest.
    pub digest: Digest,
    /// Who deleted it, and when.
    pub note: DeletionNote,
    /// As [`Image::media_type`](super::images::Image::media_type).
    pub media_type: Option<MediaType>,
    /// ECR's `artifactMediaType`.
    pub artifact_media_type: Option<String>,
    /// See [`NewImage::size_bytes`](super::images::NewImage::size_bytes).
    pub size_bytes: u64,
    /// First push of the digest.
    pub pushed_at_ms: i64,
    /// Where it was in its life.
    pub status: ImageStatus,
}

impl DeletedImage {
    /// The key domain that its blobs are stored in; as
    /// [`Repository::encryption_scope`](super::repositories::Repository::encryption_scope).
    pub fn encryption_scope(&self) -> String {
        super::repositories::encryption_scope(
            self.encryption_type.as_str(),
            self.kms_key.as_ref().map(KmsKeyArn::as_str),
        )
    }
}

/// What an image that is dropped for good gave back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Released {
    /// Images dropped.
    pub images: usize,
    /// Bytes of the blobs that nothing refers to any more.
    pub bytes: u64,
}

const COLUMNS: &str = "id, account_id, region, repository_name, encryption_type, kms_key, digest, deleted_by, reason, \
                       deleted_at_ms, expires_at_ms, media_type, artifact_media_type, size_bytes, pushed_at_ms, status";

/// What an image and a deleted image have in common, column by column: a new column of images belongs here too, but for
/// `replicated_from`, as who restores an image wants it here.
const COPIED: &str = "digest, media_type, artifact_media_type, artifact_type, annotations, subject_digest, size_bytes, \
                      manifest_bytes, manifest, pushed_at_ms, last_pulled_at_ms, status, last_archived_at_ms, \
                      last_activated_at_ms, cached_from";

fn from_row(row: &Row) -> Result<DeletedImage, StoreError> {
    Ok(DeletedImage {
        id: row.int(0)?,
        registry: RegistryId {
            account: parse_column(row.text(1)?, "deleted_images.account_id")?,
            region: parse_column(row.text(2)?, "deleted_images.region")?,
        },
        repository: parse_column(row.text(3)?, "deleted_images.repository_name")?,
        encryption_type: parse_column(row.text(4)?, "deleted_images.encryption_type")?,
        kms_key: row.opt_text(5)?.map(|text| parse_column(text, "deleted_images.kms_key")).transpose()?,
        digest: parse_column(row.text(6)?, "deleted_images.digest")?,
        note: DeletionNote {
            by: row.text(7)?.to_owned(),
            reason: row.text(8)?.to_owned(),
            at_ms: row.int(9)?,
            expires_at_ms: row.int(10)?,
        },
        media_type: parse_shown(row, 11, "deleted_images", "deleted_images.media_type")?,
        artifact_media_type: row.opt_text(12)?.map(str::to_owned),
        size_bytes: row.int(13)? as u64,
        pushed_at_ms: row.int(14)?,
        status: parse_column(row.text(15)?, "deleted_images.status")?,
    })
}

fn columns_of(table: &str, columns: &str) -> String {
    columns.split(", ").map(|column| format!("{table}.{column}")).collect::<Vec<_>>().join(", ")
}

/// Writes an image that is about to be deleted down, with its tags, and takes a reference on each of its blobs. An image
/// with blobs that are still upstream is not kept: it can be pulled from there again.
pub fn keep(tx: &mut dyn Tx, image_id: i64, note: &DeletionNote) -> Result<(), StoreError> {
    keep_where(tx, "i.id", image_id, note)
}

/// As [`keep`], for every image of a repository that is about to be deleted.
pub fn keep_all_of(tx: &mut dyn Tx, repository_id: i64, note: &DeletionNote) -> Result<(), StoreError> {
    keep_where(tx, "i.repository_id", repository_id, note)
}

fn keep_where(tx: &mut dyn Tx, column: &str, id: i64, note: &DeletionNote) -> Result<(), StoreError> {
    let values =
        [note.at_ms.into(), note.by.as_str().into(), note.reason.as_str().into(), note.expires_at_ms.into(), id.into()];
    tx.execute(
        &format!(
            "INSERT INTO deleted_images (id, account_id, region, repository_name, encryption_type, kms_key, \
             deleted_at_ms, deleted_by, reason, expires_at_ms, {COPIED}) \
             SELECT i.id, r.account_id, r.region, r.name, r.encryption_type, r.kms_key, $1, $2, $3, $4, {} \
             FROM images i JOIN repositories r ON r.id = i.repository_id WHERE {column} = $5 AND NOT EXISTS ( \
             SELECT 1 FROM image_blobs n JOIN upstream_blobs u ON u.digest = n.digest \
             AND u.repository_id = i.repository_id WHERE n.image_id = i.id)",
            columns_of("i", COPIED)
        ),
        &values,
    )?;
    tx.execute(
        &format!(
            "INSERT INTO deleted_tags (account_id, region, repository_name, tag, digest, tagged_at_ms, \
             deleted_image_id, deleted_at_ms, deleted_by, reason, expires_at_ms) \
             SELECT r.account_id, r.region, r.name, t.tag, i.digest, t.tagged_at_ms, i.id, $1, $2, $3, $4 \
             FROM images i JOIN deleted_images d ON d.id = i.id JOIN repositories r ON r.id = i.repository_id \
             JOIN image_tags t ON t.image_id = i.id WHERE {column} = $5"
        ),
        &values,
    )?;
    tx.execute(
        &format!(
            "INSERT INTO deleted_image_children (deleted_image_id, child_digest) \
             SELECT c.parent_image_id, c.child_digest FROM images i JOIN deleted_images d ON d.id = i.id \
             JOIN image_children c ON c.parent_image_id = i.id WHERE {column} = $1"
        ),
        &[id.into()],
    )?;
    tx.execute(
        &format!(
            "INSERT INTO deleted_image_blobs (deleted_image_id, digest, blob_id, media_type) \
             SELECT b.image_id, b.digest, s.blob_id, COALESCE(s.media_type, '') FROM images i JOIN deleted_images d ON d.id = i.id \
             JOIN image_blobs b ON b.image_id = i.id \
             JOIN repository_blobs s ON s.repository_id = i.repository_id AND s.digest = b.digest WHERE {column} = $1"
        ),
        &[id.into()],
    )?;
    tx.execute(
        &format!(
            "UPDATE blobs SET reference_count = reference_count + (SELECT count(*) FROM deleted_image_blobs k \
             JOIN images i ON i.id = k.deleted_image_id WHERE k.blob_id = blobs.id AND {column} = $1) \
             WHERE id IN (SELECT k.blob_id FROM images i JOIN deleted_image_blobs k ON k.deleted_image_id = i.id \
             WHERE {column} = $1)"
        ),
        &[id.into()],
    )?;
    Ok(())
}

/// Where a page of a list begins: after the entry with this repository, time and id. The default is the first page.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct After {
    /// Repository name.
    pub repository: String,
    /// Deletion time.
    pub deleted_at_ms: i64,
    /// The row's key.
    pub id: i64,
}

/// Which part of a registry a list is about.
#[derive(Clone, Debug)]
pub struct DeletedImageFilter {
    /// The registry.
    pub registry: RegistryId,
    /// One repository; none for all.
    pub repository: Option<RepositoryName>,
    /// What was deleted at this time or later.
    pub since_ms: i64,
    /// What can be restored after this time.
    pub now_ms: i64,
}

/// Whether there is a deleted image of that id.
pub fn exists(tx: &mut dyn Tx, id: i64) -> Result<bool, StoreError> {
    Ok(tx.query_opt("SELECT 1 FROM deleted_images WHERE id = $1", &[id.into()])?.is_some())
}

/// Up to `limit` deleted images in the order of repository, deletion and id, from the first after `after`.
pub fn list(
    tx: &mut dyn Tx,
    filter: &DeletedImageFilter,
    after: &After,
    limit: usize,
) -> Result<Vec<DeletedImage>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM deleted_images WHERE {}", DeletedImageFilter::PAGE);
    readable_page(tx, limit, "deleted_images", &sql, &filter.page_values(after), from_row)
}

impl DeletedImageFilter {
    /// The condition, order and limit of a page, in this table and that of deleted tags.
    pub(super) const PAGE: &str = "account_id = $1 AND region = $2 \
         AND repository_name >= $3 AND repository_name <= $4 AND deleted_at_ms >= $5 AND expires_at_ms > $6 \
         AND (repository_name, deleted_at_ms, id) > ($7, $8, $9) \
         ORDER BY repository_name, deleted_at_ms, id LIMIT $10";

    /// The values of [`Self::PAGE`], but for the limit, which is the last.
    pub(super) fn page_values(&self, after: &After) -> [Value; 9] {
        // Between two names stands what begins at one and ends with it. `{` sorts after everything that a name can have.
        let (from, to) = self.repository.as_ref().map_or(("", "{"), |name| (name.as_str(), name.as_str()));
        [
            self.registry.account.as_str().into(),
            self.registry.region.as_str().into(),
            from.into(),
            to.into(),
            self.since_ms.into(),
            self.now_ms.into(),
            after.repository.as_str().into(),
            after.deleted_at_ms.into(),
            after.id.into(),
        ]
    }
}

/// The image of that digest that was deleted last and can be restored after `now_ms`.
pub fn find_newest(
    tx: &mut dyn Tx,
    repository: &RepositoryRef,
    digest: &Digest,
    now_ms: i64,
) -> Result<Option<DeletedImage>, StoreError> {
    let RepositoryRef { registry, name } = repository;
    tx.query_opt(
        &format!(
            "SELECT {COLUMNS} FROM deleted_images WHERE account_id = $1 AND region = $2 AND repository_name = $3 \
             AND digest = $4 AND expires_at_ms > $5 ORDER BY deleted_at_ms DESC, id DESC LIMIT 1"
        ),
        &[
            registry.account.as_str().into(),
            registry.region.as_str().into(),
            name.as_str().into(),
            digest.to_string().into(),
            now_ms.into(),
        ],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// The deleted image of that key.
pub fn find(tx: &mut dyn Tx, id: i64) -> Result<Option<DeletedImage>, StoreError> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM deleted_images WHERE id = $1"), &[id.into()])?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// The digests that a deleted list names, in order; none for other images.
pub fn children(tx: &mut dyn Tx, id: i64) -> Result<Vec<Digest>, StoreError> {
    tx.query(
        "SELECT child_digest FROM deleted_image_children WHERE deleted_image_id = $1 ORDER BY child_digest",
        &[id.into()],
    )?
    .iter()
    .map(|row| parse_column(row.text(0)?, "deleted_image_children.child_digest"))
    .collect()
}

/// Puts a deleted image back among a repository's images, with its old key, as it was but without its tags, which are
/// forgotten with the row: read them first. The repository has no image of the digest and the same encryption scope.
pub fn restore(tx: &mut dyn Tx, id: i64, repository_id: i64, now_ms: i64) -> Result<(), StoreError> {
    let named = tx.query(
        "SELECT digest, blob_id, media_type FROM deleted_image_blobs WHERE deleted_image_id = $1",
        &[id.into()],
    )?;
    for row in &named {
        let digest: Digest = parse_column(row.text(0)?, "deleted_image_blobs.digest")?;
        // The reference goes over to the repository, unless that has one.
        if !repository_blobs::insert(tx, repository_id, &digest, row.int(1)?, now_ms)? {
            blobs::release(tx, row.int(1)?)?;
        }
        if !repository_blobs::add_image(tx, repository_id, &digest, row.text(2)?)? {
            return Err(StoreError::new(StoreErrorKind::Other, format!("blob {digest} was hidden while it was shown")));
        }
    }
    tx.execute(
        &format!(
            "INSERT INTO images (id, repository_id, {COPIED}) SELECT d.id, $1, {} FROM deleted_images d WHERE d.id = $2",
            columns_of("d", COPIED)
        ),
        &[repository_id.into(), id.into()],
    )?;
    tx.execute(
        "INSERT INTO image_blobs (image_id, digest) \
         SELECT deleted_image_id, digest FROM deleted_image_blobs WHERE deleted_image_id = $1",
        &[id.into()],
    )?;
    tx.execute(
        "INSERT INTO image_children (parent_image_id, repository_id, child_digest) \
         SELECT deleted_image_id, $1, child_digest FROM deleted_image_children WHERE deleted_image_id = $2",
        &[repository_id.into(), id.into()],
    )?;
    let status = tx.query_opt("SELECT status FROM images WHERE id = $1", &[id.into()])?;
    if let Some(row) = status {
        let status = parse_column(row.text(0)?, "images.status")?;
        repository_blobs::count_status(tx, repository_id, id, ImageStatus::Active, status)?;
    }
    forget(tx, id)
}

/// Removes the row and all that hangs on it. The caller has taken care of the references on blobs.
fn forget(tx: &mut dyn Tx, id: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM deleted_image_blobs WHERE deleted_image_id = $1", &[id.into()])?;
    tx.execute("DELETE FROM deleted_images WHERE id = $1", &[id.into()])?;
    Ok(())
}

/// Drops a deleted image for good, with its tags, and gives up its references; returns the bytes that nothing refers
/// to any more.
pub fn drop_one(tx: &mut dyn Tx, id: i64) -> Result<u64, StoreError> {
    let named = tx.query("SELECT blob_id FROM deleted_image_blobs WHERE deleted_image_id = $1", &[id.into()])?;
    let mut bytes = 0;
    for row in &named {
        bytes += blobs::release_and_measure(tx, row.int(0)?)?;
    }
    forget(tx, id)?;
    Ok(bytes)
}

/// The bytes of an account that an image had kept and nothing of the account needs any more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Freed {
    /// Of blobs that nothing refers to.
    pub bytes: u64,
    /// Of blobs that repositories still show, for a while, though none of their images names them.
    pub later_bytes: u64,
    /// Since when the last of these is named by no image.
    pub unreferenced_since_ms: Option<i64>,
}

impl Freed {
    /// Together with those of another image.
    pub fn add(&mut self, other: Self) {
        self.bytes += other.bytes;
        self.later_bytes += other.later_bytes;
        self.unreferenced_since_ms = self.unreferenced_since_ms.max(other.unreferenced_since_ms);
    }
}

/// As [`drop_one`], but returns the bytes that nothing of the image's own account needs any more: whether others have the
/// same is not for whoever asks to know.
pub fn purge(tx: &mut dyn Tx, id: i64) -> Result<Freed, StoreError> {
    let named = tx.query(
        "SELECT k.blob_id, d.account_id FROM deleted_image_blobs k JOIN deleted_images d ON d.id = k.deleted_image_id \
         WHERE d.id = $1",
        &[id.into()],
    )?;
    drop_one(tx, id)?;
    let mut freed = Freed::default();
    for row in &named {
        let unused = tx.query_opt(
            "SELECT b.size_bytes, (SELECT MAX(r.unreferenced_since_ms) FROM repository_blobs r \
             JOIN repositories p ON p.id = r.repository_id WHERE r.blob_id = b.id AND p.account_id = $1) \
             FROM blobs b WHERE b.id = $2 \
             AND NOT EXISTS (SELECT 1 FROM repository_blobs r JOIN repositories p ON p.id = r.repository_id \
             WHERE r.blob_id = b.id AND p.account_id = $1 AND (r.image_count > 0 OR r.unreferenced_since_ms IS NULL)) \
             AND NOT EXISTS (SELECT 1 FROM deleted_image_blobs k JOIN deleted_images d ON d.id = k.deleted_image_id \
             WHERE k.blob_id = b.id AND d.account_id = $1)",
            &[row.text(1)?.into(), row.int(0)?.into()],
        )?;
        let Some(unused) = unused else { continue };
        let (bytes, unreferenced_since_ms) = (unused.int(0)? as u64, unused.opt_int(1)?);
        freed.add(match unreferenced_since_ms {
            None => Freed { bytes, ..Freed::default() },
            Some(_) => Freed { later_bytes: bytes, unreferenced_since_ms, ..Freed::default() },
        });
    }
    Ok(freed)
}

/// Drops up to `limit` images whose time to be restored ended at or before `until_ms`.
pub fn collect_expired(tx: &mut dyn Tx, until_ms: i64, limit: usize) -> Result<Released, StoreError> {
    let due = tx.query(
        "SELECT id FROM deleted_images WHERE expires_at_ms <= $1 ORDER BY expires_at_ms LIMIT $2",
        &[until_ms.into(), count(limit)],
    )?;
    let mut released = Released { images: due.len(), bytes: 0 };
    for row in &due {
        released.bytes += drop_one(tx, row.int(0)?)?;
    }
    Ok(released)
}
