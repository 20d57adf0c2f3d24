//! Fetching layers that are still upstream: each once, however many ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use oci::Digest;
use runtime::boxed;
use runtime::outbound::cause_of;
use store::error::{StoreError, StoreErrorKind};
use store::tables::pull_through_cache_rules;
use store::tables::repositories::{Repository, RepositoryRef};
use store::tables::repository_blobs;
use store::tables::upstream_blobs::UpstreamBlob;
use tokio::sync::{Semaphore, watch};

use super::coming::{ComingLayer, Following, State};
use super::failure::CacheFailure;
use super::upstream::{UpstreamFailure, UpstreamRepository};
use crate::Registry;
use crate::images::changes::{Actor, Cause};
use crate::images::creation::IfAbsent;
use crate::images::errors::RegistryError;
use crate::images::repositories::reference;
use crate::images::uploads::{self, UploadSession};

/// Layers that one node fetches at a time; each takes about a MiB of memory.
const MAX_FETCHES: usize = 64;
/// A fetch must be done after so long, and after the time that it takes at [`MIN_BYTES_PER_SECOND`] beyond that.
const MIN_FETCH_TIME: Duration = Duration::from_secs(600);
const MIN_BYTES_PER_SECOND: u64 = 64 * 1024;

/// A layer that is still upstream.
#[derive(Clone)]
pub struct UpstreamLayer {
    place: RepositoryRef,
    repository_id: i64,
    digest: Digest,
    /// What is known of it.
    pub known: UpstreamBlob,
    /// Whether only bytes that came from there will do: none that somebody pushed, before the fetch or while it waits.
    must_be_from_there: bool,
}

impl UpstreamLayer {
    /// One that is to be had, from wherever it comes first.
    pub fn new(repository: &Repository, digest: Digest, known: UpstreamBlob) -> Self {
        Self { place: reference(repository), repository_id: repository.id, digest, known, must_be_from_there: false }
    }

    /// The same, for whoever is shown only what came from there: it is fetched even if the repository has it otherwise.
    #[must_use]
    pub fn from_there(self) -> Self {
        Self { must_be_from_there: true, ..self }
    }

    fn key(&self) -> FetchKey {
        let only_from = self.must_be_from_there.then(|| self.known.source.key());
        FetchKey { repository_id: self.repository_id, digest: self.digest, only_from }
    }
}

/// What a fetch gives to all who wait for it. Who may read whatever the repository has, and who may not, wait for two.
#[derive(Clone, PartialEq, Eq, Hash)]
struct FetchKey {
    repository_id: i64,
    digest: Digest,
    /// [Where](store::tables::upstream_blobs::BlobSource::key) the bytes must have come from; none if that does not matter.
    only_from: Option<String>,
}

/// A layer that is on its way, or has just come.
pub enum Arriving {
    /// It is stored.
    Stored,
    /// It can be read while it comes.
    Coming(ComingLayer),
}

type Running = Mutex<HashMap<FetchKey, watch::Receiver<State>>>;

/// The fetches of one node.
pub struct LayerFetches {
    running: Arc<Running>,
    slots: Arc<Semaphore>,
}

impl Default for LayerFetches {
    fn default() -> Self {
        Self { running: Arc::default(), slots: Arc::new(Semaphore::new(MAX_FETCHES)) }
    }
}

/// Takes a fetch out of the table however it ends.
struct RunningFetch {
    running: Arc<Running>,
    key: FetchKey,
}

impl Drop for RunningFetch {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl LayerFetches {
    /// Has the layer fetched, unless it is being fetched, and returns when its bytes begin to come. The fetch goes on when
    /// nobody waits any more.
    #[boxed]
    pub async fn begin(&self, app: &Arc<Registry>, layer: &UpstreamLayer) -> Result<Arriving, CacheFailure> {
        let mut state = self.join(app, layer);
        let known = wait_until(&mut state, |state| !matches!(state, State::Asked)).await?;
        match (known, layer.known.size_bytes) {
            (State::Coming(upload), Some(size_bytes)) => {
                Ok(Arriving::Coming(ComingLayer::new(size_bytes, upload, state)))
            }
            _ => wait_until_stored(state).await.map(|()| Arriving::Stored),
        }
    }

    /// Has the layer fetched and waits until it is stored.
    #[boxed]
    pub async fn complete(&self, app: &Arc<Registry>, layer: &UpstreamLayer) -> Result<(), CacheFailure> {
        wait_until_stored(self.join(app, layer)).await
    }

    /// Takes all slots, so that what is asked for waits until they are given back.
    #[cfg(test)]
    pub fn take_slots(&self) -> tokio::sync::OwnedSemaphorePermit {
        let all = u32::try_from(MAX_FETCHES).expect("few");
        Arc::clone(&self.slots).try_acquire_many_owned(all).expect("nothing is fetched")
    }

    fn join(&self, app: &Arc<Registry>, layer: &UpstreamLayer) -> watch::Receiver<State> {
        let key = layer.key();
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = running.get(&key) {
            return state.clone();
        }
        let (sender, state) = watch::channel(State::Asked);
        running.insert(key.clone(), state.clone());
        let entry = RunningFetch { running: Arc::clone(&self.running), key };
        let (app, layer, slots) = (Arc::clone(app), layer.clone(), Arc::clone(&self.slots));
        runtime::tasks::spawn(async move {
            let _slot = slots.acquire().await;
            let result = fetch(&app, &layer, &sender).await;
            if result.is_ok() {
                app.metrics.cache.layers.increment();
            }
            // First out of the table: whoever comes now finds the layer stored, or begins anew.
            drop(entry);
            sender.send_replace(match result {
                Ok(()) => State::Stored,
                Err(failure) => {
                    let name = &layer.place.name;
                    tracing::warn!(repository = %name, digest = %layer.digest, "blob {} of {name} was not fetched: {failure}", layer.digest);
                    State::Failed(failure)
                }
            });
        });
        state
    }
}

/// The first state that fits; a failure is an error.
async fn wait_until(state: &mut watch::Receiver<State>, fits: impl Fn(&State) -> bool) -> Result<State, CacheFailure> {
    let found = state.wait_for(|state| fits(state)).await.map(|state| state.clone());
    match found {
        Ok(State::Failed(failure)) => Err(failure),
        Ok(state) => Ok(state),
        Err(_) => Err(CacheFailure::Storage(StoreErrorKind::Other, "fetching a blob ended early".to_owned())),
    }
}

async fn wait_until_stored(mut state: watch::Receiver<State>) -> Result<(), CacheFailure> {
    wait_until(&mut state, |state| matches!(state, State::Stored | State::Failed(_))).await.map(drop)
}

/// Where the layer is to be had, if it has not come meanwhile.
async fn source(app: &Registry, layer: &UpstreamLayer) -> Result<Option<UpstreamRepository>, CacheFailure> {
    let UpstreamLayer { place, repository_id, digest, must_be_from_there, known } = layer.clone();
    let rule = app
        .db
        .read_point(move |tx| {
            let origin = repository_blobs::origin(tx, repository_id, &digest)?;
            if origin.is_some_and(|origin| !must_be_from_there || origin.is_from(&known.source)) {
                return Ok::<_, StoreError>(None);
            }
            Ok(Some(pull_through_cache_rules::find_for(tx, &place)?))
        })
        .await?;
    let Some(rule) = rule else { return Ok(None) };
    let source = &layer.known.source;
    // A layer comes from where its image came from, and from nowhere else.
    let fitting = rule.filter(|rule| rule.upstream_url == source.upstream_url).and_then(|rule| {
        let name = rule.upstream_name(&layer.place.name)?;
        (name.as_str() == source.upstream_repository).then_some((rule, name))
    });
    let (rule, name) = fitting.ok_or_else(|| CacheFailure::NoRule(layer.place.clone(), layer.digest))?;
    Ok(Some(super::upstream_of(app, &rule, name).await?))
}

async fn fetch(app: &Arc<Registry>, layer: &UpstreamLayer, state: &watch::Sender<State>) -> Result<(), CacheFailure> {
    let Some(upstream) = source(app, layer).await? else { return Ok(()) };
    let answer = app.cache.upstream.blob(&upstream, &layer.digest, app.now_ms()).await?;
    let announced = answer.content_length();
    let size = layer.known.size_bytes;
    if let (Some(announced), Some(size)) = (announced, size)
        && announced != size
    {
        let text = format!("a layer is announced with {announced} bytes, its manifest says {size}");
        return Err(UpstreamFailure::Unusable(text).into());
    }
    let limit = size.or(announced).unwrap_or(app.quotas.layer_bytes);
    if limit > app.quotas.layer_bytes {
        return Err(RegistryError::LayerTooLarge(app.quotas.layer_bytes).into());
    }
    let place = &layer.place;
    let upload = uploads::begin(app, place, IfAbsent::Refuse, &Cause::now(app, Actor::PullThroughCache)).await?;
    let session = uploads::open(app, place, upload.id).await?;
    state.send_replace(State::Coming(Following {
        object: upload.object,
        data_key: upload.data_key.clone(),
        follower: session.follow(),
    }));
    let time = MIN_FETCH_TIME + Duration::from_secs(limit / MIN_BYTES_PER_SECOND);
    let received = runtime::timer::timeout(time, receive(answer, session, limit)).await.unwrap_or_else(|_| {
        Err(UpstreamFailure::Unavailable(format!("a layer took more than {} seconds", time.as_secs())).into())
    });
    let stored = match received {
        Ok(session) if size.is_none_or(|size| session.received() == size) => {
            session.complete(app, layer.digest).await.map_err(CacheFailure::from)
        }
        Ok(session) => {
            Err(UpstreamFailure::Unusable(format!("a layer ended after {} bytes", session.received())).into())
        }
        Err(failure) => Err(failure),
    };
    if stored.is_err() {
        // One that is gone already was abandoned with its digest; the others would go in a day.
        let _ = uploads::cancel(app, place, upload.id).await;
        return stored;
    }
    let (repository_id, digest, source) = (layer.repository_id, layer.digest, layer.known.source.clone());
    let noted = app.db.write(move |tx| repository_blobs::set_cached_from(tx, repository_id, &digest, &source));
    Ok(noted.await?)
}

/// Writes what comes, at most `limit` bytes.
async fn receive(
    mut answer: reqwest::Response,
    mut session: UploadSession,
    limit: u64,
) -> Result<UploadSession, CacheFailure> {
    while let Some(data) = answer.chunk().await.map_err(|error| UpstreamFailure::Unavailable(cause_of(&error)))? {
        if session.received() + data.len() as u64 > limit {
            return Err(UpstreamFailure::Unusable(format!("a layer is longer than {limit} bytes")).into());
        }
        session.write(data).await?;
    }
    Ok(session)
}
