//! Pulling a manifest.

use std::sync::Arc;

use bytes::Bytes;
use oci::{Digest, Reference, RepositoryName, Tag};
use store::blob::open_small;
use store::error::{StoreError, StoreErrorKind};
use store::tables::images::{self, Image, ImageStatus};
use store::tables::registry_id::RegistryId;

use super::errors::RegistryError;
use super::push::{MANIFEST_PURPOSE, manifest_context};
use super::repositories::require;
use crate::app::App;
use crate::auth::caller::Caller;
use crate::events::event::Place;

/// Which image is meant.
#[derive(Clone, Debug)]
pub struct ImageQuery {
    /// The registry.
    pub registry: RegistryId,
    /// The repository.
    pub repository: RepositoryName,
    /// By tag, by digest, or both.
    pub selector: Selector,
}

/// How an image is named.
#[derive(Clone, Debug)]
pub enum Selector {
    /// By a tag.
    Tag(Tag),
    /// By its digest.
    Digest(Digest),
    /// By a tag that must point at the digest.
    Both(Tag, Digest),
}

impl From<Reference> for Selector {
    fn from(reference: Reference) -> Self {
        match reference {
            Reference::Tag(tag) => Self::Tag(tag),
            Reference::Digest(digest) => Self::Digest(digest),
        }
    }
}

/// A manifest and what is known of its image.
#[derive(Clone, Debug)]
pub struct PulledImage {
    /// The image.
    pub image: Image,
    /// The manifest, exactly as pushed.
    pub manifest: Bytes,
}

/// Why one image of several cannot be had (ECR: `ImageFailureCode`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoImage {
    /// There is none.
    NotFound,
    /// The tag points elsewhere.
    TagDoesNotMatchDigest,
    /// It is archived, or on its way back.
    Inaccessible,
}

/// Where a manifest's bytes are found.
enum Stored {
    /// In memory, as another client is reading them.
    InUse(Bytes),
    /// In the database.
    Sealed(Vec<u8>),
}

/// Finds the image that a selector names.
pub fn find_image(
    tx: &mut dyn store::db::Tx,
    repository_id: i64,
    selector: &Selector,
) -> Result<Result<Image, NoImage>, StoreError> {
    let found = match selector {
        Selector::Tag(tag) => images::find_by_tag(tx, repository_id, tag.as_str())?,
        Selector::Digest(digest) => images::find(tx, repository_id, digest)?,
        Selector::Both(tag, digest) => match images::find_by_tag(tx, repository_id, tag.as_str())? {
            Some(image) if image.digest != *digest => return Ok(Err(NoImage::TagDoesNotMatchDigest)),
            found => found,
        },
    };
    Ok(found.ok_or(NoImage::NotFound))
}

/// Pulls a manifest for `puller`, checked against its digest, and notes the pull unless the puller's do not count.
pub async fn manifest(app: &Arc<App>, query: ImageQuery, puller: &Caller) -> Result<PulledImage, RegistryError> {
    let registry = query.registry.clone();
    let found = peek_manifest(app, query).await?;
    note_pull(app, &registry, &found.image, puller);
    Ok(found)
}

/// Notes a pull of an image, unless the puller's do not count (repositories-images.md 5).
pub fn note_pull(app: &App, registry: &RegistryId, image: &Image, puller: &Caller) {
    if app.identities.current().counts_pulls_of(registry, puller) {
        app.pull_times.record(image.id, app.now_ms());
    }
}

/// Tells the sinks of events that an image was pulled, if any of them wants to know.
pub fn tell(app: &App, caller: &Caller, place: Place<'_>, image: &Image, tag: Option<&Tag>) {
    if app.events.wants_pulls() {
        app.events.note_pull(place, image.into(), tag.map(Tag::as_str), &caller.arn(), app.now_ms());
    }
}

/// Reads a manifest as [`manifest`] does, without noting a pull.
pub async fn peek_manifest(app: &Arc<App>, query: ImageQuery) -> Result<PulledImage, RegistryError> {
    let ImageQuery { registry, repository, selector } = query.clone();
    let node = Arc::clone(app);
    let (image, stored) = app
        .db
        .read_point(move |tx| {
            let repository = require(tx, &registry, &repository)?;
            let image = find_image(tx, repository.id, &selector)?.ok().ok_or(RegistryError::ImageNotFound)?;
            if image.status != ImageStatus::Active {
                return Err(RegistryError::ImageInaccessible);
            }
            if let Some(manifest) = node.shared_manifests.find(&image.digest) {
                return Ok((image, Stored::InUse(manifest)));
            }
            let sealed = images::sealed_manifest(tx, image.id)?.ok_or(RegistryError::ImageNotFound)?;
            Ok::<_, RegistryError>((image, Stored::Sealed(sealed)))
        })
        .await?;
    let sealed = match stored {
        Stored::InUse(manifest) => return Ok(PulledImage { image, manifest }),
        Stored::Sealed(sealed) => sealed,
    };
    let manifest = open_manifest(app, &query.registry, &query.repository, &image.digest, &sealed)?;
    let manifest = app.shared_manifests.share(image.digest, manifest);
    Ok(PulledImage { image, manifest })
}

/// Decrypts a manifest as it is stored.
pub fn open_manifest(
    app: &App,
    registry: &RegistryId,
    repository: &RepositoryName,
    digest: &Digest,
    sealed: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let context = manifest_context(registry, repository, digest);
    open_small(&app.service_key, MANIFEST_PURPOSE, &context, sealed).map_err(|error| {
        StoreError::new(
            StoreErrorKind::Corrupt,
            format!("manifest {digest} of repository {repository} cannot be decrypted"),
        )
        .with_source(error)
    })
}
