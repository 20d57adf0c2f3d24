//! Deleting images, by tag and by digest, as BatchDeleteImage does (repositories-images.md 4).

use oci::Digest;
use store::db::Tx;
use store::tables::images::Image;
use store::tables::repositories::Repository;
use store::tables::{image_tags, images, repository_blobs};

use super::changes::{self, Cause, Change};
use super::errors::RegistryError;
use super::pull::{NoImage, Selector, find_image};
use super::storage_class;

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
    repository: &Repository,
    selector: &Selector,
    cause: &Cause,
) -> Result<Result<Deleted, NotDeleted>, RegistryError> {
    let image = match find_image(tx, repository.id, selector)? {
        Ok(image) => image,
        Err(absent) => return Ok(Err(NotDeleted::Absent(absent))),
    };
    if let Selector::Tag(tag) = selector
        && image_tags::count_of_image(tx, image.id)? > 1
    {
        image_tags::delete(tx, repository.id, tag.as_str())?;
        return note(tx, repository, &image, vec![tag.to_string()], false, cause).map(Ok);
    }
    let lists = images::parents(tx, repository.id, &image.digest)?;
    if !lists.is_empty() {
        return Ok(Err(NotDeleted::Referenced(lists)));
    }
    let tags = image_tags::delete_of_image(tx, image.id)?;
    repository_blobs::remove_image(tx, repository.id, image.id, cause.at_ms)?;
    storage_class::release_blobs(tx, repository.id, image.id, cause.at_ms)?;
    images::delete(tx, image.id)?;
    note(tx, repository, &image, tags, true, cause).map(Ok)
}

fn note(
    tx: &mut dyn Tx,
    repository: &Repository,
    image: &Image,
    tags: Vec<String>,
    is_gone: bool,
    cause: &Cause,
) -> Result<Deleted, RegistryError> {
    changes::note(tx, cause, repository, &Change::ImageDeleted { image: image.into(), tags: &tags, is_gone })?;
    Ok(Deleted { digest: image.digest, tags })
}
