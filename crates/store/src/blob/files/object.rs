//! An object in a file, open for reading.

use std::fs::File;
use std::io::IoSliceMut;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::ReadWriteFlags;

use crate::blob::buffers::{BATCH_SEGMENTS, Buffer};
use crate::blob::object_id::ObjectId;
use crate::blob::protection::Protection;
use crate::blob::reader::damaged;
use crate::blob::segment::{self, Opener, SEGMENT};
use crate::error::{ObjectDamage, StoreError};

/// An open object, as stored.
pub(in crate::blob) struct FileObject {
    file: Arc<File>,
    opener: Opener,
    pub id: ObjectId,
    /// Length of what its segments hold.
    pub size_bytes: u64,
}

/// One read: the segments that hold the bytes from `from` to `to` (excluded).
struct Plan {
    first_segment: u64,
    offset: u64,
    stored_bytes: usize,
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
        self.read_some(from, end, BATCH_SEGMENTS)
    }

    /// As [`read`](Self::read), so many segments at most.
    pub fn read_some(&self, from: u64, end: u64, segments: u64) -> Result<Bytes, StoreError> {
        let plan = self.plan(from, end, segments);
        let mut stored = Buffer::new(plan.stored_bytes);
        self.file.read_exact_at(stored.as_mut(), plan.offset).map_err(|error| {
            if error.kind() == std::io::ErrorKind::UnexpectedEof {
                damaged(self.id, ObjectDamage::WrongLength, "its file was cut")
            } else {
                StoreError::io(format!("cannot read object {}", self.id), error)
            }
        })?;
        self.open_run(&plan, &stored)
    }

    /// As [`read_some`](Self::read_some), but only if that needs no disk; none if it does.
    pub fn read_cached(&self, from: u64, end: u64, segments: u64) -> Option<Result<Bytes, StoreError>> {
        let plan = self.plan(from, end, segments);
        let mut stored = Buffer::new(plan.stored_bytes);
        let mut slices = [IoSliceMut::new(stored.as_mut())];
        let read = rustix::io::preadv2(&*self.file, &mut slices, plan.offset, ReadWriteFlags::NOWAIT).ok()?;
        (read == plan.stored_bytes).then(|| self.open_run(&plan, &stored))
    }

    fn plan(&self, from: u64, end: u64, segments: u64) -> Plan {
        let segment = SEGMENT as u64;
        let first_segment = from / segment;
        let total = segment::count(self.size_bytes);
        let needed = end.div_ceil(segment).max(first_segment + 1);
        let past = needed.min(first_segment + segments).min(total);
        let form = self.opener.form();
        let offset = first_segment * form.segment_bytes();
        let stored_bytes = (form.stored_end(self.size_bytes, past) - offset) as usize;
        Plan { first_segment, offset, stored_bytes, from, to: end.min(past * segment) }
    }

    fn open_run(&self, plan: &Plan, stored: &Buffer) -> Result<Bytes, StoreError> {
        let total = segment::count(self.size_bytes);
        let mut content = Buffer::new(plan.stored_bytes);
        self.opener
            .open_run(self.id, plan.first_segment, total, stored.as_ref(), content.as_mut())
            .map_err(|number| damaged(self.id, ObjectDamage::Altered, &format!("segment {number} does not open")))?;
        let base = plan.first_segment * SEGMENT as u64;
        Ok(content.freeze((plan.from - base) as usize..(plan.to - base) as usize))
    }
}
