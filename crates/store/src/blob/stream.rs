//! The content of an object on its way to a client: from the page cache, from a blocking thread, from a bucket
//! or from the database.

use std::future::Future as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::decompress::Decompression;
use super::files::FileStream;
use super::reader::Object;
use super::s3::S3Stream;
use super::small::SmallObject;
use super::tier::Encoding;
use crate::error::{StoreError, StoreErrorKind};

/// The bytes of a blob, in order.
pub struct BlobStream {
    source: Source,
    /// What was read already, to see whether anything can be.
    first: Option<Bytes>,
    next: u64,
    end: u64,
}

/// A read on a blocking thread.
pub(super) type Read<T> = JoinHandle<Result<T, StoreError>>;

/// A decompression comes back from the thread with what it has made.
type Decompressed = (Box<Decompression>, Bytes);

/// What comes of a bucket at a time, sealed and opened.
const S3_BYTES: u64 = 512 * 1024;
/// The window of the level that is compressed with, and a chunk of content.
const DECOMPRESSION_BYTES: u64 = 4 * 1024 * 1024 + 512 * 1024;

enum Source {
    File(FileStream),
    S3(Box<S3Stream>),
    Small(Arc<SmallObject>),
    /// It is begun with the first read, and away while one runs.
    Compressed {
        object: Object,
        size_bytes: u64,
        begun: Option<Box<Decompression>>,
        running: Option<Read<Decompressed>>,
    },
}

pub(super) fn ended_early(error: tokio::task::JoinError) -> StoreError {
    StoreError::new(StoreErrorKind::Other, "reading a blob ended early").with_source(error)
}

impl BlobStream {
    pub(super) fn new(object: Object, encoding: Encoding, size_bytes: u64, next: u64, end: u64) -> Self {
        let source = match (encoding, object) {
            (Encoding::Identity, Object::File(object)) => Source::File(FileStream::new(object)),
            (Encoding::Identity, Object::S3(object)) => Source::S3(Box::new(S3Stream::new(object, next, end))),
            (Encoding::Identity, Object::Small(object)) => Source::Small(object),
            (Encoding::Zstd, object) => Source::Compressed { object, size_bytes, begun: None, running: None },
        };
        Self { source, first: None, next, end }
    }

    /// What it may hold of memory for as long as it lasts, where that does not become less when there are many streams, as
    /// it does with files.
    pub fn held_bytes(&self) -> u64 {
        match &self.source {
            Source::File(_) | Source::Small(_) => 0,
            Source::S3(_) => S3_BYTES.min((self.end - self.next).saturating_mul(2)),
            Source::Compressed { object, size_bytes, .. } => {
                let stored = if matches!(object, Object::S3(_)) { S3_BYTES } else { 0 };
                DECOMPRESSION_BYTES.min(size_bytes.saturating_mul(2)) + stored
            }
        }
    }

    /// Reads and authenticates the first bytes, which are kept for [`next`](Self::next): before an answer is begun that
    /// must say so if there are none.
    pub async fn begin(&mut self) -> Result<(), StoreError> {
        if self.first.is_none() {
            self.first = self.next().await.transpose()?;
        }
        Ok(())
    }

    /// The next bytes; none at the end. Reads on the calling thread what is in the page cache, else on a blocking one.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>> {
        if let Some(bytes) = self.first.take() {
            return Poll::Ready(Some(Ok(bytes)));
        }
        let result = match &mut self.source {
            Source::S3(stream) => ready!(stream.poll_next(cx)),
            Source::File(stream) => ready!(stream.poll_next(self.next, self.end, cx)),
            Source::Small(object) => (self.next < self.end).then(|| object.read(self.next, self.end)),
            Source::Compressed { object, size_bytes, begun, running } => {
                ready!(poll_compressed(object, *size_bytes, begun, running, self.next, self.end, cx))
            }
        };
        Poll::Ready(result.map(|result| self.advance(result)))
    }

    /// As [`poll_next`](Self::poll_next), to wait for.
    pub async fn next(&mut self) -> Option<Result<Bytes, StoreError>> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    fn advance(&mut self, result: Result<Bytes, StoreError>) -> Result<Bytes, StoreError> {
        match &result {
            Ok(bytes) => self.next += bytes.len() as u64,
            // Nothing after a damaged part may be sent as if it followed.
            Err(_) => self.next = self.end,
        }
        result
    }
}

fn poll_compressed(
    object: &Object,
    size_bytes: u64,
    begun: &mut Option<Box<Decompression>>,
    running: &mut Option<Read<Decompressed>>,
    next: u64,
    end: u64,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Bytes, StoreError>>> {
    loop {
        let Some(work) = running else {
            if next >= end {
                return Poll::Ready(None);
            }
            let (object, begun) = (object.clone(), begun.take());
            *running = Some(tokio::task::spawn_blocking(move || {
                let mut content = match begun {
                    Some(content) => content,
                    None => Box::new(Decompression::new(object, size_bytes, next)?),
                };
                let bytes = content.next_chunk()?;
                Ok((content, bytes))
            }));
            continue;
        };
        let result = ready!(Pin::new(work).poll(cx)).unwrap_or_else(|error| Err(ended_early(error)));
        *running = None;
        match result {
            Err(error) => return Poll::Ready(Some(Err(error))),
            Ok((content, mut bytes)) => {
                *begun = Some(content);
                bytes.truncate(usize::try_from(end - next).unwrap_or(usize::MAX));
                // Nothing of what was decompressed may be wanted yet.
                if !bytes.is_empty() {
                    return Poll::Ready(Some(Ok(bytes)));
                }
            }
        }
    }
}
