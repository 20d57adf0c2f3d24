//! Reading an object, whole or in part: every byte that leaves here was authenticated.

use std::fs::File;
use std::future::Future as _;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use aws_lc_rs::aead::LessSafeKey;
use bytes::Bytes;
use oci::{Algorithm, Digest};
use rustix::io::ReadWriteFlags;
use tokio::task::JoinHandle;

use super::keys::DataKey;
use super::object_id::ObjectId;
use super::segment::{self, AFTER_PLAINTEXT, PLAINTEXT_AT, SEALED_SEGMENT, SEGMENT};
use crate::error::{StoreError, StoreErrorKind};

/// Segments that are read at a time: enough to make a system call cheap, little enough for many streams at once.
const BATCH_SEGMENTS: u64 = 2;

/// An open object. Cheap to clone.
#[derive(Clone)]
pub struct BlobReader {
    inner: Arc<Inner>,
}

struct Inner {
    file: File,
    key: LessSafeKey,
    object: ObjectId,
    size_bytes: u64,
}

impl BlobReader {
    pub(super) fn open(path: &Path, object: ObjectId, key: &DataKey, size_bytes: u64) -> Result<Self, StoreError> {
        let reader = Self::open_growing(path, object, key, size_bytes)?;
        let file = &reader.inner.file;
        let length =
            file.metadata().map_err(|error| StoreError::io(format!("cannot inspect object {object}"), error))?.len();
        let expected = segment::file_bytes(size_bytes);
        if length != expected {
            return Err(damaged(object, &format!("its file has {length} bytes, not {expected}")));
        }
        Ok(reader)
    }

    pub(super) fn open_growing(
        path: &Path,
        object: ObjectId,
        key: &DataKey,
        size_bytes: u64,
    ) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                damaged(object, "its file is missing")
            } else {
                StoreError::io(format!("cannot open object {object}"), error)
            }
        })?;
        Ok(Self { inner: Arc::new(Inner { file, key: key.cipher(), object, size_bytes }) })
    }

    /// The bytes from `first` to `last`, both included and within the object, as a stream.
    pub fn stream(self, first: u64, last: u64) -> BlobStream {
        BlobStream { inner: self.inner, next: first, end: last + 1, slow: None }
    }

    /// Reads the whole object to compute its digest. Blocks.
    pub(super) fn hash(&self, algorithm: Algorithm) -> Result<Digest, StoreError> {
        use aws_lc_rs::digest;
        let mut context = digest::Context::new(match algorithm {
            Algorithm::Sha256 => &digest::SHA256,
            Algorithm::Sha512 => &digest::SHA512,
        });
        let mut at = 0;
        loop {
            let plan = self.inner.plan(at, self.inner.size_bytes);
            let sealed = self.inner.read_blocking(&plan)?;
            let bytes = self.inner.open_batch(&plan, sealed)?;
            context.update(&bytes);
            at += bytes.len() as u64;
            // Asked after the first segment, since an empty object too has one to authenticate.
            if at >= self.inner.size_bytes {
                break;
            }
        }
        let hash = context.finish();
        let wrong_length = |_| damaged(self.inner.object, "its hash has a wrong length");
        Ok(match algorithm {
            Algorithm::Sha256 => Digest::from_sha256(hash.as_ref().try_into().map_err(wrong_length)?),
            Algorithm::Sha512 => Digest::from_sha512(hash.as_ref().try_into().map_err(wrong_length)?),
        })
    }
}

fn damaged(object: ObjectId, what: &str) -> StoreError {
    tracing::error!(%object, "object {object} is damaged: {what}");
    StoreError::new(StoreErrorKind::Corrupt, format!("object {object} is damaged: {what}"))
}

/// One read: the segments that hold the bytes from `from` to `to` (excluded).
struct Plan {
    first_segment: u64,
    segments: u64,
    offset: u64,
    sealed_bytes: usize,
    from: u64,
    to: u64,
}

impl Inner {
    fn plan(&self, from: u64, end: u64) -> Plan {
        let segment = SEGMENT as u64;
        let first_segment = from / segment;
        let total = segment::count(self.size_bytes);
        let wanted = end.div_ceil(segment).max(first_segment + 1);
        let past = wanted.min(first_segment + BATCH_SEGMENTS).min(total);
        let offset = first_segment * SEALED_SEGMENT as u64;
        let file_end = if past == total { segment::file_bytes(self.size_bytes) } else { past * SEALED_SEGMENT as u64 };
        Plan {
            first_segment,
            segments: past - first_segment,
            offset,
            sealed_bytes: (file_end - offset) as usize,
            from,
            to: end.min(past * segment),
        }
    }

    fn read_blocking(&self, plan: &Plan) -> Result<Vec<u8>, StoreError> {
        let mut sealed = vec![0; plan.sealed_bytes];
        self.file.read_exact_at(&mut sealed, plan.offset).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                damaged(self.object, "its file was cut")
            } else {
                StoreError::io(format!("cannot read object {}", self.object), error)
            }
        })?;
        Ok(sealed)
    }

    /// Reads only if that needs no disk; none if it does.
    fn read_cached(&self, plan: &Plan) -> Option<Vec<u8>> {
        let mut sealed = vec![0; plan.sealed_bytes];
        let mut slices = [IoSliceMut::new(&mut sealed)];
        let read = rustix::io::preadv2(&self.file, &mut slices, plan.offset, ReadWriteFlags::NOWAIT).ok()?;
        (read == plan.sealed_bytes).then_some(sealed)
    }

    /// Decrypts a batch in place and moves the plaintext together.
    fn open_batch(&self, plan: &Plan, mut sealed: Vec<u8>) -> Result<Bytes, StoreError> {
        let total = segment::count(self.size_bytes);
        let mut filled = 0;
        for (at, number) in (plan.first_segment..plan.first_segment + plan.segments).enumerate() {
            let start = at * SEALED_SEGMENT;
            let end = (start + SEALED_SEGMENT).min(sealed.len());
            let is_last = number + 1 == total;
            if segment::open(&self.key, self.object, number, is_last, &mut sealed[start..end]).is_none() {
                return Err(damaged(self.object, &format!("segment {number} does not open")));
            }
            let plaintext = start + PLAINTEXT_AT..end - AFTER_PLAINTEXT;
            let length = plaintext.len();
            sealed.copy_within(plaintext, filled);
            filled += length;
        }
        let base = plan.first_segment * SEGMENT as u64;
        let wanted = (plan.from - base) as usize..(plan.to - base) as usize;
        sealed.truncate(filled);
        Ok(Bytes::from(sealed).slice(wanted))
    }
}

/// The bytes of an object, in order.
pub struct BlobStream {
    inner: Arc<Inner>,
    next: u64,
    end: u64,
    slow: Option<JoinHandle<Result<Bytes, StoreError>>>,
}

impl BlobStream {
    /// The next bytes; none at the end. Reads on the calling thread what is in the page cache, else on a blocking one.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>> {
        if let Some(slow) = &mut self.slow {
            let Poll::Ready(result) = Pin::new(slow).poll(cx) else {
                return Poll::Pending;
            };
            self.slow = None;
            let result = result.unwrap_or_else(|error| {
                Err(StoreError::new(StoreErrorKind::Other, "reading a blob ended early").with_source(error))
            });
            return Poll::Ready(Some(self.advance(result)));
        }
        if self.next >= self.end {
            return Poll::Ready(None);
        }
        let plan = self.inner.plan(self.next, self.end);
        if let Some(sealed) = self.inner.read_cached(&plan) {
            let result = self.inner.open_batch(&plan, sealed);
            return Poll::Ready(Some(self.advance(result)));
        }
        let inner = Arc::clone(&self.inner);
        self.slow = Some(tokio::task::spawn_blocking(move || {
            let sealed = inner.read_blocking(&plan)?;
            inner.open_batch(&plan, sealed)
        }));
        self.poll_next(cx)
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
