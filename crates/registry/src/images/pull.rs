//! Pulling a manifest.

use std::sync::Arc;

use access::auth::caller::Caller;
use bytes::Bytes;
use oci::{Digest, Manifest, MediaType, Reference, Tag};
use runtime::boxed;
use runtime::http::budget::{Exhausted, PoolKind, Share};
use runtime::http::held_answer::{Reader, SHORT_BYTES, keeping};
use store::error::{StoreError, StoreErrorKind};
use store::tables::images::{self, Image, ImageStatus};
use store::tables::registry_id::RegistryId;
use store::tables::repositories::RepositoryRef;

use super::encryption::{self, Use};
use super::errors::RegistryError;
use super::followers::Pull;
use super::read_caches::FoundImage;
use super::repositories::require;
use super::shared_manifests::{HeldManifest, Room};
use crate::Registry;

/// Which image is meant.
#[derive(Clone, Debug)]
pub struct ImageQuery {
    /// The repository.
    pub repository: RepositoryRef,
    /// By tag, by digest, or both.
    pub selector: Selector,
}

/// How an image is named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
#[derive(Clone)]
pub struct PulledImage {
    /// The image.
    pub image: Arc<Image>,
    /// The manifest's media type: the image's or, where that is damaged, the one that the manifest has of itself.
    pub media_type: MediaType,
    /// The manifest, exactly as pushed.
    pub manifest: Bytes,
    /// What it takes of the pool of answers while its reader has it, if it is long.
    pub room: Option<Arc<Share>>,
}

/// Why one image of several cannot be had (ECR: `ImageFailureCode`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NoImage {
    /// There is none.
    NotFound,
    /// The tag points elsewhere.
    TagDoesNotMatchDigest,
    /// It is archived, or on its way back.
    Inaccessible,
    /// The KMS key that it is encrypted with cannot be used; says why.
    Kms(String),
}

/// Where a manifest's bytes are found.
enum Stored {
    /// In memory, as another client is reading them.
    InUse(HeldManifest),
    /// In the database; with the room to open it in.
    Sealed(Vec<u8>, Option<Share>),
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
#[boxed]
pub async fn manifest(
    app: &Arc<Registry>,
    query: ImageQuery,
    puller: &Caller,
    reader: &Reader,
) -> Result<PulledImage, RegistryError> {
    let registry = query.repository.registry.clone();
    let found = peek_manifest(app, query, Some(reader)).await?;
    note_pull(app, &registry, &found.image, puller);
    Ok(found)
}

/// Notes a pull of an image, unless the puller's do not count (reference/repositories-images.md 5).
pub fn note_pull(app: &Registry, registry: &RegistryId, image: &Image, puller: &Caller) {
    if app.identities.current().counts_pulls_of(registry, puller) {
        app.pull_times.record(image.id, app.now_ms());
    }
}

/// Tells followers that an image was pulled, if any of them wants to know.
pub fn tell(app: &Registry, caller: &Caller, repository: &RepositoryRef, image: &Image, tag: Option<&Tag>) {
    let followers = app.followers.of_pulls();
    if followers.is_empty() {
        return;
    }
    let (tag, actor) = (tag.map(Tag::as_str), caller.arn());
    let RepositoryRef { registry, name } = repository;
    let pull = Pull { registry, repository: name, image: image.into(), tag, actor: &actor, at_ms: app.now_ms() };
    for follower in followers {
        follower.pulled(&pull);
    }
}

/// Room to open a manifest in: once as it is stored, and once in clear.
fn room_to_open(app: &Registry, image: &Image, reader: Option<&Reader>) -> Result<Option<Share>, Exhausted> {
    let Some(reader) = reader.filter(|_| image.manifest_bytes > SHORT_BYTES) else { return Ok(None) };
    let mut share = app.request_budget.share(PoolKind::Answers, &reader.holder);
    share.grow(2 * image.manifest_bytes.min(oci::MAX_MANIFEST_BYTES as u64))?;
    Ok(Some(share))
}

/// Reads a manifest as [`manifest`] does, without noting a pull. Where no client is its reader, but the server itself, it
/// takes no room.
#[boxed]
pub async fn peek_manifest(
    app: &Arc<Registry>,
    query: ImageQuery,
    reader: Option<&Reader>,
) -> Result<PulledImage, RegistryError> {
    let answer = |image: &Arc<Image>, manifest: &HeldManifest, own: Option<Share>| {
        let room = match reader {
            Some(reader) => manifest.room(&app.request_budget, reader, own)?,
            None => None,
        };
        let (manifest, room) = match room {
            Some(Room { of_source, mark }) => (keeping(manifest.bytes(), mark), Some(of_source)),
            None => (manifest.bytes(), None),
        };
        let media_type = image.media_type.clone().ok_or_else(|| {
            let text = format!("the media type of image {} is damaged, and its manifest has none", image.digest);
            StoreError::new(StoreErrorKind::Corrupt, text)
        })?;
        Ok(PulledImage { image: Arc::clone(image), media_type, manifest, room })
    };
    let key = (query.repository, query.selector);
    let mark = match app.read_caches.images.find(&app.db, &key) {
        Ok(cached) => {
            encryption::require(app, &cached.repository, Use::Pull).await?;
            return answer(&cached.image, &cached.manifest, None);
        }
        Err(mark) => mark,
    };
    let node = Arc::clone(app);
    let (place, selector) = key.clone();
    let holder = reader.cloned();
    let (repository, mut image, stored) = app
        .read_caches
        .images
        .read(&app.db, move |tx| {
            let repository = require(tx, &place)?;
            let image = find_image(tx, repository.id, &selector)?.ok().ok_or(RegistryError::ImageNotFound)?;
            if image.status != ImageStatus::Active {
                return Err(RegistryError::ImageInaccessible);
            }
            if let Some(manifest) = node.shared_manifests.find(&image.digest) {
                return Ok((repository, image, Stored::InUse(manifest)));
            }
            let room = room_to_open(&node, &image, holder.as_ref())?;
            let sealed = images::sealed_manifest(tx, image.id)?.ok_or(RegistryError::ImageNotFound)?;
            Ok::<_, RegistryError>((repository, image, Stored::Sealed(sealed, room)))
        })
        .await?;
    encryption::require(app, &repository, Use::Pull).await?;
    let (manifest, own) = match stored {
        Stored::InUse(manifest) => (manifest, None),
        Stored::Sealed(sealed, own) => {
            let opened = encryption::open_manifest(app, &key.0, &image.digest, &sealed).await?;
            (app.shared_manifests.share(image.digest, opened), own)
        }
    };
    if image.media_type.is_none() {
        image.media_type = Manifest::parse(&manifest.bytes(), None).ok().map(|manifest| manifest.media_type);
    }
    let found = Arc::new(FoundImage { repository, image: Arc::new(image), manifest });
    app.read_caches.images.insert(mark, key, &found);
    answer(&found.image, &found.manifest, own)
}
