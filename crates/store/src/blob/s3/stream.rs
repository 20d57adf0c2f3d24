//! Reading an object in a bucket: one request for all that is wanted, and another one for the rest if it breaks off.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::stream::BoxStream;

use super::S3Store;
use super::failure::unavailable;
use crate::blob::buffers::{BATCH_SEGMENTS, Buffer};
use crate::blob::object_id::ObjectId;
use crate::blob::protection::Protection;
use crate::blob::reader::damaged;
use crate::blob::segment::{self, Opener, SEGMENT};
use crate::error::{ObjectDamage, StoreError};

/// How often reading goes on after an answer that broke off without a single byte.
const MAX_STALLS: u32 = 4;
/// The wait before the first further request; twice as long before each one after that.
const FIRST_WAIT: Duration = Duration::from_millis(100);

/// An object in a bucket. Whether it is there shows with the first read.
pub(in crate::blob) struct S3Object {
    store: S3Store,
    opener: Opener,
    pub id: ObjectId,
    /// Length of what its segments hold.
    pub size_bytes: u64,
}

impl S3Object {
    pub fn new(store: S3Store, id: ObjectId, protection: &Protection, size_bytes: u64) -> Self {
        Self { store, opener: protection.opener(), id, size_bytes }
    }

    /// Where segment number `past` begins, or ends the object.
    fn stored_end(&self, past: u64) -> u64 {
        self.opener.form().stored_end(self.size_bytes, past)
    }

    fn stored_bytes(&self) -> u64 {
        self.opener.form().stored_bytes(self.size_bytes)
    }
}

type Body = BoxStream<'static, object_store::Result<Bytes>>;
type Opening = Pin<Box<dyn Future<Output = Result<Body, StoreError>> + Send>>;

enum Source {
    /// No request is under way.
    Idle,
    Opening(Opening),
    Open(Body),
}

/// The plaintext bytes of a range, in order.
pub(in crate::blob) struct S3Stream {
    object: Arc<S3Object>,
    /// Never locked: it makes the stream `Sync`, which HTTP clients want of what they send.
    source: Mutex<Source>,
    /// Plaintext bytes that are wanted next, and where they end.
    next: u64,
    end: u64,
    /// The segment that `sealed` begins with.
    segment: u64,
    /// The segment after the last one that is needed.
    past: u64,
    /// What has come of segments that were not opened.
    sealed: BytesMut,
    stalls: u32,
}

impl S3Stream {
    /// The bytes from `from` to `end` (excluded). An empty range too has a segment, which is read.
    pub fn new(object: Arc<S3Object>, from: u64, end: u64) -> Self {
        let segment = from / SEGMENT as u64;
        let past = end.div_ceil(SEGMENT as u64).max(segment + 1).min(segment::count(object.size_bytes));
        Self {
            object,
            source: Mutex::new(Source::Idle),
            next: from,
            end,
            segment,
            past,
            sealed: BytesMut::new(),
            stalls: 0,
        }
    }

    /// The next bytes; none at the end. Nothing follows an error.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>> {
        let result = ready!(self.poll_segments(cx));
        if matches!(result, Some(Err(_))) {
            self.segment = self.past;
            *self.source() = Source::Idle;
        }
        Poll::Ready(result)
    }

    fn poll_segments(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>> {
        loop {
            if self.segment >= self.past {
                return Poll::Ready(None);
            }
            // Nothing can come of an object without stored bytes, but it must be there.
            let is_asked = self.object.stored_bytes() > 0 || matches!(self.source(), Source::Open(_));
            let whole = if is_asked { self.whole_segments() } else { 0 };
            if whole > 0 {
                return Poll::Ready(Some(self.open(whole)));
            }
            match self.source() {
                Source::Idle => {
                    let offset = self.object.stored_end(self.segment) + self.sealed.len() as u64;
                    let end = self.object.stored_end(self.past);
                    let wait = (self.stalls > 0).then(|| FIRST_WAIT * 2_u32.pow(self.stalls - 1));
                    let opening = Box::pin(get(Arc::clone(&self.object), offset, end, wait));
                    *self.source() = Source::Opening(opening);
                }
                Source::Opening(opening) => match ready!(opening.as_mut().poll(cx)) {
                    Ok(body) => *self.source() = Source::Open(body),
                    Err(error) => return Poll::Ready(Some(Err(error))),
                },
                Source::Open(body) => match ready!(body.as_mut().poll_next(cx)) {
                    Some(Ok(bytes)) => {
                        if !bytes.is_empty() {
                            self.stalls = 0;
                        }
                        self.sealed.extend_from_slice(&bytes);
                    }
                    broken => {
                        self.stalls += 1;
                        let id = self.object.id;
                        if self.stalls > MAX_STALLS {
                            let context = format!("object {id} cannot be read to its end");
                            let error = match broken {
                                Some(Err(error)) => unavailable(context, error),
                                _ => unavailable(context, "the answer ended early"),
                            };
                            return Poll::Ready(Some(Err(error)));
                        }
                        tracing::debug!(object = %id, "an answer with object {id} broke off; asking for the rest");
                        *self.source() = Source::Idle;
                    }
                },
            }
        }
    }

    fn source(&mut self) -> &mut Source {
        self.source.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many segments have come whole.
    fn whole_segments(&self) -> usize {
        let segment_bytes = self.object.opener.form().segment_bytes();
        let missing = (self.past - self.segment) as usize;
        let to_end = self.object.stored_end(self.past) - self.segment * segment_bytes;
        let come = self.sealed.len() as u64;
        let whole = if come >= to_end { missing } else { (come / segment_bytes) as usize };
        whole.min(BATCH_SEGMENTS as usize)
    }

    fn open(&mut self, count: usize) -> Result<Bytes, StoreError> {
        let past = self.segment + count as u64;
        let length = self.object.stored_end(past) - self.segment * self.object.opener.form().segment_bytes();
        let run = self.sealed.split_to(length as usize);
        let mut content = Buffer::new(run.len());
        let total = segment::count(self.object.size_bytes);
        let filled = self.object.opener.open_run(self.object.id, self.segment, total, &run, content.as_mut()).map_err(
            |number| damaged(self.object.id, ObjectDamage::Altered, &format!("segment {number} does not open")),
        )?;
        let base = self.segment * SEGMENT as u64;
        let to = self.end.min(base + filled as u64);
        let range = (self.next - base) as usize..(to - base) as usize;
        self.segment = past;
        self.next = to;
        Ok(content.freeze(range))
    }
}

/// Asks for the stored bytes from `offset` to `end`.
async fn get(object: Arc<S3Object>, offset: u64, end: u64, wait: Option<Duration>) -> Result<Body, StoreError> {
    if let Some(wait) = wait {
        tokio::time::sleep(wait).await;
    }
    let expected = object.stored_bytes();
    object.store.get(object.id, offset..end, expected).await
}
