//! Reading a layer while it is fetched and stored.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use runtime::http::body::ComingBytes;
use store::blob::{BlobReader, Follower, ObjectId};
use store::error::{StoreError, StoreErrorKind};
use tokio::sync::watch;

use super::failure::CacheFailure;
use crate::Registry;
use crate::images::encryption;
use crate::images::errors::RegistryError;

/// What it takes to read an object while it is written.
#[derive(Clone)]
pub(super) struct Following {
    pub(super) object: ObjectId,
    pub(super) data_key: Vec<u8>,
    pub(super) follower: Follower,
}

/// Where a fetch is.
#[derive(Clone)]
pub(super) enum State {
    /// The upstream was asked.
    Asked,
    /// It sends.
    Coming(Following),
    /// The layer is stored, and is what its digest says.
    Stored,
    /// There is nothing.
    Failed(CacheFailure),
}

/// A layer that can be read while it is stored.
pub struct ComingLayer {
    /// Its length.
    pub size_bytes: u64,
    upload: Following,
    readable: watch::Receiver<u64>,
    state: watch::Receiver<State>,
}

impl ComingLayer {
    pub(super) fn new(size_bytes: u64, upload: Following, state: watch::Receiver<State>) -> Self {
        let readable = upload.follower.readable();
        Self { size_bytes, upload, readable, state }
    }

    /// The bytes from `first` to `last`, both included, as they come.
    pub fn stream(self, app: Arc<Registry>, first: u64, last: u64) -> ComingStream {
        ComingStream {
            app,
            reading: None,
            idle: Some(Box::new(Reading { layer: self, reader: None, next: first, end: last + 1 })),
        }
    }
}

/// Where a reader of a coming layer is.
struct Reading {
    layer: ComingLayer,
    reader: Option<BlobReader>,
    next: u64,
    end: u64,
}

/// What a read gives: the reader, for the next one, and the bytes; none at the end.
type Read = (Box<Reading>, Option<Result<Bytes, StoreError>>);

/// The bytes of a coming layer, in order. The last of them come after the whole layer was found to be what its digest says.
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
            let limit = match &*self.layer.state.borrow_and_update() {
                State::Stored => self.end,
                State::Failed(failure) => return Err(cut(failure)),
                State::Asked | State::Coming(_) => (*self.layer.readable.borrow_and_update()).min(self.end),
            };
            if limit > self.next {
                break limit;
            }
            tokio::select! {
                changed = self.layer.state.changed() => changed.map_err(|_| {
                    StoreError::new(StoreErrorKind::Other, "fetching a blob ended early")
                })?,
                // When the writer is gone its end follows as a state.
                Ok(()) = self.layer.readable.changed() => {}
            }
        };
        let reader = match &self.reader {
            Some(reader) => reader.clone(),
            None => {
                let Following { object, data_key, follower } = &self.layer.upload;
                let protection = encryption::protection_of(app, data_key, *object).await;
                let protection = protection.map_err(|error| match error {
                    RegistryError::Store(error) => error,
                    other => StoreError::new(StoreErrorKind::Unavailable, other.to_string()),
                })?;
                let reader = follower.open(protection, self.layer.size_bytes)?;
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
