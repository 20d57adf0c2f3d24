//! An object in a file, open for reading.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::ReadWriteFlags;

use crate::blob::object_id::ObjectId;
use crate::blob::protection::Protection;
use crate::blob::reader::damaged;
use crate::blob::segment::{self, Opener, SEGMENT};
use crate::error::{ObjectDamage, StoreError};

/// Segments that are read at a time: enough to make a system call cheap, little enough for many streams at once.
const BATCH_SEGMENTS: u64 = 2;

/// An open object, as stored.
pub(in crate::blob) struct FileObject {
    file: Arc<File>,
    opener: Opener,
    pub id: ObjectId,
    /// Length of what its segments hold.
    pub size_bytes: u64,
}

/// One read: the segments that hold the bytes from `from` to `to` (excluded).
pub(in crate::blob) struct Plan {
    first_segment: u64,
    offset: u64,
    sealed_bytes: usize,
    from: u64,
    to: u64,
}

impl FileObject {
    /// Opens a whole object.
    pub fn open(path: &Path, id: ObjectId, protection: &Protection, size_bytes: u64) -> Result<Self, StoreError> {
        let file = File::open(path).map_err(|error| {
            if error.kind() == std::io::ErrorKind::NotFound {
                damaged(id, ObjectDamage::Missing, "its file is missing")
            } else {
                StoreError::io(format!("cannot open object {id}"), error)
            }
        })?;
        let object = Self::growing(Arc::new(file), id, protection, size_bytes);
        let length =
            object.file.metadata().map_err(|error| StoreError::io(format!("cannot inspect object {id}"), error))?.len();
        let expected = object.opener.form().stored_bytes(size_bytes);
        if length != expected {
            let what = format!("its file has {length} bytes, not {expected}");
            return Err(damaged(id, ObjectDamage::WrongLength, &what));
        }
        Ok(object)
    }

    /// One that is still being written and will hold `size_bytes` bytes.
    pub fn growing(file: Arc<File>, id: ObjectId, protection: &Protection, size_bytes: u64) -> Self {
        Self { file, opener: protection.opener(), id, size_bytes }
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
        let form = self.opener.form();
        let offset = first_segment * form.segment_bytes();
        let sealed_bytes = (form.stored_end(self.size_bytes, past) - offset) as usize;
        Plan { first_segment, offset, sealed_bytes, from, to: end.min(past * segment) }
    }

    pub fn read_blocking(&self, plan: &Plan) -> Result<Vec<u8>, StoreError> {
        let mut sealed = vec![0; plan.sealed_bytes];
        self.file.read_exact_at(&mut sealed, plan.offset).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                damaged(self.id, ObjectDamage::WrongLength, "its file was cut")
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
        let read = rustix::io::preadv2(&*self.file, &mut slices, plan.offset, ReadWriteFlags::NOWAIT).ok()?;
        (read == plan.sealed_bytes).then_some(sealed)
    }

    /// Decrypts a batch in place and moves the plaintext together.
    pub fn open_batch(&self, plan: &Plan, mut sealed: Vec<u8>) -> Result<Bytes, StoreError> {
        let total = segment::count(self.size_bytes);
        let length = self
            .opener
            .open_run(self.id, plan.first_segment, total, &mut sealed)
            .map_err(|number| damaged(self.id, ObjectDamage::Altered, &format!("segment {number} does not open")))?;
        let base = plan.first_segment * SEGMENT as u64;
        let wanted = (plan.from - base) as usize..(plan.to - base) as usize;
        sealed.truncate(length);
        Ok(Bytes::from(sealed).slice(wanted))
    }
}
