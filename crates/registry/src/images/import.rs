//! Storing images that come from an upstream registry, before their blobs do.

use oci::{Digest, Manifest, Tag};
use store::db::Tx;
use store::tables::creation_templates::Scenario;
use store::tables::images::NewImage;
use store::tables::repositories::{self, Repository, RepositoryRef};
use store::tables::upstream_blobs::BlobSource;
use store::tables::{image_tags, images};

use super::changes::{self, Cause, Change};
use super::creation::{self, Creation};
use super::encryption::Encryption;
use super::errors::RegistryError;
use super::push;
use crate::Registry;

/// An image as it came.
#[derive(Clone, Debug)]
pub struct UpstreamImage {
    manifest: Manifest,
    new: NewImage,
}

impl UpstreamImage {
    /// Of a manifest whose digest is known to be this one.
    pub fn new(
        app: &Registry,
        encryption: &Encryption,
        place: &RepositoryRef,
        digest: Digest,
        manifest: Manifest,
        bytes: &[u8],
        cause: &Cause,
    ) -> Result<Self, RegistryError> {
        let new = push::new_image(app, encryption, place, digest, &manifest, bytes, cause.at_ms)?;
        Ok(Self { manifest, new })
    }

    /// What it names.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Its digest.
    pub const fn digest(&self) -> Digest {
        self.new.digest
    }
}

/// Images that come together: those of a list before the list.
#[derive(Clone)]
pub struct Import {
    /// Where to.
    pub place: RepositoryRef,
    /// Where their blobs are.
    pub source: BlobSource,
    /// The images; the last one is what was asked for.
    pub images: Vec<UpstreamImage>,
    /// The tag of the last one.
    pub tag: Option<Tag>,
    /// Whether the repository may be made.
    pub may_create: bool,
    /// Whether the tag may be taken from an image that somebody pushed with it.
    pub takes_tags: bool,
    /// How the manifests were sealed.
    pub encryption: Encryption,
    /// How many repositories the registry may have.
    pub repository_quota: u64,
    /// How many tags an image may have.
    pub tags_per_image: u64,
    /// By whom and when.
    pub cause: Cause,
}

/// Stores what the repository does not have of an import, and gives the tag to its last image unless an immutable tag has
/// another.
pub fn store(tx: &mut dyn Tx, import: &Import) -> Result<(), RegistryError> {
    let repository = match repositories::find(tx, &import.place)? {
        Some(repository) => {
            import.encryption.require_of(&repository)?;
            repository
        }
        None if import.may_create => create(tx, import)?,
        None => return Err(RegistryError::RepositoryNotFound(import.place.clone())),
    };
    let Some((last, others)) = import.images.split_last() else { return Ok(()) };
    for image in others {
        let (_, is_new) = find_or_insert(tx, &repository, image, import)?;
        if is_new {
            let change = Change::ImagePushed { image: (&image.new).into(), tag: None };
            changes::note(tx, &import.cause, &repository, &change)?;
        }
    }
    let (image_id, is_new) = find_or_insert(tx, &repository, last, import)?;
    let is_tagged = match &import.tag {
        Some(tag) => give_tag(tx, &repository, tag, image_id, import)?,
        None => false,
    };
    if is_new || is_tagged {
        let tag = import.tag.as_ref().filter(|_| is_tagged).map(Tag::as_str);
        changes::note(tx, &import.cause, &repository, &Change::ImagePushed { image: (&last.new).into(), tag })?;
    }
    Ok(())
}

/// The row of an image that has come, and whether it is a new one. One that was here is the upstream's too from now on.
fn find_or_insert(
    tx: &mut dyn Tx,
    repository: &Repository,
    image: &UpstreamImage,
    import: &Import,
) -> Result<(i64, bool), RegistryError> {
    let (id, is_new) = match images::find(tx, repository.id, &image.new.digest)? {
        Some(found) => {
            images::forget_replicated_from(tx, found.id, None)?;
            (found.id, false)
        }
        None => {
            let source = Some(&import.source);
            (push::insert_image(tx, repository, &image.manifest, &image.new, source, &import.cause)?, true)
        }
    };
    images::set_cached_from(tx, id, &import.source)?;
    Ok((id, is_new))
}

/// Says whether the image has the tag now and had it not before.
fn give_tag(
    tx: &mut dyn Tx,
    repository: &Repository,
    tag: &Tag,
    image_id: i64,
    import: &Import,
) -> Result<bool, RegistryError> {
    let now_ms = import.cause.at_ms;
    let holder = images::find_by_tag(tx, repository.id, tag.as_str())?;
    let has_it = holder.as_ref().is_some_and(|image| image.id == image_id);
    if repository.is_immutable(tag) {
        let is_given = !has_it && image_tags::insert(tx, repository.id, tag, image_id, now_ms)?;
        if is_given || has_it {
            image_tags::set_cached_from(tx, repository.id, tag, &import.source)?;
        }
        return Ok(is_given);
    }
    if holder.is_some() && !has_it && !import.takes_tags && image_tags::cached_from(tx, repository.id, tag)?.is_none() {
        return Ok(false);
    }
    image_tags::move_to(tx, repository.id, tag, image_id, now_ms)?;
    image_tags::set_cached_from(tx, repository.id, tag, &import.source)?;
    if u64::try_from(image_tags::count_of_image(tx, image_id)?).is_ok_and(|count| count > import.tags_per_image) {
        return Err(RegistryError::TooManyTagsOnImage(import.tags_per_image));
    }
    Ok(!has_it)
}

fn create(tx: &mut dyn Tx, import: &Import) -> Result<Repository, RegistryError> {
    let scenario = Scenario::PullThroughCache;
    let (encryption, quota) = (&import.encryption, import.repository_quota);
    match creation::create_automatically(tx, &import.place, scenario, encryption, quota, &import.cause)? {
        Creation::Created(repository) | Creation::Existing(repository) => Ok(repository),
        Creation::NotCovered => Err(RegistryError::RepositoryNotFound(import.place.clone())),
    }
}
