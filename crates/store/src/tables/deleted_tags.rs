//! Tags that were deleted and can be given back: those that went with their image, and those that were taken from an
//! image which stayed. The first kind is written and dropped with [`deleted_images`](super::deleted_images).

use oci::{Digest, RepositoryName, Tag};

use super::deleted_images::{After, DeletedImageFilter, DeletionNote};
use super::parse_column;
use super::repositories::{RepositoryRef, count};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::readable::readable;
use crate::tables::readable::readable_page;

/// A deleted tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedTag {
    /// The row's key.
    pub id: i64,
    /// The repository that it was in, which may be gone.
    pub repository: RepositoryName,
    /// The tag.
    pub tag: Tag,
    /// The image that it pointed at.
    pub digest: Digest,
    /// When it was given to that image.
    pub tagged_at_ms: i64,
    /// The deleted image that it went with; none if the image stayed.
    pub deleted_image_id: Option<i64>,
    /// Who deleted it, and when.
    pub note: DeletionNote,
}

const COLUMNS: &str = "id, repository_name, tag, digest, tagged_at_ms, deleted_image_id, deleted_by, reason, \
                       deleted_at_ms, expires_at_ms";

fn from_row(row: &Row) -> Result<DeletedTag, StoreError> {
    Ok(DeletedTag {
        id: row.int(0)?,
        repository: parse_column(row.text(1)?, "deleted_tags.repository_name")?,
        tag: parse_column(row.text(2)?, "deleted_tags.tag")?,
        digest: parse_column(row.text(3)?, "deleted_tags.digest")?,
        tagged_at_ms: row.int(4)?,
        deleted_image_id: row.opt_int(5)?,
        note: DeletionNote {
            by: row.text(6)?.to_owned(),
            reason: row.text(7)?.to_owned(),
            at_ms: row.int(8)?,
            expires_at_ms: row.int(9)?,
        },
    })
}

/// Writes a tag that is about to be taken from an image down.
pub fn keep(tx: &mut dyn Tx, repository_id: i64, tag: &Tag, note: &DeletionNote) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO deleted_tags (account_id, region, repository_name, tag, digest, tagged_at_ms, deleted_at_ms, \
         deleted_by, reason, expires_at_ms) \
         SELECT r.account_id, r.region, r.name, t.tag, i.digest, t.tagged_at_ms, $1, $2, $3, $4 \
         FROM image_tags t JOIN images i ON i.id = t.image_id JOIN repositories r ON r.id = t.repository_id \
         WHERE t.repository_id = $5 AND t.tag = $6",
        &[
            note.at_ms.into(),
            note.by.as_str().into(),
            note.reason.as_str().into(),
            note.expires_at_ms.into(),
            repository_id.into(),
            tag.as_str().into(),
        ],
    )?;
    Ok(())
}

/// The tags that went with a deleted image, in order.
pub fn list_of_image(tx: &mut dyn Tx, deleted_image_id: i64) -> Result<Vec<DeletedTag>, StoreError> {
    let rows = tx.query(
        &format!("SELECT {COLUMNS} FROM deleted_tags WHERE deleted_image_id = $1 ORDER BY tag"),
        &[deleted_image_id.into()],
    )?;
    readable(&rows, "deleted_tags", from_row)
}

/// Up to `limit` tags whose images stayed, in the order of repository, deletion and id, from the first after `after`.
pub fn list_alone(
    tx: &mut dyn Tx,
    filter: &DeletedImageFilter,
    after: &After,
    limit: usize,
) -> Result<Vec<DeletedTag>, StoreError> {
    let sql =
        format!("SELECT {COLUMNS} FROM deleted_tags WHERE deleted_image_id IS NULL AND {}", DeletedImageFilter::PAGE);
    readable_page(tx, limit, "deleted_tags", &sql, &filter.page_values(after), from_row)
}

/// The deletion of a tag that was the last and can be undone after `now_ms`; with a digest, the last from that image.
pub fn find_newest(
    tx: &mut dyn Tx,
    repository: &RepositoryRef,
    tag: &Tag,
    digest: Option<&Digest>,
    now_ms: i64,
) -> Result<Option<DeletedTag>, StoreError> {
    let RepositoryRef { registry, name } = repository;
    tx.query_opt(
        &format!(
            "SELECT {COLUMNS} FROM deleted_tags WHERE account_id = $1 AND region = $2 AND repository_name = $3 \
             AND tag = $4 AND expires_at_ms > $5 AND ($6 = '' OR digest = $6) \
             ORDER BY deleted_at_ms DESC, id DESC LIMIT 1"
        ),
        &[
            registry.account.as_str().into(),
            registry.region.as_str().into(),
            name.as_str().into(),
            tag.as_str().into(),
            now_ms.into(),
            digest.map_or_else(String::new, ToString::to_string).into(),
        ],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// Forgets one deleted tag.
pub fn delete(tx: &mut dyn Tx, id: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM deleted_tags WHERE id = $1", &[id.into()])?;
    Ok(())
}

/// Forgets up to `limit` tags whose images stayed and whose time ended at or before `until_ms`; says how many.
pub fn collect_expired(tx: &mut dyn Tx, until_ms: i64, limit: usize) -> Result<usize, StoreError> {
    let removed = tx.execute(
        "DELETE FROM deleted_tags WHERE id IN (SELECT id FROM deleted_tags WHERE deleted_image_id IS NULL \
         AND expires_at_ms <= $1 ORDER BY expires_at_ms LIMIT $2)",
        &[until_ms.into(), count(limit)],
    )?;
    Ok(removed as usize)
}
