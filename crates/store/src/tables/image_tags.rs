//! Image tags: names in a repository that point at images.

use std::collections::HashMap;

use oci::{Digest, Tag};

use super::images::ImageStatus;
use super::parse_column;
use super::upstream_blobs::BlobSource;
use crate::db::Tx;
use crate::error::StoreError;
use crate::tables::readable::readable;
use crate::tables::readable::readable_page;

/// Gives `tag` to an image unless the tag exists; the primary key decides between two pushes at once.
/// `false` if it exists, wherever it points.
pub fn insert(tx: &mut dyn Tx, repository_id: i64, tag: &Tag, image_id: i64, now_ms: i64) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "INSERT INTO image_tags (repository_id, tag, image_id, tagged_at_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (repository_id, tag) DO NOTHING",
        &[repository_id.into(), tag.as_str().into(), image_id.into(), now_ms.into()],
    )?;
    Ok(changed == 1)
}

/// Gives `tag` to an image, taking it from the one that has it.
pub fn move_to(tx: &mut dyn Tx, repository_id: i64, tag: &Tag, image_id: i64, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO image_tags (repository_id, tag, image_id, tagged_at_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (repository_id, tag) DO UPDATE SET image_id = excluded.image_id, \
         tagged_at_ms = excluded.tagged_at_ms, cached_from = NULL, replicated_from = NULL",
        &[repository_id.into(), tag.as_str().into(), image_id.into(), now_ms.into()],
    )?;
    Ok(())
}

/// When a tag was last known to be the upstream's: when it was given to its image, or found unchanged since.
pub fn fresh_since_ms(tx: &mut dyn Tx, repository_id: i64, tag: &str) -> Result<Option<i64>, StoreError> {
    let row = tx.query_opt(
        "SELECT tagged_at_ms, upstream_checked_at_ms FROM image_tags WHERE repository_id = $1 AND tag = $2",
        &[repository_id.into(), tag.into()],
    )?;
    row.map(|row| Ok(row.opt_int(1)?.unwrap_or(i64::MIN).max(row.int(0)?))).transpose()
}

/// Notes that a tag was found to be the upstream's.
pub fn set_checked(tx: &mut dyn Tx, repository_id: i64, tag: &Tag, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE image_tags SET upstream_checked_at_ms = $1 WHERE repository_id = $2 AND tag = $3",
        &[now_ms.into(), repository_id.into(), tag.as_str().into()],
    )?;
    Ok(())
}

/// The [`BlobSource::key`] of the upstream whose tag the pull through cache gave to an image here; none for a tag that
/// somebody pushed, or that is not there.
pub fn cached_from(tx: &mut dyn Tx, repository_id: i64, tag: &Tag) -> Result<Option<String>, StoreError> {
    let sql = "SELECT cached_from FROM image_tags WHERE repository_id = $1 AND tag = $2";
    let row = tx.query_opt(sql, &[repository_id.into(), tag.as_str().into()])?;
    row.map_or(Ok(None), |row| Ok(row.opt_text(0)?.map(str::to_owned)))
}

/// Notes that a tag is the upstream's, as it is here.
pub fn set_cached_from(tx: &mut dyn Tx, repository_id: i64, tag: &Tag, source: &BlobSource) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE image_tags SET cached_from = $1 WHERE repository_id = $2 AND tag = $3",
        &[source.key().into(), repository_id.into(), tag.as_str().into()],
    )?;
    Ok(())
}

/// The registry from which replication gave a tag to its image; none for a tag that somebody gave here, that several have
/// brought, or that is not there.
pub fn replicated_from(tx: &mut dyn Tx, repository_id: i64, tag: &str) -> Result<Option<String>, StoreError> {
    let sql = "SELECT replicated_from FROM image_tags WHERE repository_id = $1 AND tag = $2";
    let row = tx.query_opt(sql, &[repository_id.into(), tag.into()])?;
    row.map_or(Ok(None), |row| Ok(row.opt_text(0)?.map(str::to_owned)))
}

/// Notes that replication has given a tag to its image from there.
pub fn set_replicated_from(tx: &mut dyn Tx, repository_id: i64, tag: &Tag, source: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE image_tags SET replicated_from = $1 WHERE repository_id = $2 AND tag = $3",
        &[source.into(), repository_id.into(), tag.as_str().into()],
    )?;
    Ok(())
}

/// Forgets where replication brought a tag from, as it was given by another way as well; with `unless` not if it was there.
pub fn forget_replicated_from(
    tx: &mut dyn Tx,
    repository_id: i64,
    tag: &Tag,
    unless: Option<&str>,
) -> Result<(), StoreError> {
    let known = replicated_from(tx, repository_id, tag.as_str())?;
    if known.is_some() && known.as_deref() != unless {
        tx.execute(
            "UPDATE image_tags SET replicated_from = NULL WHERE repository_id = $1 AND tag = $2",
            &[repository_id.into(), tag.as_str().into()],
        )?;
    }
    Ok(())
}

/// Removes a tag; `false` if it was absent.
pub fn delete(tx: &mut dyn Tx, repository_id: i64, tag: &str) -> Result<bool, StoreError> {
    let changed = tx
        .execute("DELETE FROM image_tags WHERE repository_id = $1 AND tag = $2", &[repository_id.into(), tag.into()])?;
    Ok(changed == 1)
}

/// The tags of an image, in order. At most 1,000 exist (reference/repositories-images.md 7).
pub fn list_of_image(tx: &mut dyn Tx, image_id: i64) -> Result<Vec<String>, StoreError> {
    let rows = tx.query("SELECT tag FROM image_tags WHERE image_id = $1 ORDER BY tag", &[image_id.into()])?;
    readable(&rows, "image_tags", |row| Ok(row.text(0)?.to_owned()))
}

/// The tags of the images of a repository from the first digest after `after` up to `last`, in order, by the image's id;
/// images without tags are left out. At most 1,000 an image.
pub fn list_of_images(
    tx: &mut dyn Tx,
    repository_id: i64,
    after: &str,
    last: &Digest,
) -> Result<HashMap<i64, Vec<String>>, StoreError> {
    let rows = tx.query(
        "SELECT t.image_id, t.tag FROM images i JOIN image_tags t ON t.image_id = i.id \
         WHERE i.repository_id = $1 AND i.digest > $2 AND i.digest <= $3 ORDER BY i.digest, t.tag",
        &[repository_id.into(), after.into(), last.to_string().into()],
    )?;
    let mut tags: HashMap<i64, Vec<String>> = HashMap::new();
    for (image_id, tag) in readable(&rows, "image_tags", |row| Ok((row.int(0)?, row.text(1)?.to_owned())))? {
        tags.entry(image_id).or_default().push(tag);
    }
    Ok(tags)
}

/// How many tags an image has.
pub fn count_of_image(tx: &mut dyn Tx, image_id: i64) -> Result<i64, StoreError> {
    tx.query_opt("SELECT count(*) FROM image_tags WHERE image_id = $1", &[image_id.into()])?
        .map_or(Ok(0), |row| row.int(0))
}

/// Removes all tags of an image and returns them in order.
pub fn delete_of_image(tx: &mut dyn Tx, image_id: i64) -> Result<Vec<String>, StoreError> {
    let tags = list_of_image(tx, image_id)?;
    tx.execute("DELETE FROM image_tags WHERE image_id = $1", &[image_id.into()])?;
    Ok(tags)
}

/// Up to `limit` tags of a repository in byte order, from the first after `after`.
pub fn list(tx: &mut dyn Tx, repository_id: i64, after: &str, limit: usize) -> Result<Vec<String>, StoreError> {
    readable_page(
        tx,
        limit,
        "image_tags",
        "SELECT t.tag FROM image_tags t JOIN images i ON i.id = t.image_id \
         WHERE t.repository_id = $1 AND t.tag > $2 AND i.status = 'ACTIVE' ORDER BY t.tag LIMIT $3",
        &[repository_id.into(), after.into()],
        |row| Ok(row.text(0)?.to_owned()),
    )
}

/// Up to `limit` tags with their images in byte order, from the first after `after`, whatever the images' status.
pub fn list_with_images(
    tx: &mut dyn Tx,
    repository_id: i64,
    after: &str,
    limit: usize,
) -> Result<Vec<(Tag, Digest)>, StoreError> {
    readable_page(
        tx,
        limit,
        "image_tags",
        "SELECT t.tag, i.digest FROM image_tags t JOIN images i ON i.id = t.image_id \
         WHERE t.repository_id = $1 AND t.tag > $2 ORDER BY t.tag LIMIT $3",
        &[repository_id.into(), after.into()],
        |row| Ok((parse_column(row.text(0)?, "image_tags.tag")?, parse_column(row.text(1)?, "images.digest")?)),
    )
}

/// One line of ECR's ListImages: a tag of an image, or an image without tags.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageLine {
    /// The image.
    pub digest: Digest,
    /// One of its tags; none if it has none.
    pub tag: Option<String>,
    /// Where the image is in its life.
    pub status: ImageStatus,
}

/// Up to `limit` lines in the order of (digest, tag), from the first after (`after_digest`, `after_tag`).
pub fn list_lines(
    tx: &mut dyn Tx,
    repository_id: i64,
    after_digest: &str,
    after_tag: &str,
    limit: usize,
) -> Result<Vec<ImageLine>, StoreError> {
    readable_page(
        tx,
        limit,
        "images",
        "SELECT i.digest, t.tag, i.status FROM images i LEFT JOIN image_tags t ON t.image_id = i.id \
         WHERE i.repository_id = $1 AND i.digest >= $2 \
         AND NOT (i.digest = $2 AND COALESCE(t.tag, '') <= $3) ORDER BY i.digest, t.tag LIMIT $4",
        &[repository_id.into(), after_digest.into(), after_tag.into()],
        |row| {
            Ok(ImageLine {
                digest: parse_column(row.text(0)?, "images.digest")?,
                tag: row.opt_text(1)?.map(str::to_owned),
                status: parse_column(row.text(2)?, "images.status")?,
            })
        },
    )
}
