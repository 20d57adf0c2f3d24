//! The content of a file on its way to a client: read on the calling thread from the page cache, on a blocking one from
//! the disk, and ahead of the client on another core where much is to be sent.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, SemaphorePermit, mpsc};

use super::FileObject;
use crate::blob::buffers::{self, BATCH_SEGMENTS};
use crate::blob::stream::{Read, ended_early};
use crate::blob::wait_on;
use crate::error::StoreError;

/// Reading ahead pays for what is at least so long, in bytes.
const MIN_AHEAD: u64 = 4 * 1024 * 1024;
/// Batches that are read ahead of what is sent.
const AHEAD: usize = 4;
/// Whoever does not take a batch for so long is no longer read ahead for.
const PATIENCE: Duration = Duration::from_millis(100);

/// Streams that are read ahead for; each holds up to about 1.3 MiB.
static TURNS: Semaphore = Semaphore::const_new(4);

/// Streams that there are: what each holds in memory is less when there are many.
static STREAMS: AtomicUsize = AtomicUsize::new(0);
/// More than so many read one segment at a time, and none ahead.
const MANY: usize = 48;

/// Segments that a stream reads at a time.
fn batch_segments() -> u64 {
    match STREAMS.load(Ordering::Relaxed) {
        0..=16 => BATCH_SEGMENTS,
        17..=MANY => BATCH_SEGMENTS / 2,
        _ => 1,
    }
}

/// The bytes of a file, in order, from wherever the caller is.
pub(in crate::blob) struct FileStream {
    object: Arc<FileObject>,
    reading: Reading,
    /// Whether it makes sense to begin reading ahead.
    may_begin: bool,
}

enum Reading {
    /// Nothing runs: the next bytes are read when they are wanted.
    Idle,
    /// They are on their way from the disk.
    Slow(Read<Bytes>),
    /// They are read before they are wanted.
    Ahead { batches: mpsc::Receiver<Result<Bytes, StoreError>>, _turn: SemaphorePermit<'static> },
}

impl FileStream {
    pub fn new(object: Arc<FileObject>) -> Self {
        if STREAMS.fetch_add(1, Ordering::Relaxed) == MANY {
            buffers::forget_batches();
        }
        Self { object, reading: Reading::Idle, may_begin: true }
    }

    /// Some of the bytes from `next` to `end` (excluded), which follow those that it gave last; none if there are none.
    pub fn poll_next(&mut self, next: u64, end: u64, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>> {
        if next >= end {
            return Poll::Ready(None);
        }
        if self.may_begin {
            self.may_begin = false;
            self.begin_ahead(next, end);
        }
        if let Reading::Ahead { batches, .. } = &mut self.reading {
            if let Some(batch) = ready!(batches.poll_recv(cx)) {
                return Poll::Ready(Some(batch));
            }
            self.reading = Reading::Idle;
        }
        if matches!(self.reading, Reading::Idle) {
            let segments = batch_segments();
            if let Some(read) = self.object.read_cached(next, end, segments) {
                return Poll::Ready(Some(read));
            }
            let object = Arc::clone(&self.object);
            self.reading = Reading::Slow(tokio::task::spawn_blocking(move || object.read_some(next, end, segments)));
        }
        let Reading::Slow(read) = &mut self.reading else { return Poll::Ready(None) };
        let result = ready!(Pin::new(read).poll(cx)).unwrap_or_else(|error| Err(ended_early(error)));
        self.reading = Reading::Idle;
        Poll::Ready(Some(result))
    }

    /// Begins to read ahead if there is enough to be read, and a turn.
    fn begin_ahead(&mut self, next: u64, end: u64) {
        if end - next < MIN_AHEAD {
            return;
        }
        let Ok(turn) = TURNS.try_acquire() else { return };
        let (sender, batches) = mpsc::channel(AHEAD);
        let object = Arc::clone(&self.object);
        tokio::task::spawn_blocking(move || read_ahead(&object, next, end, &sender));
        self.reading = Reading::Ahead { batches, _turn: turn };
    }
}

impl Drop for FileStream {
    fn drop(&mut self) {
        STREAMS.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Reads until nobody wants any more, or wants it soon, or too many want something.
fn read_ahead(object: &FileObject, mut next: u64, end: u64, batches: &mpsc::Sender<Result<Bytes, StoreError>>) {
    let runtime = Handle::current();
    while next < end && STREAMS.load(Ordering::Relaxed) <= MANY {
        let read = object.read(next, end);
        next = read.as_ref().map_or(end, |bytes| next + bytes.len() as u64);
        let Err(full) = batches.try_send(read) else { continue };
        let (batches, rest) = (batches.clone(), full.into_inner());
        let sent = wait_on(&runtime, async move { batches.send_timeout(rest, PATIENCE).await.is_ok() });
        if sent != Some(true) {
            return;
        }
    }
}
