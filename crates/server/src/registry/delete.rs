//! Deleting images, by tag and by digest, as BatchDeleteImage does (repositories-images.md 4).

use oci::{Digest, Tag};
use store::db::Tx;
use store::tables::images::Image;
use store::tables::{image_tags, images, repository_blobs};

use super::errors::RegistryError;
use super::pull::{NoImage, Selector, find_image};

/// What was deleted: the tag, or the image with every tag that it had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deleted {
    /// The image.
    pub digest: Digest,
    /// The tags that went; empty if the image had none.
    pub tags: Vec<String>,
}

/// Why one image of several was not deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotDeleted {
    /// It is not there.
    Absent(NoImage),
    /// Lists name it.
    Referenced(Vec<Digest>),
}

/// Deletes what the selector names. A tag alone takes the image along only if it was the last one.
pub fn delete(
    tx: &mut dyn Tx,
    repository_id: i64,
    selector: &Selector,
    now_ms: i64,
) -> Result<Result<Deleted, NotDeleted>, RegistryError> {
    let image = match find_image(tx, repository_id, selector)? {
        Ok(image) => image,
        Err(absent) => return Ok(Err(NotDeleted::Absent(absent))),
    };
    if let Selector::Tag(tag) = selector
        && image_tags::count_of_image(tx, image.id)? > 1
    {
        return Ok(Ok(delete_tag(tx, repository_id, &image, tag)?));
    }
    let lists = images::parents(tx, repository_id, &image.digest)?;
    if !lists.is_empty() {
        return Ok(Err(NotDeleted::Referenced(lists)));
    }
    let tags = image_tags::delete_of_image(tx, image.id)?;
    repository_blobs::remove_image(tx, repository_id, image.id, now_ms)?;
    images::delete(tx, image.id)?;
    Ok(Ok(Deleted { digest: image.digest, tags }))
}

fn delete_tag(tx: &mut dyn Tx, repository_id: i64, image: &Image, tag: &Tag) -> Result<Deleted, RegistryError> {
    image_tags::delete(tx, repository_id, tag.as_str())?;
    Ok(Deleted { digest: image.digest, tags: vec![tag.to_string()] })
}
