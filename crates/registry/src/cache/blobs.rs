//! Blobs that are still upstream: fetched once however many ask, and read while they are stored.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use oci::{Digest, RepositoryName};
use runtime::boxed;
use runtime::http::body::ComingBytes;
use runtime::outbound::cause_of;
use store::blob::{BlobReader, Follower, ObjectId};
use store::error::{StoreError, StoreErrorKind};
use store::tables::pull_through_cache_rules;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::RepositoryRef;
use store::tables::repository_blobs::{self, RepositoryBlob};
use store::tables::upstream_blobs::{self, UpstreamBlob};
use tokio::sync::{Semaphore, watch};

use super::failure::CacheFailure;
use super::upstream::{UpstreamFailure, UpstreamRepository};
use crate::Registry;
use crate::images::changes::{Actor, Cause};
use crate::images::creation::IfAbsent;
use crate::images::encryption::{self, Use};
use crate::images::errors::RegistryError;
use crate::images::read_caches::FoundLayer;
use crate::images::repositories::require;
use crate::images::uploads::{self, UploadSession};

/// Blobs that one node fetches at a time; each takes about a MiB of memory.
const MAX_FETCHES: usize = 64;
/// A fetch must be done after so long, and after the time that it takes at [`MIN_BYTES_PER_SECOND`] beyond that.
const MIN_FETCH_TIME: Duration = Duration::from_secs(600);
const MIN_BYTES_PER_SECOND: u64 = 64 * 1024;

/// A blob as a repository has it.
pub enum Found {
    /// Stored here.
    Here(Arc<RepositoryBlob>),
    /// Still upstream.
    Awaited(Box<AwaitedBlob>),
}

/// A blob that is still upstream.
#[derive(Clone)]
pub struct AwaitedBlob {
    place: RepositoryRef,
    repository_id: i64,
    digest: Digest,
    /// What is known of it.
    pub known: UpstreamBlob,
    /// Whether the repository shows it already, so that fetching it proves that upstream has it.
    is_shown: bool,
}

impl AwaitedBlob {
    /// A blob that the repository shows, and that is to be had from upstream all the same.
    pub const fn shown(place: RepositoryRef, repository_id: i64, digest: Digest, known: UpstreamBlob) -> Self {
        Self { place, repository_id, digest, known, is_shown: true }
    }
}

/// A blob that is on its way, or has just come.
pub enum Arriving {
    /// It has come.
    Here(Arc<RepositoryBlob>),
    /// It can be read while it comes.
    Coming(ComingBlob),
}

/// A blob that can be read while it is stored.
pub struct ComingBlob {
    /// Its length.
    pub size_bytes: u64,
    upload: Following,
    readable: watch::Receiver<u64>,
    state: watch::Receiver<State>,
}

/// What it takes to read an object while it is written.
#[derive(Clone)]
struct Following {
    object: ObjectId,
    data_key: Vec<u8>,
    follower: Follower,
}

/// Where a fetch is.
#[derive(Clone)]
enum State {
    /// The upstream was asked.
    Asked,
    /// It sends.
    Coming(Following),
    /// The blob is stored, and is what its digest says.
    Here,
    /// There is nothing.
    Failed(CacheFailure),
}

type Running = Mutex<HashMap<(i64, Digest), watch::Receiver<State>>>;

/// The fetches of one node.
pub struct BlobFetches {
    running: Arc<Running>,
    slots: Arc<Semaphore>,
}

impl Default for BlobFetches {
    fn default() -> Self {
        Self { running: Arc::default(), slots: Arc::new(Semaphore::new(MAX_FETCHES)) }
    }
}

/// Takes a fetch out of the table however it ends.
struct RunningFetch {
    running: Arc<Running>,
    key: (i64, Digest),
}

impl Drop for RunningFetch {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

/// As [`find`], for reading: a blob that only archived images name is out of reach (reference/repositories-images.md 4).
#[boxed]
pub async fn find_readable(
    app: &Registry,
    registry: &RegistryId,
    name: &RepositoryName,
    digest: Digest,
) -> Result<Found, RegistryError> {
    match look_up(app, registry, name, digest).await? {
        Ok(layer) => {
            encryption::require(app, &layer.repository, Use::Pull).await?;
            if layer.blob.is_archived() {
                let place = RepositoryRef { registry: registry.clone(), name: name.clone() };
                return Err(RegistryError::LayerArchived(place, digest));
            }
            Ok(Found::Here(Arc::clone(&layer.blob)))
        }
        Err(awaited) => Ok(Found::Awaited(awaited)),
    }
}

/// The blob, here or upstream, or the error that names it.
#[boxed]
pub async fn find(
    app: &Registry,
    registry: &RegistryId,
    name: &RepositoryName,
    digest: Digest,
) -> Result<Found, RegistryError> {
    Ok(match look_up(app, registry, name, digest).await? {
        Ok(layer) => Found::Here(Arc::clone(&layer.blob)),
        Err(awaited) => Found::Awaited(awaited),
    })
}

/// The layer, or what is known of it if it is still upstream.
async fn look_up(
    app: &Registry,
    registry: &RegistryId,
    name: &RepositoryName,
    digest: Digest,
) -> Result<Result<Arc<FoundLayer>, Box<AwaitedBlob>>, RegistryError> {
    let key = (RepositoryRef { registry: registry.clone(), name: name.clone() }, digest);
    let mark = match app.read_caches.layers.find(&app.db, &key) {
        Ok(kept) => return Ok(Ok(kept)),
        Err(mark) => mark,
    };
    let place = key.0.clone();
    let found = app
        .read_caches
        .layers
        .read(&app.db, move |tx| {
            let repository = require(tx, &place)?;
            if let Some(blob) = repository_blobs::find(tx, repository.id, &digest)? {
                return Ok(Ok(Arc::new(FoundLayer { repository, blob: Arc::new(blob) })));
            }
            match upstream_blobs::find(tx, repository.id, &digest)? {
                Some(known) => {
                    let (place, repository_id) = (place.clone(), repository.id);
                    Ok(Err(Box::new(AwaitedBlob { place, repository_id, digest, known, is_shown: false })))
                }
                None => Err(RegistryError::LayerNotFound(place.clone(), digest)),
            }
        })
        .await?;
    if let Ok(layer) = &found {
        app.read_caches.layers.insert(mark, key, layer);
    }
    Ok(found)
}

impl BlobFetches {
    /// Has the blob fetched, unless it is being fetched, and returns when its bytes begin to come. The fetch goes on when
    /// nobody waits any more.
    #[boxed]
    pub async fn begin(&self, app: &Arc<Registry>, blob: &AwaitedBlob) -> Result<Arriving, CacheFailure> {
        let mut state = self.join(app, blob);
        let known = wait_until(&mut state, |state| !matches!(state, State::Asked)).await?;
        match (known, blob.known.size_bytes) {
            (State::Coming(upload), Some(size_bytes)) => {
                let readable = upload.follower.readable();
                Ok(Arriving::Coming(ComingBlob { size_bytes, upload, readable, state }))
            }
            _ => self.wait(app, blob, state).await.map(Arriving::Here),
        }
    }

    /// Has the blob fetched and waits until it is stored.
    #[boxed]
    pub async fn complete(&self, app: &Arc<Registry>, blob: &AwaitedBlob) -> Result<Arc<RepositoryBlob>, CacheFailure> {
        let state = self.join(app, blob);
        self.wait(app, blob, state).await
    }

    async fn wait(
        &self,
        app: &Registry,
        blob: &AwaitedBlob,
        mut state: watch::Receiver<State>,
    ) -> Result<Arc<RepositoryBlob>, CacheFailure> {
        wait_until(&mut state, |state| matches!(state, State::Here | State::Failed(_))).await?;
        match find(app, &blob.place.registry, &blob.place.name, blob.digest).await? {
            Found::Here(found) => Ok(found),
            Found::Awaited(_) => Err(UpstreamFailure::NotFound.into()),
        }
    }

    fn join(&self, app: &Arc<Registry>, blob: &AwaitedBlob) -> watch::Receiver<State> {
        let key = (blob.repository_id, blob.digest);
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = running.get(&key) {
            return state.clone();
        }
        let (sender, state) = watch::channel(State::Asked);
        running.insert(key, state.clone());
        let entry = RunningFetch { running: Arc::clone(&self.running), key };
        let (app, blob, slots) = (Arc::clone(app), blob.clone(), Arc::clone(&self.slots));
        runtime::tasks::spawn(async move {
            let _slot = slots.acquire().await;
            let result = fetch(&app, &blob, &sender).await;
            if result.is_ok() {
                app.metrics.cache.layers.increment();
            }
            // First out of the table: whoever comes now finds the blob stored, or begins anew.
            drop(entry);
            sender.send_replace(match result {
                Ok(()) => State::Here,
                Err(failure) => {
                    let name = &blob.place.name;
                    tracing::warn!(repository = %name, digest = %blob.digest, "blob {} of {name} was not fetched: {failure}", blob.digest);
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

/// Where the blob is to be had, if it has not come meanwhile.
async fn source(app: &Registry, blob: &AwaitedBlob) -> Result<Option<UpstreamRepository>, CacheFailure> {
    let AwaitedBlob { place, repository_id, digest, is_shown, known } = blob.clone();
    let rule = app
        .db
        .read_point(move |tx| {
            let origin = repository_blobs::origin(tx, repository_id, &digest)?;
            if origin.is_some_and(|origin| !is_shown || origin.is_from(&known.source)) {
                return Ok::<_, StoreError>(None);
            }
            Ok(Some(pull_through_cache_rules::find_for(tx, &place)?))
        })
        .await?;
    let Some(rule) = rule else { return Ok(None) };
    let source = &blob.known.source;
    // A blob comes from where its image came from, and from nowhere else.
    let fitting = rule.filter(|rule| rule.upstream_url == source.upstream_url).and_then(|rule| {
        let name = rule.upstream_name(&blob.place.name)?;
        (name.as_str() == source.upstream_repository).then_some((rule, name))
    });
    let (rule, name) = fitting.ok_or_else(|| CacheFailure::NoRule(blob.place.clone(), blob.digest))?;
    Ok(Some(super::upstream_of(app, &rule, name).await?))
}

async fn fetch(app: &Arc<Registry>, blob: &AwaitedBlob, state: &watch::Sender<State>) -> Result<(), CacheFailure> {
    let Some(upstream) = source(app, blob).await? else { return Ok(()) };
    let answer = app.cache.upstream.blob(&upstream, &blob.digest, app.now_ms()).await?;
    let announced = answer.content_length();
    let size = blob.known.size_bytes;
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
    let RepositoryRef { registry, name } = &blob.place;
    let upload =
        uploads::begin(app, registry, name, IfAbsent::Refuse, &Cause::now(app, Actor::PullThroughCache)).await?;
    let session = uploads::open(app, registry, name, upload.id).await?;
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
            session.complete(app, blob.digest).await.map_err(CacheFailure::from)
        }
        Ok(session) => {
            Err(UpstreamFailure::Unusable(format!("a layer ended after {} bytes", session.received())).into())
        }
        Err(failure) => Err(failure),
    };
    if stored.is_err() {
        // One that is gone already was abandoned with its digest; the others would go in a day.
        let _ = uploads::cancel(app, registry, name, upload.id).await;
        return stored;
    }
    let (repository_id, digest, source) = (blob.repository_id, blob.digest, blob.known.source.clone());
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

impl ComingBlob {
    /// The bytes from `first` to `last`, both included, as they come.
    pub fn stream(self, app: Arc<Registry>, first: u64, last: u64) -> ComingStream {
        ComingStream {
            app,
            reading: None,
            idle: Some(Box::new(Reading { blob: self, reader: None, next: first, end: last + 1 })),
        }
    }
}

/// Where a reader of a coming blob is.
struct Reading {
    blob: ComingBlob,
    reader: Option<BlobReader>,
    next: u64,
    end: u64,
}

/// What a read gives: the reader, for the next one, and the bytes; none at the end.
type Read = (Box<Reading>, Option<Result<Bytes, StoreError>>);

/// The bytes of a coming blob, in order. The last of them come after the whole blob was found to be what its digest says.
pub struct ComingStream {
    app: Arc<Registry>,
    reading: Option<Pin<Box<dyn Future<Output = Read> + Send>>>,
    idle: Option<Box<Reading>>,
}

impl ComingBytes for ComingStream {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>> {
        if let Some(mut reading) = self.idle.take() {
            let app = Arc::clone(&self.app);
            self.reading = Some(Box::pin(async move {
                let bytes = reading.next(&app).await.transpose();
                (reading, bytes)
            }));
        }
        let Some(reading) = &mut self.reading else { return Poll::Ready(None) };
        let Poll::Ready((reading, bytes)) = reading.as_mut().poll(cx) else { return Poll::Pending };
        self.reading = None;
        if matches!(bytes, Some(Ok(_))) {
            self.idle = Some(reading);
        }
        Poll::Ready(bytes)
    }
}

impl Reading {
    async fn next(&mut self, app: &Registry) -> Result<Option<Bytes>, StoreError> {
        if self.next >= self.end {
            return Ok(None);
        }
        let until = loop {
            let limit = match &*self.blob.state.borrow_and_update() {
                State::Here => self.end,
                State::Failed(failure) => return Err(cut(failure)),
                State::Asked | State::Coming(_) => (*self.blob.readable.borrow_and_update()).min(self.end),
            };
            if limit > self.next {
                break limit;
            }
            tokio::select! {
                changed = self.blob.state.changed() => changed.map_err(|_| {
                    StoreError::new(StoreErrorKind::Other, "fetching a blob ended early")
                })?,
                // When the writer is gone its end follows as a state.
                Ok(()) = self.blob.readable.changed() => {}
            }
        };
        let reader = match &self.reader {
            Some(reader) => reader.clone(),
            None => {
                let Following { object, data_key, follower } = &self.blob.upload;
                let protection = encryption::protection_of(app, data_key, *object).await;
                let protection = protection.map_err(|error| match error {
                    RegistryError::Store(error) => error,
                    other => StoreError::new(StoreErrorKind::Unavailable, other.to_string()),
                })?;
                let reader = follower.open(protection, self.blob.size_bytes)?;
                self.reader.insert(reader).clone()
            }
        };
        let mut stream = reader.stream(self.next, until - 1);
        let bytes = std::future::poll_fn(|cx| stream.poll_next(cx)).await.transpose()?;
        self.next += bytes.as_ref().map_or(0, |bytes| bytes.len() as u64);
        Ok(bytes)
    }
}

fn cut(failure: &CacheFailure) -> StoreError {
    StoreError::new(StoreErrorKind::Unavailable, format!("a blob did not come whole: {failure}"))
}
