//! Pushing an image: the checks of PutImage (reference/repositories-images.md 4) and what they store, in one transaction.

use std::sync::Arc;

use bytes::Bytes;
use oci::{Algorithm, Digest, Manifest, ManifestKind, MediaType, Tag};
use runtime::boxed;
use store::db::Tx;
use store::tables::creation_templates::Scenario;
use store::tables::images::{Image, ImageStatus, NewImage};
use store::tables::repositories::{Repository, RepositoryRef};
use store::tables::upstream_blobs::{self, BlobSource};
use store::tables::{image_tags, images, lifecycle_changes, repository_blobs};

use super::before_push;
use super::changes::{self, Cause, Change};
use super::creation::{IfAbsent, require_for_push};
use super::encryption::Encryption;
use super::errors::RegistryError;
use super::quotas;
use super::repositories::{order, reference};
use super::storage_class;
use crate::Registry;

/// What manifests are sealed for; their context is [`manifest_context`].
pub const MANIFEST_PURPOSE: &str = "image manifest";

/// By which protocol an image comes; they differ in what pushing the same again means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushProtocol {
    /// PutImage: the same image again is an error.
    Api,
    /// `PUT /v2/…/manifests/…`: the same image again is fine, unless an immutable tag has it.
    Distribution,
    /// Replication: the same image again is fine, and comes without a tag that is taken and immutable
    /// (reference/replication-cache-templates.md 1).
    Replication,
}

/// An image to push.
#[derive(Clone, Debug)]
pub struct Push {
    /// By which protocol.
    pub protocol: PushProtocol,
    /// Where to.
    pub repository: RepositoryRef,
    /// The registry that replication brings it from; none for what somebody pushes.
    pub replicated_from: Option<String>,
    /// The tags to give it, each once.
    pub tags: Vec<Tag>,
    /// The digest that the client expects.
    pub digest: Option<Digest>,
    /// The media type that the client declares.
    pub media_type: Option<MediaType>,
    /// The manifest, kept byte for byte.
    pub manifest: Bytes,
    /// Who pushes, and when.
    pub cause: Cause,
}

/// What was pushed.
#[derive(Clone, Debug)]
pub struct Pushed {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: MediaType,
    /// The image that it refers to.
    pub subject: Option<Digest>,
}

/// What binds a sealed manifest to its place.
pub fn manifest_context(repository: &RepositoryRef, digest: &Digest) -> Vec<u8> {
    let RepositoryRef { registry, name } = repository;
    format!("{registry}/{name}@{digest}").into_bytes()
}

/// Pushes an image. Durable when it returns.
#[boxed]
pub async fn put_image(app: &Registry, push: Arc<Push>, if_absent: IfAbsent) -> Result<Pushed, RegistryError> {
    let manifest = Manifest::parse(&push.manifest, push.media_type.as_ref()).map_err(RegistryError::ManifestInvalid)?;
    let algorithm = push.digest.map_or(Algorithm::Sha256, |digest| digest.algorithm());
    let digest = match algorithm {
        Algorithm::Sha256 => Digest::sha256_of(&push.manifest),
        Algorithm::Sha512 => Digest::sha512_of(&push.manifest),
    };
    if let Some(claimed) = push.digest.filter(|claimed| *claimed != digest) {
        return Err(RegistryError::ImageDigestDoesNotMatch { claimed, actual: digest });
    }
    let pushed = Pushed {
        digest,
        media_type: manifest.media_type.clone(),
        subject: manifest.subject.as_ref().map(|subject| subject.digest),
    };
    let place = &push.repository;
    let (may_create, quota) = (if_absent != IfAbsent::Refuse, app.quotas.images_per_repository);
    let look = move |tx: &mut dyn Tx, repository: Option<&Repository>| {
        Ok(quotas::require_room_for_image(tx, repository, &digest, quota))
    };
    let before = before_push::read(app, place, may_create, Scenario::CreateOnPush, look).await?;
    let encryption = before.target.encryption(app, place).await?;
    let new = new_image(app, &encryption, place, digest, &manifest, &push.manifest, push.cause.at_ms)?;
    before.rest?;
    let tags_per_image = app.quotas.tags_per_image;
    let order = order(place);
    let stored = move |tx: &mut dyn Tx| {
        let repository = require_for_push(tx, &push.repository, if_absent, &encryption, &push.cause)?;
        store_image(tx, &repository, &push, &manifest, &new, tags_per_image)
    };
    if let Stored::WasThere(refusal) = app.db.write_in_order(&order, stored).await? {
        return Err(*refusal);
    }
    // What follows from a push need not wait for the worker's next look.
    app.wake_jobs.wake();
    Ok(pushed)
}

/// What is stored of an image.
pub(super) fn new_image(
    app: &Registry,
    encryption: &Encryption,
    place: &RepositoryRef,
    digest: Digest,
    manifest: &Manifest,
    bytes: &[u8],
    pushed_at_ms: i64,
) -> Result<NewImage, RegistryError> {
    Ok(NewImage {
        digest,
        media_type: manifest.media_type.clone(),
        artifact_media_type: manifest.artifact_media_type().map(str::to_owned),
        artifact_type: manifest.referrer_artifact_type().map(str::to_owned),
        annotations: manifest.annotations.clone(),
        subject: manifest.subject.as_ref().map(|subject| subject.digest),
        size_bytes: manifest.image_size_bytes(),
        manifest_bytes: bytes.len() as u64,
        sealed_manifest: encryption.seal_manifest(app, place, &digest, bytes)?,
        pushed_at_ms,
    })
}

/// What came of a push whose transaction is to be committed.
enum Stored {
    /// The image is there as it was to be.
    Done,
    /// The protocol refuses what is there already, and that it came this way, too, is noted.
    WasThere(Box<RegistryError>),
}

fn store_image(
    tx: &mut dyn Tx,
    repository: &Repository,
    push: &Push,
    manifest: &Manifest,
    new: &NewImage,
    tags_per_image: u64,
) -> Result<Stored, RegistryError> {
    let existing = images::find(tx, repository.id, &new.digest)?;
    let is_restored = existing.as_ref().is_some_and(|image| image.status != ImageStatus::Active);
    let tags = tags_to_give(tx, repository, push, existing.as_ref(), is_restored)?;
    let missing: Vec<&PushedTag<'_>> = tags.iter().filter(|pushed| !pushed.is_there).collect();
    if let Some(image) = &existing {
        note_other_way(tx, repository, push, image, &tags)?;
    }
    if let Some(refused) = tags.iter().find(|pushed| pushed.is_refused) {
        return Ok(Stored::WasThere(Box::new(taken(repository, refused.tag))));
    }
    let image_id = match &existing {
        Some(image) if is_restored => {
            storage_class::reactivate(tx, repository, image, &push.cause)?;
            image.id
        }
        Some(_) if missing.is_empty() && push.protocol != PushProtocol::Api => return Ok(Stored::Done),
        Some(_) if missing.is_empty() => {
            let (digest, tag) = (new.digest, push.tags.first().cloned());
            let refusal = RegistryError::ImageAlreadyExists(reference(repository), digest, tag);
            return Ok(Stored::WasThere(Box::new(refusal)));
        }
        Some(image) => image.id,
        None => {
            let id = insert_image(tx, repository, manifest, new, None, &push.cause)?;
            if let Some(source) = &push.replicated_from {
                images::set_replicated_from(tx, id, source)?;
            }
            id
        }
    };
    // An image that is pushed without a tag, or is restored with those that it has, is told of all the same.
    let mut noted: Vec<Option<&str>> = missing.iter().map(|pushed| Some(pushed.tag.as_str())).collect();
    if noted.is_empty() {
        noted.push(tags.first().map(|pushed| pushed.tag.as_str()));
    }
    for tag in noted {
        changes::note(tx, &push.cause, repository, &Change::ImagePushed { image: new.into(), tag })?;
    }
    if existing.is_some() || tags.iter().any(|pushed| pushed.is_taken) {
        lifecycle_changes::note(tx, repository.id, &new.digest)?;
    }
    let given = give_tags(tx, repository, push, &missing, image_id, new.pushed_at_ms)?;
    if !missing.is_empty() {
        // One that is new has no others.
        let count = if existing.is_some() { image_tags::count_of_image(tx, image_id)? as u64 } else { given };
        if count > tags_per_image {
            return Err(RegistryError::TooManyTagsOnImage(tags_per_image));
        }
    }
    Ok(Stored::Done)
}

/// Gives an image the tags that it does not have; how many it got.
fn give_tags(
    tx: &mut dyn Tx,
    repository: &Repository,
    push: &Push,
    missing: &[&PushedTag<'_>],
    image_id: i64,
    now_ms: i64,
) -> Result<u64, RegistryError> {
    let mut given = 0;
    for pushed in missing {
        if pushed.is_immutable {
            // The primary key decides, also between two pushes at once.
            let is_given = image_tags::insert(tx, repository.id, pushed.tag, image_id, now_ms)?;
            if !is_given && push.protocol != PushProtocol::Replication {
                return Err(taken(repository, pushed.tag));
            }
            if !is_given {
                continue;
            }
        } else {
            image_tags::move_to(tx, repository.id, pushed.tag, image_id, now_ms)?;
        }
        given += 1;
        if let Some(source) = &push.replicated_from {
            image_tags::set_replicated_from(tx, repository.id, pushed.tag, source)?;
        }
    }
    Ok(given)
}

/// Notes that an image and its tags have come by another way than before: replication takes away what it alone has brought.
fn note_other_way(
    tx: &mut dyn Tx,
    repository: &Repository,
    push: &Push,
    image: &Image,
    tags: &[PushedTag<'_>],
) -> Result<(), RegistryError> {
    let source = push.replicated_from.as_deref();
    images::forget_replicated_from(tx, image.id, source)?;
    for pushed in tags.iter().filter(|pushed| pushed.is_there) {
        image_tags::forget_replicated_from(tx, repository.id, pushed.tag, source)?;
    }
    Ok(())
}

/// A tag that a pushed image is to have.
struct PushedTag<'a> {
    tag: &'a Tag,
    is_immutable: bool,
    /// Whether an image has it.
    is_taken: bool,
    /// Whether that is the pushed image.
    is_there: bool,
    /// Whether the protocol refuses to give it to the pushed image once more.
    is_refused: bool,
}

fn taken(repository: &Repository, tag: &Tag) -> RegistryError {
    RegistryError::ImageTagAlreadyExists(reference(repository), tag.clone())
}

/// The tags that the pushed image is to have. Refuses what no push by this protocol may have.
fn tags_to_give<'a>(
    tx: &mut dyn Tx,
    repository: &Repository,
    push: &'a Push,
    existing: Option<&Image>,
    is_restored: bool,
) -> Result<Vec<PushedTag<'a>>, RegistryError> {
    let mut tags = Vec::with_capacity(push.tags.len());
    for tag in &push.tags {
        let holder = images::find_by_tag(tx, repository.id, tag.as_str())?;
        let is_immutable = repository.is_immutable(tag);
        let is_taken = holder.is_some();
        let is_there = holder.is_some_and(|holder| existing.is_some_and(|image| image.id == holder.id));
        // Restoring an archived image by pushing it again moves no tag.
        let is_refused =
            push.protocol == PushProtocol::Distribution && is_immutable && is_taken && !(is_restored && is_there);
        if is_refused && !is_there {
            return Err(taken(repository, tag));
        }
        // Replication brings an image without a tag that is taken and immutable (reference/replication-cache-templates.md
        // 1).
        if push.protocol == PushProtocol::Replication && is_immutable && is_taken && !is_there {
            continue;
        }
        tags.push(PushedTag { tag, is_immutable, is_taken, is_there, is_refused });
    }
    Ok(tags)
}

/// Stores an image that the repository does not have, and counts all that it names. Blobs of an image that comes from
/// upstream may still be there, and images of its lists too: they come when they are asked for.
pub(super) fn insert_image(
    tx: &mut dyn Tx,
    repository: &Repository,
    manifest: &Manifest,
    new: &NewImage,
    upstream: Option<&BlobSource>,
    cause: &Cause,
) -> Result<i64, RegistryError> {
    let mut counted = Vec::new();
    let mut missing = Vec::new();
    for blob in manifest.blobs() {
        if repository_blobs::add_image(tx, repository.id, &blob.digest, blob.media_type)? {
            counted.push(blob.digest);
        } else if let Some(source) = upstream.filter(|_| blob.is_required) {
            upstream_blobs::add_image(tx, repository.id, &blob.digest, blob.size_bytes, blob.media_type, source)?;
            counted.push(blob.digest);
        } else if blob.is_required {
            missing.push(blob.digest);
        }
    }
    if !missing.is_empty() {
        return Err(RegistryError::LayersNotFound(reference(repository), missing));
    }
    let mut largest_child = 0;
    let mut archived = Vec::new();
    let mut children = Vec::new();
    for child in manifest.children() {
        match images::find(tx, repository.id, &child.digest)? {
            Some(image) => {
                largest_child = image.size_bytes.max(largest_child);
                if image.status != ImageStatus::Active {
                    archived.push(image);
                }
            }
            None if upstream.is_some() || missing.contains(&child.digest) => {}
            None => missing.push(child.digest),
        }
        children.push(child.digest);
    }
    if !missing.is_empty() {
        let mut absent = manifest.children().iter().filter(|child| missing.contains(&child.digest));
        return Err(match absent.find(|child| !child.may_be_manifest()) {
            Some(blob) => RegistryError::IndexOfBlobs(blob.media_type.clone()),
            None => RegistryError::ReferencedImagesNotFound(reference(repository), missing),
        });
    }
    let is_list = matches!(manifest.kind, ManifestKind::Index { .. });
    let size_bytes = if is_list { largest_child } else { new.size_bytes };
    let image_id = images::insert(tx, repository.id, &NewImage { size_bytes, ..new.clone() })?
        .ok_or_else(|| RegistryError::ImageAlreadyExists(reference(repository), new.digest, None))?;
    for digest in &counted {
        images::insert_blob(tx, image_id, digest)?;
    }
    for child in &children {
        images::insert_child(tx, image_id, repository.id, child)?;
    }
    storage_class::fetch_blobs(tx, repository.id, image_id, cause.at_ms)?;
    // An active list is whole: what it lists comes back with it.
    for child in &archived {
        storage_class::reactivate(tx, repository, child, cause)?;
    }
    Ok(image_id)
}
