//! Reading an object, whole or in part: every byte of a sealed one that leaves here was authenticated.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use oci::{Algorithm, Digest};
use tokio::runtime::Handle;

use super::blocking_reader::BlockingReader;
use super::compress;
use super::decompress::Decompression;
use super::files::FileObject;
use super::object_id::ObjectId;
use super::s3::{S3Object, S3Stream};
use super::small::SmallObject;
use super::stream::BlobStream;
use super::tier::Encoding;
use super::wait_on;
use crate::error::{ObjectDamage, StoreError, StoreErrorKind};

/// The content of an open object. Cheap to clone.
#[derive(Clone)]
pub struct BlobReader {
    object: Object,
    encoding: Encoding,
    size_bytes: u64,
}

/// An object, as stored.
#[derive(Clone)]
pub(super) enum Object {
    File(Arc<FileObject>),
    S3(Arc<S3Object>),
    Small(Arc<SmallObject>),
}

/// Content on its way out of an object, as it is stored.
pub(super) enum Content {
    Plain(Cursor),
    Compressed(Box<Decompression>),
}

impl BlobReader {
    /// Of content of `size_bytes` in an encoding.
    pub(super) const fn new(object: Object, encoding: Encoding, size_bytes: u64) -> Self {
        Self { object, encoding, size_bytes }
    }

    /// Of an object in a file, as it is.
    pub(super) fn of_file(object: FileObject) -> Self {
        let size_bytes = object.size_bytes;
        Self::new(Object::File(Arc::new(object)), Encoding::Identity, size_bytes)
    }

    /// Length of the content.
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The bytes from `first` to `last`, both included and within the content, as a stream.
    pub fn stream(self, first: u64, last: u64) -> BlobStream {
        BlobStream::new(self.object, self.encoding, self.size_bytes, first, last + 1)
    }

    /// Reads the whole content to compute its digest. Blocks.
    pub(super) fn hash(&self, algorithm: Algorithm) -> Result<Digest, StoreError> {
        use aws_lc_rs::digest;
        let mut context = digest::Context::new(match algorithm {
            Algorithm::Sha256 => &digest::SHA256,
            Algorithm::Sha512 => &digest::SHA512,
        });
        let mut reader = self.clone().blocking();
        while let Some(bytes) = reader.next()? {
            context.update(&bytes);
        }
        let hash = context.finish();
        let wrong_length = |_| damaged(self.object.id(), ObjectDamage::Altered, "its hash has a wrong length");
        Ok(match algorithm {
            Algorithm::Sha256 => Digest::from_sha256(hash.as_ref().try_into().map_err(wrong_length)?),
            Algorithm::Sha512 => Digest::from_sha512(hash.as_ref().try_into().map_err(wrong_length)?),
        })
    }

    /// The whole content, for a blocking thread of a runtime.
    pub const fn blocking(self) -> BlockingReader {
        BlockingReader::new(self)
    }

    /// The content from its start.
    pub(super) fn content(&self) -> Result<Content, StoreError> {
        Ok(match self.encoding {
            Encoding::Identity => Content::Plain(self.object.cursor(0, self.size_bytes)),
            Encoding::Zstd => {
                Content::Compressed(Box::new(Decompression::new(self.object.clone(), self.size_bytes, 0)?))
            }
        })
    }

    /// Whether compressing the content would make it shorter by a twentieth, from a look at its start, its middle and
    /// its end. Blocks.
    pub(super) fn compresses(&self) -> Result<bool, StoreError> {
        if self.encoding != Encoding::Identity || self.size_bytes < compress::MIN_BYTES {
            return Ok(false);
        }
        let last = self.size_bytes.saturating_sub(compress::SAMPLE);
        let mut sample = Vec::new();
        let mut end = 0;
        for start in [0, last / 2, last] {
            let from = start.max(end);
            end = (start + compress::SAMPLE).min(self.size_bytes);
            if from < end {
                let mut content = self.object.cursor(from, end);
                while let Some(bytes) = content.next()? {
                    sample.extend_from_slice(&bytes);
                }
            }
        }
        compress::pays(&sample)
    }
}

pub(super) fn damaged(object: ObjectId, damage: ObjectDamage, what: &str) -> StoreError {
    tracing::error!(%object, "object {object} is damaged: {what}");
    StoreError::damaged(damage, format!("object {object} is damaged: {what}"))
}

impl Object {
    pub fn id(&self) -> ObjectId {
        match self {
            Self::File(object) => object.id,
            Self::S3(object) => object.id,
            Self::Small(object) => object.id,
        }
    }

    /// Length of what its segments hold.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::File(object) => object.size_bytes,
            Self::S3(object) => object.size_bytes,
            Self::Small(object) => object.size_bytes,
        }
    }

    /// The bytes from `from` to `end` (excluded), for a blocking thread of a runtime. An empty range too has a segment
    /// that is read.
    pub fn cursor(&self, from: u64, end: u64) -> Cursor {
        match self {
            Self::File(object) => Cursor::File { object: Arc::clone(object), next: from, end, is_begun: false },
            Self::S3(object) => Cursor::S3 {
                stream: Some(Box::new(S3Stream::new(Arc::clone(object), from, end))),
                runtime: Handle::current(),
            },
            Self::Small(object) => Cursor::Small { object: Arc::clone(object), range: Some((from, end)) },
        }
    }
}

fn ended_with_the_runtime() -> StoreError {
    StoreError::new(StoreErrorKind::Other, "reading an object ended early, as the server ends")
}

/// Bytes of an object, in order. Blocks.
pub(super) enum Cursor {
    File { object: Arc<FileObject>, next: u64, end: u64, is_begun: bool },
    S3 { stream: Option<Box<S3Stream>>, runtime: Handle },
    Small { object: Arc<SmallObject>, range: Option<(u64, u64)> },
}

impl Cursor {
    pub fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        match self {
            Self::File { object, next, end, is_begun } => {
                if *is_begun && next >= end {
                    return Ok(None);
                }
                *is_begun = true;
                let bytes = object.read(*next, *end)?;
                *next += bytes.len() as u64;
                Ok(Some(bytes))
            }
            Self::S3 { stream, runtime } => {
                let mut reading = stream.take().ok_or_else(ended_with_the_runtime)?;
                let (reading, next) = wait_on(runtime, async move {
                    let next = poll_fn(|cx| reading.poll_next(cx)).await;
                    (reading, next)
                })
                .ok_or_else(ended_with_the_runtime)?;
                *stream = Some(reading);
                next.transpose()
            }
            Self::Small { object, range } => range.take().map(|(from, end)| object.read(from, end)).transpose(),
        }
    }
}
