//! Reading an object that is stored compressed. zstd knows no other way into a frame than from its start, so a part of
//! the content costs the decompression of all before it.

use bytes::{Buf as _, Bytes};
use zstd::stream::raw::{Decoder, Operation as _};

use super::object_id::ObjectId;
use super::reader::{Cursor, Object, damaged};
use crate::error::{ObjectDamage, StoreError, StoreErrorKind};

/// Content that is decompressed at a time, however much longer it is than what holds it.
const CHUNK: usize = 256 * 1024;

/// Content on its way out of a frame.
pub(super) struct Decompression {
    id: ObjectId,
    /// Where stored bytes come from.
    stored: Cursor,
    decoder: Decoder<'static>,
    /// Stored bytes that were read and not decompressed.
    input: Bytes,
    /// Whether all stored bytes were read.
    is_read: bool,
    /// Content bytes before those that are wanted.
    skip: u64,
    /// Content bytes that must still come.
    remaining: u64,
}

impl Decompression {
    /// Of content of `size_bytes`, from byte `first` on.
    pub fn new(object: Object, size_bytes: u64, first: u64) -> Result<Self, StoreError> {
        let decoder = Decoder::new()
            .map_err(|error| StoreError::new(StoreErrorKind::Other, "zstd cannot decompress").with_source(error))?;
        let stored = object.cursor(0, object.size_bytes());
        Ok(Self {
            id: object.id(),
            stored,
            decoder,
            input: Bytes::new(),
            is_read: false,
            skip: first,
            remaining: size_bytes,
        })
    }

    /// Whether all has come.
    pub const fn is_at_end(&self) -> bool {
        self.remaining == 0
    }

    /// The next content, of which nothing may be wanted yet. Blocks. An error if the content ends before its length or
    /// goes on after it.
    pub fn next_chunk(&mut self) -> Result<Bytes, StoreError> {
        let id = self.id;
        let mut output = vec![0; CHUNK];
        let mut filled = 0;
        while filled < CHUNK {
            if self.input.is_empty() && !self.is_read {
                match self.stored.next()? {
                    Some(bytes) => self.input = bytes,
                    None => self.is_read = true,
                }
            }
            let status = self
                .decoder
                .run_on_buffers(&self.input, &mut output[filled..])
                .map_err(|_| damaged(id, ObjectDamage::Altered, "it does not decompress"))?;
            self.input.advance(status.bytes_read);
            filled += status.bytes_written;
            if status.remaining == 0 || (status.bytes_read == 0 && status.bytes_written == 0) {
                break;
            }
        }
        let is_last = filled as u64 == self.remaining;
        if filled as u64 > self.remaining || (filled < CHUNK && !is_last) {
            return Err(damaged(id, ObjectDamage::Altered, "it does not decompress to its length"));
        }
        self.remaining -= filled as u64;
        output.truncate(filled);
        let skipped = self.skip.min(filled as u64);
        self.skip -= skipped;
        Ok(Bytes::from(output).slice(skipped as usize..))
    }
}
