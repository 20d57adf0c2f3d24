//! Objects that are so short that they are kept with their row in the database: a file or an object in a bucket would cost
//! more than what it holds. They are sealed as they would be there.

use bytes::Bytes;

use super::object_id::ObjectId;
use super::protection::Protection;
use super::reader::{BlobReader, Object, damaged};
use super::segment::{Form, Opener, SEGMENT};
use super::tier::Encoding;
use crate::error::{ObjectDamage, StoreError};

/// The longest content that is kept in the database: most configs of images, and signatures.
pub const MAX_SMALL_BYTES: u64 = 4096;
// It is of one segment.
const _: () = assert!(MAX_SMALL_BYTES <= SEGMENT as u64);

/// An object that is kept in the database, open for reading.
pub(super) struct SmallObject {
    pub id: ObjectId,
    opener: Opener,
    sealed: Bytes,
    pub size_bytes: u64,
}

impl SmallObject {
    /// Its bytes from `from` to `end` (excluded).
    pub fn read(&self, from: u64, end: u64) -> Result<Bytes, StoreError> {
        let mut content = vec![0; self.sealed.len()];
        self.opener
            .open_run(self.id, 0, 1, &self.sealed, &mut content)
            .map_err(|_| damaged(self.id, ObjectDamage::Altered, "what the database keeps of it does not open"))?;
        Ok(Bytes::from(content).slice(from as usize..end as usize))
    }
}

impl BlobReader {
    /// Opens an object of `size_bytes` plaintext bytes that is kept in the database as `sealed`.
    pub fn of_small(id: ObjectId, protection: &Protection, sealed: Bytes, size_bytes: u64) -> Result<Self, StoreError> {
        if protection.form() != Form::Sealed {
            return Err(damaged(id, ObjectDamage::Altered, "the database keeps it, and no key that it is sealed with"));
        }
        let (length, expected) = (sealed.len() as u64, Form::Sealed.stored_bytes(size_bytes));
        if length != expected || size_bytes > MAX_SMALL_BYTES {
            let what = format!("the database keeps {length} bytes of it, not {expected}");
            return Err(damaged(id, ObjectDamage::WrongLength, &what));
        }
        let object = SmallObject { id, opener: protection.opener(), sealed, size_bytes };
        Ok(Self::new(Object::Small(object.into()), Encoding::Identity, size_bytes))
    }
}
