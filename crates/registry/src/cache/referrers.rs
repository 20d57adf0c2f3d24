//! Before referrers are listed: has those imported that the upstream knows.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use access::action::Action;
use access::auth::caller::Caller;
use access::request::RequestContext;
use oci::{Digest, Manifest, Reference};
use runtime::boxed;
use store::error::StoreError;
use store::tables::pull_through_cache_rules;
use store::tables::repositories::{self, RepositoryRef};

use super::failure::CacheFailure;
use super::import::{self, Gathering, ImportRequest};
use super::pull::may;
use super::upstream::{UpstreamFailure, UpstreamRepository};
use crate::Registry;
use crate::images::changes::{Actor, Cause};
use crate::images::import::Import;

/// An upstream is asked again for the referrers of an image after so long.
const FRESH_MS: i64 = 10 * 60 * 1000;
/// Subjects that are remembered; when there are more, all are forgotten.
const MAX_SUBJECTS: usize = 10_000;
/// More referrers of one image are not imported.
const MAX_REFERRERS: usize = 100;

/// When the upstream was last asked for an image's referrers.
#[derive(Default)]
pub struct Listed(Mutex<HashMap<(i64, Digest), i64>>);

impl Listed {
    fn is_recent(&self, key: (i64, Digest), now_ms: i64) -> bool {
        let listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        listed.get(&key).is_some_and(|at_ms| now_ms.abs_diff(*at_ms) < FRESH_MS.unsigned_abs())
    }

    fn note(&self, key: (i64, Digest), now_ms: i64) {
        let mut listed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if listed.len() >= MAX_SUBJECTS {
            listed.clear();
        }
        listed.insert(key, now_ms);
    }
}

/// Imports the upstream's referrers of an image, as far as the caller may and the upstream lets us.
#[boxed]
pub async fn prepare(
    app: &Arc<Registry>,
    http: &RequestContext,
    caller: &Caller,
    place: &RepositoryRef,
    subject: Digest,
) -> Result<(), CacheFailure> {
    let asked = place.clone();
    let found = app.db.read_point(move |tx| {
        let Some(repository) = repositories::find(tx, &asked)? else { return Ok(None) };
        let rule = pull_through_cache_rules::find_for(tx, &asked)?;
        Ok::<_, StoreError>(rule.map(|rule| (repository.id, rule)))
    });
    let Some((repository_id, rule)) = found.await? else { return Ok(()) };
    let key = (repository_id, subject);
    if app.cache.listed.is_recent(key, app.now_ms())
        || !may(http, caller, Action::EcrBatchImportUpstreamImage, place).await?
    {
        return Ok(());
    }
    let (place, reference) = (place.clone(), Reference::Digest(subject));
    let request = ImportRequest { place, rule, reference, may_create: false, takes_tags: false };
    let node = Arc::clone(app);
    let work = || async move {
        import_referrers(&node, &request, subject).await?;
        node.cache.listed.note(key, node.now_ms());
        Ok(())
    };
    let fault = || CacheFailure::from(UpstreamFailure::Unavailable("importing ended early".to_owned()));
    app.cache.imports.join(format!("referrers {repository_id} {subject}"), work).await.ok_or_else(fault)?
}

async fn import_referrers(app: &Arc<Registry>, request: &ImportRequest, subject: Digest) -> Result<(), CacheFailure> {
    let (upstream, source) = request.upstream(app).await?;
    let index = match index(app, &upstream, subject).await {
        Ok(index) => index,
        Err(UpstreamFailure::NotFound) => return Ok(()),
        Err(failure) => return Err(failure.into()),
    };
    let manifest = Manifest::parse(&index, None)
        .map_err(|error| UpstreamFailure::Unusable(format!("its list of referrers cannot be read: {error}")))?;
    let cause = Cause::now(app, Actor::PullThroughCache);
    for referrer in manifest.children().iter().take(MAX_REFERRERS) {
        let reference = Reference::Digest(referrer.digest);
        let fetched = match app.cache.upstream.manifest(&upstream, &reference, app.now_ms()).await {
            Ok(fetched) => fetched,
            Err(UpstreamFailure::NotFound) => continue,
            Err(failure) => return Err(failure.into()),
        };
        let place = &request.place;
        let encryption = import::encryption_of(app, place, false).await?;
        let mut gathering =
            Gathering { app, upstream: &upstream, place, encryption: &encryption, cause: &cause, bytes: 0 };
        let images = gathering.all(fetched).await?;
        let import = Import {
            place: place.clone(),
            source: source.clone(),
            images,
            tag: None,
            may_create: false,
            takes_tags: false,
            encryption,
            repository_quota: app.quotas.repositories,
            tags_per_image: app.quotas.tags_per_image,
            cause: cause.clone(),
        };
        import::store(app, import).await?;
    }
    Ok(())
}

/// The upstream's list: of its API, or under the tag that stands in for it (OCI distribution, "Referrers Tag Schema").
async fn index(app: &Registry, upstream: &UpstreamRepository, subject: Digest) -> Result<Vec<u8>, UpstreamFailure> {
    match app.cache.upstream.referrers(upstream, &subject, app.now_ms()).await {
        Err(UpstreamFailure::NotFound) => {}
        result => return result,
    }
    let tag = oci::referrers_tag(&subject);
    let fetched = app.cache.upstream.manifest(upstream, &Reference::Tag(tag), app.now_ms()).await?;
    Ok(fetched.bytes.to_vec())
}
