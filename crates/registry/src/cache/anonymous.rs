//! Pulls of the transparent mirror without a token: what they may do, and that they see nothing but what the cache itself
//! has had from upstream. What was pushed to the same repository is not there for them: images, tags and layers each carry
//! where the cache had them from, and an image or a layer that does not is asked for upstream before it is shown.

use std::sync::Arc;

use access::auth::anonymous_pull::AnonymousPull;
use access::auth::caller::Caller;
use access::request::RequestContext;
use oci::{Digest, Reference, Tag};
use runtime::boxed;
use store::db::Tx;
use store::error::StoreError;
use store::tables::pull_through_cache_rules::PullThroughCacheRule;
use store::tables::repositories::{self, Repository, RepositoryRef};
use store::tables::upstream_blobs::{BlobSource, UpstreamBlob};
use store::tables::{image_tags, images};

use super::failure::CacheFailure;
use super::fetches::UpstreamLayer;
use super::import::ImportRequest;
use super::pull;
use super::upstream::UpstreamFailure;
use crate::Registry;
use crate::images::pull::{Selector, find_image};

/// Who pulls from a repository that a rule fills, without a token. None for `ROOT`, whose repositories are all of the
/// registry's, and for a name that leads nowhere.
pub fn caller(place: RepositoryRef, rule: PullThroughCacheRule) -> Option<Caller> {
    let upstream = rule.upstream_name(&place.name).filter(|_| !rule.prefix.is_root())?;
    let source = BlobSource { upstream_url: rule.upstream_url.clone(), upstream_repository: upstream.to_string() };
    Some(Caller::nobody(AnonymousPull { place, source, rule }))
}

/// How an image stands to the cache.
enum Standing {
    /// There is none.
    Absent,
    /// The cache had it from where the pull looks, and its tag too.
    Cached(Digest),
    /// Somebody pushed it, or nobody knows.
    Unproven,
}

/// The image that a reference means, as far as the cache has had it from upstream: it is imported if it is absent.
#[boxed]
pub async fn image(
    app: &Arc<Registry>,
    http: &RequestContext,
    caller: &Caller,
    pull: &Arc<AnonymousPull>,
    reference: &Reference,
) -> Result<Digest, CacheFailure> {
    match standing(app, pull, reference).await? {
        Standing::Absent | Standing::Cached(_) => {
            pull::prepare(app, http, caller, &pull.place, &reference.clone().into()).await?;
        }
        Standing::Unproven => {
            if pull::may_import(http, caller, &pull.place, &reference.clone().into()).await? {
                prove(app, pull, reference).await?;
            }
        }
    }
    match standing(app, pull, reference).await? {
        Standing::Cached(digest) => Ok(digest),
        Standing::Absent | Standing::Unproven => Err(UpstreamFailure::NotFound.into()),
    }
}

async fn standing(app: &Registry, pull: &Arc<AnonymousPull>, reference: &Reference) -> Result<Standing, StoreError> {
    let (pull, reference) = (Arc::clone(pull), reference.clone());
    app.db
        .read_point(move |tx| {
            let Some(repository) = repositories::find(tx, &pull.place)? else {
                return Ok(Standing::Absent);
            };
            let Ok(image) = find_image(tx, repository.id, &Selector::from(reference.clone()))? else {
                return Ok(Standing::Absent);
            };
            let has_tag = match &reference {
                Reference::Tag(tag) => pull.sees(image_tags::cached_from(tx, repository.id, tag)?.as_deref()),
                Reference::Digest(_) => true,
            };
            let is_cached = has_tag && pull.sees(images::cached_from(tx, image.id)?.as_deref());
            Ok(if is_cached { Standing::Cached(image.digest) } else { Standing::Unproven })
        })
        .await
}

/// Asks upstream for an image that is here already, and notes that it came from there if it is the same. Changes nothing
/// else: a tag that somebody pushed stays where it is.
async fn prove(app: &Arc<Registry>, pull: &Arc<AnonymousPull>, reference: &Reference) -> Result<(), CacheFailure> {
    let request = ImportRequest {
        place: pull.place.clone(),
        rule: pull.rule.clone(),
        reference: reference.clone(),
        may_create: false,
        takes_tags: false,
    };
    let key = format!("prove {}", request.key());
    let node = Arc::clone(app);
    let work = || async move {
        let (upstream, source) = request.upstream(&node).await?;
        let shown = node.cache.upstream.manifest(&upstream, &request.reference, node.now_ms()).await?.digest;
        let ImportRequest { place, reference, .. } = request;
        Ok(node.db.write(move |tx| note_shown(tx, &place, &reference, &shown, &source)).await?)
    };
    let fault = || CacheFailure::from(UpstreamFailure::Unavailable("asking ended early".to_owned()));
    app.cache.imports.join(key, work).await.ok_or_else(fault)?
}

/// Notes that upstream has shown the image of that digest, under the tag that it was asked for by.
fn note_shown(
    tx: &mut dyn Tx,
    place: &RepositoryRef,
    reference: &Reference,
    shown: &Digest,
    source: &BlobSource,
) -> Result<(), StoreError> {
    let Some(repository) = repositories::find(tx, place)? else { return Ok(()) };
    let Some(image) = images::find(tx, repository.id, shown)? else { return Ok(()) };
    images::set_cached_from(tx, image.id, source)?;
    match reference {
        Reference::Tag(tag) if is_at(tx, repository.id, tag, image.id)? => {
            image_tags::set_cached_from(tx, repository.id, tag, source)
        }
        Reference::Tag(_) | Reference::Digest(_) => Ok(()),
    }
}

fn is_at(tx: &mut dyn Tx, repository_id: i64, tag: &Tag, image_id: i64) -> Result<bool, StoreError> {
    Ok(images::find_by_tag(tx, repository_id, tag.as_str())?.is_some_and(|image| image.id == image_id))
}

/// How a layer or config whose bytes are here from elsewhere is to be had for the pull; none if it is not shown. Bytes that
/// somebody pushed are not shown because an upstream's manifest names their digest: they are fetched from there first.
#[boxed]
pub async fn unproven_layer(
    app: &Registry,
    pull: &AnonymousPull,
    repository: &Repository,
    digest: Digest,
) -> Result<Option<UpstreamLayer>, StoreError> {
    let (id, source) = (repository.id, pull.source.clone());
    if !app.db.read_point(move |tx| images::is_blob_of_cached(tx, id, &digest, &source)).await? {
        return Ok(None);
    }
    // Nothing is said of the bytes that are here, not even how many they are.
    let known =
        UpstreamBlob { size_bytes: None, media_type: String::new(), image_count: 0, source: pull.source.clone() };
    Ok(Some(UpstreamLayer::new(repository, digest, known).from_there()))
}
