//! Writing an object to a file: one thread hashes and another one encrypts and writes while the next bytes arrive.

use std::fs::File;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use oci::Digest;
use sha2::{Digest as _, Sha256};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::sync_folder;
use crate::blob::blocking;
use crate::blob::fence::Fence;
use crate::blob::follower::{Follower, Leader};
use crate::blob::protection::Protection;
use crate::blob::sealing::Sealing;
use crate::blob::upload::UploadState;
use crate::blob::writer::{BATCH, FinishedObject};
use crate::error::{StoreError, StoreErrorKind};

/// Bytes after which the disk is made to begin, so that the sync at the end is short.
const SYNC_EVERY: u64 = 16 * 1024 * 1024;

/// Writers that there are.
static WRITERS: AtomicUsize = AtomicUsize::new(0);
/// So many hash and write on two threads each; more would keep the machine busy with changing from one to the other.
const MAX_SPLIT: usize = 2;
/// More than so many hold a quarter of a batch each, for the sake of memory.
const MANY: usize = 24;

/// Takes the bytes of an object. Dropped before [`checkpoint`](Self::checkpoint) or [`finish`](Self::finish), it
/// leaves the acknowledged state as it was; another writer may follow at once.
pub(in crate::blob) struct FileWriter {
    buffer: Vec<u8>,
    /// A buffer for what comes after that.
    spare: Vec<u8>,
    sink: Option<Sink>,
    running: Option<Running>,
    fence: Fence,
    follower: Follower,
}

impl Drop for FileWriter {
    fn drop(&mut self) {
        self.fence.close();
        WRITERS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A batch that is being hashed and written. Holds the sink meanwhile, and the hash that belongs into its state.
struct Running {
    batch: Arc<Vec<u8>>,
    storing: JoinHandle<Result<Sink, StoreError>>,
    /// If another thread hashes than the one that writes.
    hashing: Option<JoinHandle<Sha256>>,
}

/// The blocking half.
struct Sink {
    path: PathBuf,
    file: Option<Arc<File>>,
    sealing: Sealing,
    unsynced: u64,
    /// What was written before that, on its way to the disk.
    syncing: Option<JoinHandle<std::io::Result<()>>>,
    fence: Fence,
    leader: Leader,
}

impl FileWriter {
    pub fn new(path: PathBuf, state: UploadState, protection: &Protection) -> Self {
        WRITERS.fetch_add(1, Ordering::Relaxed);
        let fence = Fence::default();
        let (leader, follower) = Leader::new(state.object);
        let sealing = Sealing::new(state, protection);
        let sink = Sink { path, file: None, sealing, unsynced: 0, syncing: None, fence: fence.clone(), leader };
        Self { buffer: Vec::new(), spare: Vec::new(), sink: Some(sink), running: None, fence, follower }
    }

    /// See [`UploadWriter::fence`](crate::blob::UploadWriter::fence).
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// See [`UploadWriter::follow`](crate::blob::UploadWriter::follow).
    pub fn follow(&self) -> Follower {
        self.follower.clone()
    }

    /// Takes the next bytes. Waits while two batches are on their way, so memory stays bounded.
    pub async fn write(&mut self, data: Bytes) -> Result<(), StoreError> {
        let mut data = &data[..];
        let batch = self.batch();
        while !data.is_empty() {
            let (taken, rest) = data.split_at(data.len().min(batch.saturating_sub(self.buffer.len())));
            let needed = self.buffer.len() + taken.len();
            if needed > self.buffer.capacity() {
                // Growing by itself it would take up to twice a batch.
                let room = needed.next_power_of_two().min(batch);
                self.buffer.reserve_exact(room - self.buffer.len());
            }
            self.buffer.extend_from_slice(taken);
            data = rest;
            if self.buffer.len() >= batch {
                self.hand_over().await?;
            }
        }
        Ok(())
    }

    /// Bytes that are handed over at a time: few writers wake their threads less often, many hold less each, and whoever
    /// reads along gets bytes soon.
    fn batch(&self) -> usize {
        match WRITERS.load(Ordering::Relaxed) {
            0..=MAX_SPLIT if !self.follower.is_begun() => 4 * BATCH,
            0..=MANY => BATCH,
            _ => BATCH / 4,
        }
    }

    /// Gives the buffer to the threads.
    async fn hand_over(&mut self) -> Result<(), StoreError> {
        let mut sink = self.idle_sink().await?;
        let batch = Arc::new(std::mem::replace(&mut self.buffer, std::mem::take(&mut self.spare)));
        let is_split = WRITERS.load(Ordering::Relaxed) <= MAX_SPLIT;
        let hashing = is_split.then(|| {
            let (mut hash, hashed) = (std::mem::take(&mut sink.sealing.state.hash), Arc::clone(&batch));
            tokio::task::spawn_blocking(move || {
                hash.update(&*hashed);
                hash
            })
        });
        let stored = Arc::clone(&batch);
        let storing = tokio::task::spawn_blocking(move || {
            if is_split {
                sink.absorb_hashed(&stored)?;
            } else {
                sink.absorb(&stored)?;
            }
            Ok(sink)
        });
        self.running = Some(Running { batch, storing, hashing });
        Ok(())
    }

    async fn idle_sink(&mut self) -> Result<Sink, StoreError> {
        let Some(Running { batch, storing, hashing }) = self.running.take() else {
            let failed = || StoreError::new(StoreErrorKind::Other, "a write to this blob has failed before");
            return self.sink.take().ok_or_else(failed);
        };
        let ended_early =
            |error| StoreError::new(StoreErrorKind::Other, "writing a blob ended early").with_source(error);
        let mut sink = storing.await.map_err(ended_early)??;
        if let Some(hashing) = hashing {
            sink.sealing.state.hash = hashing.await.map_err(ended_early)?;
        }
        if let Ok(mut spare) = Arc::try_unwrap(batch) {
            spare.clear();
            self.spare = spare;
        }
        Ok(sink)
    }

    /// Makes what was written durable, and returns the state to store.
    pub async fn checkpoint(mut self) -> Result<UploadState, StoreError> {
        let mut sink = self.idle_sink().await?;
        let rest = std::mem::take(&mut self.buffer);
        blocking(move || {
            sink.absorb(&rest)?;
            sink.sync()?;
            Ok(sink.sealing.state)
        })
        .await
    }

    /// See [`UploadWriter::finish_small`](crate::blob::UploadWriter::finish_small).
    pub fn finish_small(mut self: Box<Self>) -> Result<FinishedObject, Box<Self>> {
        match self.sink.take_if(|sink| sink.sealing.is_small_with(self.buffer.len())) {
            Some(sink) => Ok(sink.sealing.end_small(&self.buffer, &sink.leader)),
            None => Err(self),
        }
    }

    /// Ends the object. It is durable when this returns.
    pub async fn finish(mut self) -> Result<FinishedObject, StoreError> {
        let mut sink = self.idle_sink().await?;
        let rest = std::mem::take(&mut self.buffer);
        blocking(move || {
            sink.absorb(&rest)?;
            sink.end()
        })
        .await
    }
}

impl Sink {
    fn fail(&self, what: &str, error: std::io::Error) -> StoreError {
        StoreError::io(format!("cannot {what} object {}", self.sealing.state.object), error)
    }

    /// Hashes what the threads were not given, and does the rest as they do.
    fn absorb(&mut self, data: &[u8]) -> Result<(), StoreError> {
        self.sealing.state.hash.update(data);
        self.absorb_hashed(data)
    }

    /// Encrypts, and writes every segment that is full and not the last.
    fn absorb_hashed(&mut self, data: &[u8]) -> Result<(), StoreError> {
        // What is sealed at a time fits a kept buffer, and the processor's cache.
        for part in data.chunks(BATCH) {
            let offset = self.sealing.absorb_hashed(part);
            if !self.sealing.sealed.is_empty() {
                self.write_sealed(offset)?;
            }
        }
        self.leader.advance(self.sealing.readable());
        Ok(())
    }

    /// Writes what is sealed, or an empty file for what has no content and is plain.
    fn write_sealed(&mut self, offset: u64) -> Result<(), StoreError> {
        self.check_fence()?;
        let file = match self.file.take() {
            Some(file) => file,
            None => Arc::new(self.open(offset)?),
        };
        let sealed = &self.sealing.sealed;
        file.write_all_at(sealed, offset).map_err(|error| self.fail("write", error))?;
        self.unsynced += sealed.len() as u64;
        self.sealing.forget_sealed();
        if self.unsynced >= SYNC_EVERY {
            self.end_syncing()?;
            let written = Arc::clone(&file);
            self.syncing = Some(tokio::task::spawn_blocking(move || written.sync_data()));
            self.unsynced = 0;
        }
        if self.leader.is_followed() {
            // Opened anew: the lock on this one must go with the sink.
            let path = &self.path;
            self.leader.publish(|| File::open(path)).map_err(|error| self.fail("open", error))?;
        }
        self.file = Some(file);
        Ok(())
    }

    fn check_fence(&self) -> Result<(), StoreError> {
        if self.fence.is_closed() {
            let context = format!("the writer of object {} was given up", self.sealing.state.object);
            return Err(StoreError::new(StoreErrorKind::Other, context));
        }
        Ok(())
    }

    /// Opens the file and cuts off what no acknowledged segment holds. The lock on it, which goes with the sink,
    /// lets a batch of a writer that was given up before end first; one that comes later finds the fence closed and ends here.
    fn open(&self, acknowledged: u64) -> Result<File, StoreError> {
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path)
            .map_err(|error| self.fail("create", error))?;
        file.lock().map_err(|error| self.fail("lock", error))?;
        self.check_fence()?;
        let length = file.metadata().map_err(|error| self.fail("inspect", error))?.len();
        if length < acknowledged {
            return Err(StoreError::new(
                StoreErrorKind::Corrupt,
                format!("object {} has lost bytes: {length} of {acknowledged} are left", self.sealing.state.object),
            ));
        }
        if length > acknowledged {
            file.set_len(acknowledged).map_err(|error| self.fail("cut", error))?;
        }
        Ok(file)
    }

    /// Waits for what is on its way to the disk: an error there is told to one sync alone.
    fn end_syncing(&mut self) -> Result<(), StoreError> {
        let Some(syncing) = self.syncing.take() else { return Ok(()) };
        let synced = Handle::current().block_on(syncing).unwrap_or_else(|error| Err(std::io::Error::other(error)));
        synced.map_err(|error| self.fail("sync", error))
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        self.end_syncing()?;
        let Some(file) = &self.file else {
            return Ok(());
        };
        file.sync_all().map_err(|error| self.fail("sync", error))?;
        self.path.parent().map_or(Ok(()), sync_folder)
    }

    fn end(mut self) -> Result<FinishedObject, StoreError> {
        let offset = self.sealing.end();
        self.write_sealed(offset)?;
        self.sync()?;
        Ok(FinishedObject {
            object: self.sealing.state.object,
            size_bytes: self.sealing.state.received,
            sha256: Digest::from_sha256(self.sealing.sha256()),
            small: None,
        })
    }
}
