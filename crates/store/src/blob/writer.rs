//! Writing an object: hashing, encrypting and writing on a blocking thread while the next bytes arrive.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Bytes, BytesMut};
use oci::Digest;
use sha2::Digest as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::keys::DataKey;
use super::object_id::ObjectId;
use super::segment::{SEALED_SEGMENT, SEGMENT, Sealer};
use super::upload::UploadState;
use super::{blocking, sync_folder};
use crate::error::{StoreError, StoreErrorKind};

/// Bytes that are handed to the blocking thread at a time.
const BATCH: usize = 512 * 1024;
/// Bytes after which the disk is made to begin, so that the sync at the end is short.
const SYNC_EVERY: u64 = 64 * 1024 * 1024;

/// A finished object.
#[derive(Clone, Copy, Debug)]
pub struct FinishedObject {
    /// The object.
    pub object: ObjectId,
    /// Plaintext length.
    pub size_bytes: u64,
    /// Digest of the plaintext.
    pub sha256: Digest,
}

/// Takes the bytes of an object. Dropped before [`checkpoint`](Self::checkpoint) or [`finish`](Self::finish), it
/// leaves the acknowledged state as it was; another writer may follow at once.
pub struct UploadWriter {
    buffer: BytesMut,
    sink: Option<Sink>,
    /// The batch that is being written. Holds the sink meanwhile.
    running: Option<JoinHandle<Result<Sink, StoreError>>>,
    /// Shared with the sink: a batch cannot be called back, and may come to run when another writer has followed.
    is_dropped: Arc<AtomicBool>,
    readable: watch::Receiver<u64>,
}

impl Drop for UploadWriter {
    fn drop(&mut self) {
        self.is_dropped.store(true, Ordering::SeqCst);
    }
}

/// The blocking half.
struct Sink {
    path: PathBuf,
    file: Option<File>,
    state: UploadState,
    sealer: Sealer,
    sealed: Vec<u8>,
    unsynced: u64,
    is_dropped: Arc<AtomicBool>,
    readable: watch::Sender<u64>,
}

impl UploadWriter {
    pub(super) fn new(path: PathBuf, state: UploadState, key: &DataKey) -> Self {
        let sealer = Sealer::new(key.cipher(), state.object);
        let is_dropped = Arc::new(AtomicBool::new(false));
        let (sender, readable) = watch::channel(state.segments * SEGMENT as u64);
        let sink = Sink {
            path,
            file: None,
            state,
            sealer,
            sealed: Vec::new(),
            unsynced: 0,
            is_dropped: Arc::clone(&is_dropped),
            readable: sender,
        };
        Self { buffer: BytesMut::new(), sink: Some(sink), running: None, is_dropped, readable }
    }

    /// How many bytes [`BlobStore::open_growing`](super::BlobStore::open_growing) can read already, as it grows. The end
    /// of the object is never among them: that cannot be read before [`finish`](Self::finish) has returned.
    pub fn readable(&self) -> watch::Receiver<u64> {
        self.readable.clone()
    }

    /// Takes the next bytes. Waits while two batches are on their way, so memory stays bounded.
    pub async fn write(&mut self, data: Bytes) -> Result<(), StoreError> {
        self.buffer.extend_from_slice(&data);
        if self.buffer.len() >= BATCH {
            let batch = self.buffer.split().freeze();
            let mut sink = self.idle_sink().await?;
            self.running = Some(tokio::task::spawn_blocking(move || {
                sink.absorb(&batch)?;
                Ok(sink)
            }));
        }
        Ok(())
    }

    async fn idle_sink(&mut self) -> Result<Sink, StoreError> {
        match (self.running.take(), self.sink.take()) {
            (Some(running), _) => running.await.unwrap_or_else(|error| {
                Err(StoreError::new(StoreErrorKind::Other, "writing a blob ended early").with_source(error))
            }),
            (None, Some(sink)) => Ok(sink),
            (None, None) => Err(StoreError::new(StoreErrorKind::Other, "a write to this blob has failed before")),
        }
    }

    /// Makes what was written durable, and returns the state to store.
    pub async fn checkpoint(mut self) -> Result<UploadState, StoreError> {
        let mut sink = self.idle_sink().await?;
        let rest = self.buffer.split().freeze();
        blocking(move || {
            sink.absorb(&rest)?;
            sink.sync()?;
            Ok(sink.state)
        })
        .await
    }

    /// Ends the object. It is durable when this returns.
    pub async fn finish(mut self) -> Result<FinishedObject, StoreError> {
        let mut sink = self.idle_sink().await?;
        let rest = self.buffer.split().freeze();
        blocking(move || {
            sink.absorb(&rest)?;
            sink.end()
        })
        .await
    }
}

impl Sink {
    fn fail(&self, what: &str, error: std::io::Error) -> StoreError {
        StoreError::io(format!("cannot {what} object {}", self.state.object), error)
    }

    /// Hashes and encrypts, and writes every segment that is full and not the last.
    fn absorb(&mut self, mut data: &[u8]) -> Result<(), StoreError> {
        self.state.hash.update(data);
        self.state.received += data.len() as u64;
        let first = self.state.segments;
        self.sealed.clear();
        while !data.is_empty() {
            if self.state.tail.len() == SEGMENT {
                self.sealer.seal(self.state.segments, false, &self.state.tail, &mut self.sealed);
                self.state.segments += 1;
                self.state.tail.clear();
            }
            // Whole segments need not go through the tail, but for the last one, which may be the object's last.
            if self.state.tail.is_empty() && data.len() > SEGMENT {
                let (segment, rest) = data.split_at(SEGMENT);
                self.sealer.seal(self.state.segments, false, segment, &mut self.sealed);
                self.state.segments += 1;
                data = rest;
                continue;
            }
            let (taken, rest) = data.split_at(data.len().min(SEGMENT - self.state.tail.len()));
            self.state.tail.extend_from_slice(taken);
            data = rest;
        }
        self.write_sealed(first)?;
        self.readable.send_replace(self.state.segments * SEGMENT as u64);
        Ok(())
    }

    /// Writes what is sealed, the first of it being segment `first`.
    fn write_sealed(&mut self, first: u64) -> Result<(), StoreError> {
        if self.sealed.is_empty() {
            return Ok(());
        }
        let offset = first * SEALED_SEGMENT as u64;
        self.check_not_dropped()?;
        let file = match self.file.take() {
            Some(file) => file,
            None => self.open(offset)?,
        };
        file.write_all_at(&self.sealed, offset).map_err(|error| self.fail("write", error))?;
        self.unsynced += self.sealed.len() as u64;
        if self.unsynced >= SYNC_EVERY {
            file.sync_data().map_err(|error| self.fail("sync", error))?;
            self.unsynced = 0;
        }
        self.file = Some(file);
        Ok(())
    }

    fn check_not_dropped(&self) -> Result<(), StoreError> {
        if self.is_dropped.load(Ordering::SeqCst) {
            let context = format!("the writer of object {} was dropped", self.state.object);
            return Err(StoreError::new(StoreErrorKind::Other, context));
        }
        Ok(())
    }

    /// Opens the file and cuts off what no acknowledged segment holds. The lock on it, which goes with the sink,
    /// lets a batch of a writer dropped before end first; one that comes later finds its writer dropped and ends here.
    fn open(&self, acknowledged: u64) -> Result<File, StoreError> {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)
            .map_err(|error| self.fail("create", error))?;
        file.lock().map_err(|error| self.fail("lock", error))?;
        self.check_not_dropped()?;
        let length = file.metadata().map_err(|error| self.fail("inspect", error))?.len();
        if length < acknowledged {
            return Err(StoreError::new(
                StoreErrorKind::Corrupt,
                format!("object {} has lost bytes: {length} of {acknowledged} are left", self.state.object),
            ));
        }
        if length > acknowledged {
            file.set_len(acknowledged).map_err(|error| self.fail("cut", error))?;
        }
        Ok(file)
    }

    fn sync(&self) -> Result<(), StoreError> {
        let Some(file) = &self.file else {
            return Ok(());
        };
        file.sync_all().map_err(|error| self.fail("sync", error))?;
        self.path.parent().map_or(Ok(()), sync_folder)
    }

    fn end(mut self) -> Result<FinishedObject, StoreError> {
        let number = self.state.segments;
        self.sealed.clear();
        let tail = std::mem::take(&mut self.state.tail);
        self.sealer.seal(number, true, &tail, &mut self.sealed);
        self.write_sealed(number)?;
        self.sync()?;
        let hash: [u8; 32] = self.state.hash.finalize().into();
        Ok(FinishedObject {
            object: self.state.object,
            size_bytes: self.state.received,
            sha256: Digest::from_sha256(hash),
        })
    }
}
