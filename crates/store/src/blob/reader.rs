//! Reading an object, whole or in part: every byte that leaves here was authenticated.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::LessSafeKey;
use bytes::Bytes;
use oci::{Algorithm, Digest};
use rustix::io::ReadWriteFlags;

use super::compress;
use super::decompress::Decompression;
use super::keys::DataKey;
use super::object_id::ObjectId;
use super::segment::{self, AFTER_PLAINTEXT, PLAINTEXT_AT, SEALED_SEGMENT, SEGMENT};
use super::stream::BlobStream;
use super::tier::Encoding;
use crate::error::{StoreError, StoreErrorKind};

/// Segments that are read at a time: enough to make a system call cheap, little enough for many streams at once.
const BATCH_SEGMENTS: u64 = 2;

/// The content of an open object. Cheap to clone.
#[derive(Clone)]
pub struct BlobReader {
    object: Arc<Object>,
    encoding: Encoding,
    size_bytes: u64,
}

/// An open object, as stored.
pub(super) struct Object {
    file: File,
    key: LessSafeKey,
    pub id: ObjectId,
    /// Length of what is encrypted in it.
    pub size_bytes: u64,
}

impl BlobReader {
    /// Of an object that holds `stored_bytes` bytes, which make content of `size_bytes`.
    pub(super) fn open(
        path: &Path,
        object: ObjectId,
        key: &DataKey,
        (encoding, stored_bytes): (Encoding, u64),
        size_bytes: u64,
    ) -> Result<Self, StoreError> {
        let object = Arc::new(Object::open(path, object, key, stored_bytes)?);
        Ok(Self { object, encoding, size_bytes })
    }

    /// Of an object that is still being written and will hold `size_bytes` bytes.
    pub(super) fn open_growing(
        path: &Path,
        object: ObjectId,
        key: &DataKey,
        size_bytes: u64,
    ) -> Result<Self, StoreError> {
        let object = Arc::new(Object::open_growing(path, object, key, size_bytes)?);
        Ok(Self { object, encoding: Encoding::Identity, size_bytes })
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
        self.read_all(|bytes| context.update(bytes))?;
        let hash = context.finish();
        let wrong_length = |_| damaged(self.object.id, "its hash has a wrong length");
        Ok(match algorithm {
            Algorithm::Sha256 => Digest::from_sha256(hash.as_ref().try_into().map_err(wrong_length)?),
            Algorithm::Sha512 => Digest::from_sha512(hash.as_ref().try_into().map_err(wrong_length)?),
        })
    }

    /// Hands over the whole content in order. Blocks.
    fn read_all(&self, mut take: impl FnMut(&[u8])) -> Result<(), StoreError> {
        match self.encoding {
            Encoding::Identity => {
                let mut at = 0;
                loop {
                    let bytes = self.object.read(at, self.size_bytes)?;
                    take(&bytes);
                    at += bytes.len() as u64;
                    // Asked after the first segment, since an empty object too has one to authenticate.
                    if at >= self.size_bytes {
                        return Ok(());
                    }
                }
            }
            Encoding::Zstd => {
                let mut content = Decompression::new(Arc::clone(&self.object), self.size_bytes, 0)?;
                while !content.is_at_end() {
                    take(&content.next_chunk()?);
                }
                Ok(())
            }
        }
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
            let mut at = start.max(end);
            end = (start + compress::SAMPLE).min(self.size_bytes);
            while at < end {
                let bytes = self.object.read(at, end)?;
                at += bytes.len() as u64;
                sample.extend_from_slice(&bytes);
            }
        }
        compress::pays(&sample)
    }
}

pub(super) fn damaged(object: ObjectId, what: &str) -> StoreError {
    tracing::error!(%object, "object {object} is damaged: {what}");
    StoreError::new(StoreErrorKind::Corrupt, format!("object {object} is damaged: {what}"))
}

/// One read: the segments that hold the bytes from `from` to `to` (excluded).
pub(super) struct Plan {
    first_segment: u64,
    segments: u64,
    offset: u64,
    sealed_bytes: usize,
    from: u64,
    to: u64,
}

impl Object {
    fn open(path: &Path, id: ObjectId, key: &DataKey, size_bytes: u64) -> Result<Self, StoreError> {
        let object = Self::open_growing(path, id, key, size_bytes)?;
        let length =
            object.file.metadata().map_err(|error| StoreError::io(format!("cannot inspect object {id}"), error))?.len();
        let expected = segment::file_bytes(size_bytes);
        if length != expected {
            return Err(damaged(id, &format!("its file has {length} bytes, not {expected}")));
        }
        Ok(object)
    }

    fn open_growing(path: &Path, id: ObjectId, key: &DataKey, size_bytes: u64) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                damaged(id, "its file is missing")
            } else {
                StoreError::io(format!("cannot open object {id}"), error)
            }
        })?;
        Ok(Self { file, key: key.cipher(), id, size_bytes })
    }

    /// Some of the bytes from `from` to `end` (excluded), beginning at `from`. Blocks.
    pub fn read(&self, from: u64, end: u64) -> Result<Bytes, StoreError> {
        let plan = self.plan(from, end);
        let sealed = self.read_blocking(&plan)?;
        self.open_batch(&plan, sealed)
    }

    pub fn plan(&self, from: u64, end: u64) -> Plan {
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

    pub fn read_blocking(&self, plan: &Plan) -> Result<Vec<u8>, StoreError> {
        let mut sealed = vec![0; plan.sealed_bytes];
        self.file.read_exact_at(&mut sealed, plan.offset).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                damaged(self.id, "its file was cut")
            } else {
                StoreError::io(format!("cannot read object {}", self.id), error)
            }
        })?;
        Ok(sealed)
    }

    /// Reads only if that needs no disk; none if it does.
    pub fn read_cached(&self, plan: &Plan) -> Option<Vec<u8>> {
        let mut sealed = vec![0; plan.sealed_bytes];
        let mut slices = [IoSliceMut::new(&mut sealed)];
        let read = rustix::io::preadv2(&self.file, &mut slices, plan.offset, ReadWriteFlags::NOWAIT).ok()?;
        (read == plan.sealed_bytes).then_some(sealed)
    }

    /// Decrypts a batch in place and moves the plaintext together.
    pub fn open_batch(&self, plan: &Plan, mut sealed: Vec<u8>) -> Result<Bytes, StoreError> {
        let total = segment::count(self.size_bytes);
        let mut filled = 0;
        for (at, number) in (plan.first_segment..plan.first_segment + plan.segments).enumerate() {
            let start = at * SEALED_SEGMENT;
            let end = (start + SEALED_SEGMENT).min(sealed.len());
            let is_last = number + 1 == total;
            if segment::open(&self.key, self.id, number, is_last, &mut sealed[start..end]).is_none() {
                return Err(damaged(self.id, &format!("segment {number} does not open")));
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
