//! All images of a repository as lifecycle policies see them, read in pages: images, tags, and what lists name.

use super::images::ImageStatus;
use super::parse_column;
use super::repositories::count;
use crate::db::Tx;
use crate::error::StoreError;
use crate::tables::readable::readable_page;

/// What a rule looks at, without tags and lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleImage {
    /// The row's key.
    pub id: i64,
    /// Its digest.
    pub digest: String,
    /// First push.
    pub pushed_at_ms: i64,
    /// Last recorded pull.
    pub last_pulled_at_ms: Option<i64>,
    /// When it was last archived.
    pub last_archived_at_ms: Option<i64>,
    /// When it last came back from the archive.
    pub last_activated_at_ms: Option<i64>,
    /// Where it is in its life.
    pub status: ImageStatus,
    /// The image that it refers to, whether or not that is there.
    pub subject: Option<String>,
}

/// Up to `limit` images in the order of their digests, from the first after `after`.
pub fn list(tx: &mut dyn Tx, repository_id: i64, after: &str, limit: usize) -> Result<Vec<LifecycleImage>, StoreError> {
    tx.query(
        "SELECT id, digest, pushed_at_ms, last_pulled_at_ms, status, subject_digest, \
         last_archived_at_ms, last_activated_at_ms FROM images \
         WHERE repository_id = $1 AND digest > $2 ORDER BY digest LIMIT $3",
        &[repository_id.into(), after.into(), count(limit)],
    )?
    .into_iter()
    .map(|mut row| {
        Ok(LifecycleImage {
            id: row.int(0)?,
            digest: row.take_text(1)?,
            pushed_at_ms: row.int(2)?,
            last_pulled_at_ms: row.opt_int(3)?,
            status: parse_column(row.text(4)?, "images.status")?,
            subject: row.opt_text(5)?.map(str::to_owned),
            last_archived_at_ms: row.opt_int(6)?,
            last_activated_at_ms: row.opt_int(7)?,
        })
    })
    .collect()
}

/// Up to `limit` tags with the images that they are on, in the order of the tags, from the first after `after`.
pub fn list_tags(
    tx: &mut dyn Tx,
    repository_id: i64,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, i64)>, StoreError> {
    readable_page(
        tx,
        limit,
        "image_tags",
        "SELECT tag, image_id FROM image_tags WHERE repository_id = $1 AND tag > $2 ORDER BY tag LIMIT $3",
        &[repository_id.into(), after.into()],
        |row| Ok((row.text(0)?.to_owned(), row.int(1)?)),
    )
}

/// Up to `limit` images that lists name, each with such a list, in the order of (child, list), from the first after
/// `after`.
pub fn list_children(
    tx: &mut dyn Tx,
    repository_id: i64,
    after: (&str, i64),
    limit: usize,
) -> Result<Vec<(String, i64)>, StoreError> {
    tx.query(
        "SELECT child_digest, parent_image_id FROM image_children \
         WHERE repository_id = $1 AND (child_digest, parent_image_id) > ($2, $3) \
         ORDER BY child_digest, parent_image_id LIMIT $4",
        &[repository_id.into(), after.0.into(), after.1.into(), count(limit)],
    )?
    .into_iter()
    .map(|mut row| Ok((row.take_text(0)?, row.int(1)?)))
    .collect()
}

/// How many images of the repository have this one as their subject.
pub fn count_referrers(tx: &mut dyn Tx, repository_id: i64, subject: &str) -> Result<i64, StoreError> {
    tx.query_opt(
        "SELECT count(*) FROM images WHERE repository_id = $1 AND subject_digest = $2",
        &[repository_id.into(), subject.into()],
    )?
    .map_or(Ok(0), |row| row.int(0))
}
