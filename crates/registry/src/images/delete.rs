//! Deleting images, by tag and by digest, as BatchDeleteImage does (reference/repositories-images.md 4). Every way of
//! deleting leads here, so that none forgets what is protected and what can be restored.

use oci::{Digest, Tag};
use store::db::Tx;
use store::error::StoreError;
use store::tables::deleted_images::{self, DeletionNote};
use store::tables::images::Image;
use store::tables::repositories::{self, Repository};
use store::tables::{deleted_tags, image_tags, images, repository_blobs};

use super::changes::{self, Cause, Change};
use super::errors::RegistryError;
use super::protection::{Protected, Protections};
use super::pull::{NoImage, Selector, find_image};
use super::restore::DAY_MS;
use super::storage_class;
use crate::Registry;

/// Who deletes, when and why, and for how long it can be undone.
#[derive(Clone, Debug)]
pub struct Deletion {
    /// Who and when.
    pub cause: Cause,
    /// What makes it go: an operation's name, or a lifecycle policy's rule.
    reason: String,
    /// The server's setting, for repositories without one of their own.
    default_window_days: i64,
}

impl Deletion {
    /// By somebody, for a reason: an operation's name, or a rule of a lifecycle policy.
    pub fn new(app: &Registry, cause: Cause, reason: impl Into<String>) -> Self {
        Self { cause, reason: reason.into(), default_window_days: app.limits.restore_window_days }
    }

    /// What is written down of it; nothing where deleted images cannot be restored.
    pub(super) fn note(&self, tx: &mut dyn Tx, repository_id: i64) -> Result<Option<DeletionNote>, StoreError> {
        let days = repositories::restore_window_days(tx, repository_id)?.unwrap_or(self.default_window_days);
        let by = self.cause.actor.as_str().to_owned();
        let at_ms = self.cause.at_ms;
        let expires_at_ms = at_ms + days * DAY_MS;
        Ok((days > 0).then(|| DeletionNote { by, reason: self.reason.clone(), at_ms, expires_at_ms }))
    }
}

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
    /// It, or the tag, is protected.
    Protected(Protected),
}

/// Deletes what the selector names. A tag alone takes the image along only if it was the last one.
pub fn delete(
    tx: &mut dyn Tx,
    repository: &Repository,
    selector: &Selector,
    deletion: &Deletion,
) -> Result<Result<Deleted, NotDeleted>, RegistryError> {
    let image = match find_image(tx, repository.id, selector)? {
        Ok(image) => image,
        Err(absent) => return Ok(Err(NotDeleted::Absent(absent))),
    };
    if let Selector::Tag(tag) = selector
        && image_tags::count_of_image(tx, image.id)? > 1
    {
        return untag(tx, repository, &image, tag, deletion);
    }
    let protections = Protections::load(tx, repository)?;
    if let Some(protected) = protections.of_image(tx, &image.digest)? {
        return Ok(Err(NotDeleted::Protected(protected)));
    }
    let lists = images::parents(tx, repository.id, &image.digest)?;
    if !lists.is_empty() {
        return Ok(Err(NotDeleted::Referenced(lists)));
    }
    if let Some(note) = deletion.note(tx, repository.id)? {
        deleted_images::keep(tx, image.id, &note)?;
    }
    let tags = image_tags::delete_of_image(tx, image.id)?;
    repository_blobs::remove_image(tx, repository.id, image.id, deletion.cause.at_ms)?;
    storage_class::release_blobs(tx, repository.id, image.id, deletion.cause.at_ms)?;
    images::delete(tx, image.id)?;
    note_deleted(tx, repository, &image, tags, true, deletion).map(Ok)
}

/// Takes a tag from the image that has it; the image stays, even without a tag.
pub fn untag(
    tx: &mut dyn Tx,
    repository: &Repository,
    image: &Image,
    tag: &Tag,
    deletion: &Deletion,
) -> Result<Result<Deleted, NotDeleted>, RegistryError> {
    if let Some(protected) = Protections::load(tx, repository)?.of_tag(tag) {
        return Ok(Err(NotDeleted::Protected(protected)));
    }
    if let Some(note) = deletion.note(tx, repository.id)? {
        deleted_tags::keep(tx, repository.id, tag, &note)?;
    }
    image_tags::delete(tx, repository.id, tag.as_str())?;
    note_deleted(tx, repository, image, vec![tag.to_string()], false, deletion).map(Ok)
}

fn note_deleted(
    tx: &mut dyn Tx,
    repository: &Repository,
    image: &Image,
    tags: Vec<String>,
    is_gone: bool,
    deletion: &Deletion,
) -> Result<Deleted, RegistryError> {
    let change = Change::ImageDeleted { image: image.into(), tags: &tags, is_gone };
    changes::note(tx, &deletion.cause, repository, &change)?;
    Ok(Deleted { digest: image.digest, tags })
}
