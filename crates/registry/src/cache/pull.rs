//! Before an image is pulled: has it imported if the repository is filled from upstream and does not have it, or has it
//! no longer as it is upstream (reference/replication-cache-templates.md 2, 'Pull flow').

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use access::action::Action;
use access::auth::authorize::{self, Need, Refusal};
use access::auth::caller::Caller;
use access::request::RequestContext;
use oci::{Reference, Tag};
use runtime::boxed;
use store::error::StoreError;
use store::tables::pull_through_cache_rules::{self, PullThroughCacheRule};
use store::tables::repositories::{self, RepositoryRef};
use store::tables::{image_tags, images};

use super::failure::CacheFailure;
use super::import::{self, ImportRequest};
use super::upstream::UpstreamFailure;
use crate::Registry;
use crate::images::pull::{Selector, find_image};
use crate::images::read_caches::Served;

/// A pull waits so long for the upstream to say whether a cached tag has moved.
const CHECK_WAIT: Duration = Duration::from_secs(3);
/// An upstream that failed a check is not asked for another one for so long.
const OUTAGE_MS: i64 = 15_000;
/// Upstreams whose failure is remembered; more than there are rules.
const MAX_OUTAGES: usize = 1024;

/// Upstreams that have failed of late, by where they are.
#[derive(Default)]
pub struct Outages(Mutex<HashMap<String, i64>>);

impl Outages {
    fn note(&self, upstream: &str, now_ms: i64) {
        let mut failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if failed.len() >= MAX_OUTAGES {
            failed.clear();
        }
        failed.insert(upstream.to_owned(), now_ms);
    }

    fn is_recent(&self, upstream: &str, now_ms: i64) -> bool {
        let failed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(upstream).is_some_and(|at_ms| now_ms.abs_diff(*at_ms) < OUTAGE_MS.unsigned_abs())
    }
}

/// What the cache would do for a pull.
enum Plan {
    /// Nothing until then: it does not look after the image, or the image is there and known to be current.
    Serve(Served),
    /// Ask whether the tag has moved.
    Check(PullThroughCacheRule, Tag, i64),
    /// Import.
    Import { rule: PullThroughCacheRule, has_repository: bool },
}

/// Makes sure, as far as the caller may and the upstream lets us, that what is asked for is cached. What is still missing
/// then is missing for the caller.
#[boxed]
pub async fn prepare(
    app: &Arc<Registry>,
    http: &RequestContext,
    caller: &Caller,
    place: &RepositoryRef,
    selector: &Selector,
) -> Result<(), CacheFailure> {
    let reference = match selector {
        Selector::Tag(tag) | Selector::Both(tag, _) => Reference::Tag(tag.clone()),
        Selector::Digest(digest) => Reference::Digest(*digest),
    };
    match plan(app, place, selector).await? {
        Plan::Serve(served) => {
            if served.is_hit {
                app.metrics.cache.hits.increment();
            }
            Ok(())
        }
        Plan::Check(rule, tag, repository_id) => {
            app.metrics.cache.checks.increment();
            let upstream = rule.upstream_url.clone();
            let is_out = app.cache.outages.is_recent(&upstream, app.now_ms());
            if is_out || !may_import(http, caller, place, selector).await? {
                return Ok(());
            }
            let takes_tags = may_take_tag(http, caller, place, selector).await?;
            let request = ImportRequest { place: place.clone(), rule, reference, may_create: false, takes_tags };
            let node = Arc::clone(app);
            let work = || async move { check(&node, &request, &tag, repository_id).await };
            let key = format!("check {repository_id} {} {takes_tags}", selector_tag(selector));
            let checked = runtime::timer::timeout(CHECK_WAIT, app.cache.imports.join(key, work)).await;
            if !matches!(checked, Ok(Some(Ok(())))) {
                // The cached copy is served: the upstream being away is what it is for.
                app.cache.outages.note(&upstream, app.now_ms());
            }
            Ok(())
        }
        Plan::Import { rule, has_repository } => {
            if !may_import(http, caller, place, selector).await? {
                return Ok(());
            }
            let may_create = !has_repository;
            if may_create && !may(http, caller, Action::EcrCreateRepository, place).await? {
                return Ok(());
            }
            app.metrics.cache.misses.increment();
            let takes_tags = may_take_tag(http, caller, place, selector).await?;
            let request = ImportRequest { place: place.clone(), rule, reference, may_create, takes_tags };
            let node = Arc::clone(app);
            let key = request.key();
            let work = || async move { import_absent(&node, &request).await };
            let fault = || CacheFailure::from(UpstreamFailure::Unavailable("importing ended early".to_owned()));
            app.cache.imports.join(key, work).await.ok_or_else(fault)?
        }
    }
}

fn selector_tag(selector: &Selector) -> &str {
    match selector {
        Selector::Tag(tag) | Selector::Both(tag, _) => tag.as_str(),
        Selector::Digest(_) => "",
    }
}

async fn plan(app: &Registry, place: &RepositoryRef, selector: &Selector) -> Result<Plan, CacheFailure> {
    const ALWAYS: Plan = Plan::Serve(Served { is_hit: false, until_ms: i64::MAX });
    let (now_ms, check_ms) = (app.now_ms(), app.cache.settings.check_ms);
    let key = (place.clone(), selector.clone());
    let mark = match app.read_caches.served.find(&app.db, &key) {
        Ok(served) if now_ms < served.until_ms => return Ok(Plan::Serve(served)),
        Ok(_) => None,
        Err(mark) => Some(mark),
    };
    let (place, selector) = key.clone();
    let plan = app.read_caches.served.read(&app.db, move |tx| {
        let repository = repositories::find(tx, &place)?;
        if let (Some(repository), Selector::Digest(digest)) = (&repository, &selector)
            && images::find(tx, repository.id, digest)?.is_some()
        {
            return Ok(ALWAYS);
        }
        let Some(rule) = pull_through_cache_rules::find_for(tx, &place)? else {
            return Ok(ALWAYS);
        };
        let Some(repository) = repository else { return Ok(Plan::Import { rule, has_repository: false }) };
        let (Selector::Tag(tag) | Selector::Both(tag, _)) = &selector else {
            return Ok(Plan::Import { rule, has_repository: true });
        };
        if find_image(tx, repository.id, &Selector::Tag(tag.clone()))?.is_err() {
            return Ok(Plan::Import { rule, has_repository: true });
        }
        let fresh_since_ms = image_tags::fresh_since_ms(tx, repository.id, tag.as_str())?.unwrap_or(i64::MIN);
        let is_fixed = repository.is_immutable(tag);
        let until_ms = if is_fixed { i64::MAX } else { fresh_since_ms.saturating_add(check_ms) };
        if now_ms < until_ms {
            return Ok(Plan::Serve(Served { is_hit: true, until_ms }));
        }
        Ok::<_, StoreError>(Plan::Check(rule, tag.clone(), repository.id))
    });
    let plan = plan.await?;
    if let (Some(mark), Plan::Serve(served)) = (mark, &plan) {
        app.read_caches.served.insert(mark, key, served);
    }
    Ok(plan)
}

/// Whether the caller has a permission that the cache alone asks for: without it, what is not cached is not there.
pub(super) async fn may(
    http: &RequestContext,
    caller: &Caller,
    action: Action,
    place: &RepositoryRef,
) -> Result<bool, CacheFailure> {
    let need = Need::on_repository(action, &place.registry, place.name.as_str());
    Ok(authorize::is_allowed(http, caller, &need).await?)
}

/// Whether the caller may have the cache bring an image, and give it the tag by which it is asked for.
pub(super) async fn may_import(
    http: &RequestContext,
    caller: &Caller,
    place: &RepositoryRef,
    selector: &Selector,
) -> Result<bool, CacheFailure> {
    let need = Need::on_repository(Action::EcrBatchImportUpstreamImage, &place.registry, place.name.as_str());
    let need = need.with_image_tag(Some(selector_tag(selector)).filter(|tag| !tag.is_empty()));
    Ok(authorize::is_allowed(http, caller, &need).await?)
}

/// Whether the cache may move a tag that somebody pushed to what the upstream has: not for nobody in particular, nor for
/// who must not push the tag, and could have made the rule.
async fn may_take_tag(
    http: &RequestContext,
    caller: &Caller,
    place: &RepositoryRef,
    selector: &Selector,
) -> Result<bool, CacheFailure> {
    if caller.anonymous().is_some() {
        return Ok(false);
    }
    let need = Need::on_repository(Action::EcrPutImage, &place.registry, place.name.as_str());
    let tag = Some(selector_tag(selector)).filter(|tag| !tag.is_empty());
    match authorize::require_not_denied(http, caller, &need.with_image_tag(tag)).await {
        Ok(()) => Ok(true),
        Err(Refusal::Denied(_)) => Ok(false),
        Err(Refusal::Store(error)) => Err(error.into()),
    }
}

/// Imports what nobody has imported meanwhile.
async fn import_absent(app: &std::sync::Arc<Registry>, request: &ImportRequest) -> Result<(), CacheFailure> {
    let selector = Selector::from(request.reference.clone());
    match plan(app, &request.place, &selector).await? {
        Plan::Import { .. } => import::run(app, request).await,
        Plan::Serve(_) | Plan::Check(..) => Ok(()),
    }
}

/// Takes a tag over if it has moved upstream, and else notes that it has not.
async fn check(
    app: &std::sync::Arc<Registry>,
    request: &ImportRequest,
    tag: &Tag,
    repository_id: i64,
) -> Result<(), CacheFailure> {
    if !matches!(plan(app, &request.place, &Selector::Tag(tag.clone())).await?, Plan::Check(..)) {
        return Ok(());
    }
    let (upstream, _) = request.upstream(app).await?;
    let now = app.cache.upstream.tag_digest(&upstream, &request.reference, app.now_ms()).await?;
    let name = tag.to_string();
    let cached = app.db.read_point(move |tx| images::find_by_tag(tx, repository_id, &name)).await?;
    if now.is_none() || cached.is_none_or(|cached| Some(cached.digest) != now) {
        import::run(app, request).await?;
    }
    let (tag, now_ms) = (tag.clone(), app.now_ms());
    Ok(app.db.write(move |tx| image_tags::set_checked(tx, repository_id, &tag, now_ms)).await?)
}
