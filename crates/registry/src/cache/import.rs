//! Importing an image: its manifest, and for a list those of all its images. Blobs come later.

use std::collections::HashSet;
use std::sync::Arc;

use oci::{Digest, Manifest, Reference, Tag};
use runtime::boxed;
use store::tables::creation_templates::Scenario;
use store::tables::images;
use store::tables::pull_through_cache_rules::PullThroughCacheRule;
use store::tables::repositories::{self, RepositoryRef};
use store::tables::upstream_blobs::BlobSource;
use tokio::task::JoinSet;

use super::failure::CacheFailure;
use super::upstream::{UpstreamFailure, UpstreamManifest, UpstreamRepository};
use crate::Registry;
use crate::images::before_push;
use crate::images::changes::{Actor, Cause};
use crate::images::encryption::Encryption;
use crate::images::errors::RegistryError;
use crate::images::import::{self, Import, UpstreamImage};
use crate::images::repositories::order;

/// Manifests that are asked for at the same time.
const AT_ONCE: usize = 4;
/// A list may name so many images, those of lists in it included.
const MAX_IMAGES: usize = 1_000;
/// Lists may hold lists, so deep.
const MAX_DEPTH: usize = 3;
/// Manifests of one import may be so long together.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// What to import.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// Where to.
    pub place: RepositoryRef,
    /// The rule that leads upstream.
    pub rule: PullThroughCacheRule,
    /// Which image.
    pub reference: Reference,
    /// Whether the repository may be made.
    pub may_create: bool,
    /// Whether a tag may be taken from an image that somebody pushed with it.
    pub takes_tags: bool,
}

impl ImportRequest {
    /// What tells one import from others.
    pub fn key(&self) -> String {
        let reference = match &self.reference {
            Reference::Tag(tag) => tag.to_string(),
            Reference::Digest(digest) => digest.to_string(),
        };
        // Who may have the repository made and who may not do not share a fate.
        let Self { place, may_create, takes_tags, .. } = self;
        format!("{}/{}:{reference} {may_create} {takes_tags}", place.registry, place.name)
    }

    /// The repository upstream, and how blobs remember it.
    #[boxed]
    pub async fn upstream(&self, app: &Registry) -> Result<(UpstreamRepository, BlobSource), CacheFailure> {
        let name = self.rule.upstream_name(&self.place.name).ok_or(UpstreamFailure::NotFound)?;
        let source = BlobSource { upstream_url: self.rule.upstream_url.clone(), upstream_repository: name.to_string() };
        Ok((super::upstream_of(app, &self.rule, name).await?, source))
    }
}

/// Imports an image. Durable when it returns.
#[boxed]
pub async fn run(app: &Arc<Registry>, request: &ImportRequest) -> Result<(), CacheFailure> {
    let (upstream, source) = request.upstream(app).await?;
    let first = app.cache.upstream.manifest(&upstream, &request.reference, app.now_ms()).await?;
    let cause = Cause::now(app, Actor::PullThroughCache);
    let encryption = encryption_of(app, &request.place, request.may_create).await?;
    let mut gathering =
        Gathering { app, upstream: &upstream, place: &request.place, encryption: &encryption, cause: &cause, bytes: 0 };
    let images = gathering.all(first).await?;
    let tag = match &request.reference {
        Reference::Tag(tag) => Some(tag.clone()),
        Reference::Digest(_) => None,
    };
    let import = Import {
        place: request.place.clone(),
        source,
        images,
        tag,
        may_create: request.may_create,
        takes_tags: request.takes_tags,
        encryption,
        repository_quota: app.quotas.repositories,
        tags_per_image: app.quotas.tags_per_image,
        cause,
    };
    store(app, import).await
}

/// How the repository that is imported into is encrypted, or would be.
pub async fn encryption_of(
    app: &Registry,
    place: &RepositoryRef,
    may_create: bool,
) -> Result<Encryption, RegistryError> {
    before_push::encryption(app, place, may_create, Scenario::PullThroughCache).await
}

/// Stores what was gathered.
#[boxed]
pub async fn store(app: &Registry, import: Import) -> Result<(), CacheFailure> {
    let (name, tag) = (import.place.name.clone(), import.tag.as_ref().map(Tag::to_string));
    let count = import.images.len();
    let order = order(&import.place);
    app.db.write_in_order(&order, move |tx| import::store(tx, &import)).await?;
    let manifests = if count == 1 { "manifest" } else { "manifests" };
    tracing::info!(repository = %name, tag, count, "cached {count} {manifests} of {name}");
    Ok(())
}

/// The manifests of one import as they come.
pub struct Gathering<'a> {
    /// The node's registry, whose cache asks upstream.
    pub app: &'a Arc<Registry>,
    /// Where they come from.
    pub upstream: &'a UpstreamRepository,
    /// Where they go.
    pub place: &'a RepositoryRef,
    /// How they are sealed there.
    pub encryption: &'a Encryption,
    /// By whom and when.
    pub cause: &'a Cause,
    /// Bytes so far.
    pub bytes: usize,
}

impl Gathering<'_> {
    /// The image that came first and all that its lists name, each after those that it names.
    #[boxed]
    pub async fn all(&mut self, first: UpstreamManifest) -> Result<Vec<UpstreamImage>, CacheFailure> {
        let first = self.read(first)?;
        let mut seen = HashSet::from([first.digest()]);
        // By depth; what is deeper goes first into storage.
        let mut levels = vec![vec![first]];
        while let Some(level) = levels.last() {
            let children: Vec<(Digest, u64)> = level
                .iter()
                .flat_map(|image| image.manifest().children())
                .filter(|child| seen.insert(child.digest))
                .map(|child| (child.digest, child.size))
                .collect();
            if children.is_empty() {
                break;
            }
            if seen.len() > MAX_IMAGES || levels.len() > MAX_DEPTH {
                let text = format!("a list names more than {MAX_IMAGES} images, or is deeper than {MAX_DEPTH} lists");
                return Err(UpstreamFailure::Unusable(text).into());
            }
            let fetched = self.children(children).await?;
            levels.push(fetched);
        }
        Ok(levels.into_iter().rev().flatten().collect())
    }

    /// The images of a list that the repository does not have. One that cannot be had now comes when it is asked for.
    async fn children(&mut self, mut children: Vec<(Digest, u64)>) -> Result<Vec<UpstreamImage>, CacheFailure> {
        let known = self.known(children.iter().map(|child| child.0).collect()).await?;
        children.retain(|(digest, _)| !known.contains(digest));
        let mut waiting = children.into_iter();
        let mut running = JoinSet::new();
        let mut images = Vec::new();
        loop {
            while running.len() < AT_ONCE
                && let Some((digest, size)) = waiting.next()
            {
                let (app, upstream) = (Arc::clone(self.app), self.upstream.clone());
                runtime::tasks::spawn_in(&mut running, async move {
                    let reference = Reference::Digest(digest);
                    (digest, size, app.cache.upstream.manifest(&upstream, &reference, app.now_ms()).await)
                });
            }
            let Some(fetched) = running.join_next().await else { return Ok(images) };
            let Ok((digest, size, fetched)) = fetched else { continue };
            match fetched {
                Ok(manifest) if manifest.bytes.len() as u64 != size => {
                    let text = format!("manifest {digest} has {} bytes and not {size}", manifest.bytes.len());
                    return Err(UpstreamFailure::Unusable(text).into());
                }
                Ok(manifest) => images.push(self.read(manifest)?),
                Err(failure @ UpstreamFailure::Unusable(_)) => return Err(failure.into()),
                Err(failure) => {
                    tracing::info!(repository = %self.place.name, %digest, "manifest {digest} of a list did not come: {failure}");
                }
            }
        }
    }

    /// Which of the images the repository has.
    async fn known(&self, digests: Vec<Digest>) -> Result<HashSet<Digest>, CacheFailure> {
        let place = self.place.clone();
        let known = self.app.db.read(move |tx| {
            let mut known = HashSet::new();
            if let Some(repository) = repositories::find(tx, &place)? {
                for digest in &digests {
                    if images::find(tx, repository.id, digest)?.is_some() {
                        known.insert(*digest);
                    }
                }
            }
            Ok::<_, store::error::StoreError>(known)
        });
        Ok(known.await?)
    }

    fn read(&mut self, fetched: UpstreamManifest) -> Result<UpstreamImage, CacheFailure> {
        self.bytes += fetched.bytes.len();
        if self.bytes > MAX_BYTES {
            let text = format!("the manifests of an image have more than {MAX_BYTES} bytes");
            return Err(UpstreamFailure::Unusable(text).into());
        }
        let manifest = Manifest::parse(&fetched.bytes, fetched.media_type.as_ref()).map_err(|error| {
            UpstreamFailure::Unusable(format!("manifest {} cannot be read: {error}", fetched.digest))
        })?;
        let UpstreamManifest { digest, bytes, .. } = &fetched;
        Ok(UpstreamImage::new(self.app, self.encryption, self.place, *digest, manifest, bytes, self.cause)?)
    }
}
