//! Buffers for segments, used again and again: fresh memory of this size would be mapped and zeroed for every read, and
//! would lie between smaller things when many read at once.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::segment::SEALED_SEGMENT;

/// Segments that are read at a time: enough to make a system call cheap.
pub(super) const BATCH_SEGMENTS: u64 = 4;

/// Idle buffers of one size.
struct Pool {
    /// The capacity of each, at least.
    size: usize,
    max_idle: usize,
    idle: Mutex<Vec<Vec<u8>>>,
}

/// For one segment; up to 1 MiB is kept.
static SINGLE: Pool = Pool::new(SEALED_SEGMENT, 16);
/// For a batch; up to 4 MiB are kept.
static BATCH: Pool = Pool::new(BATCH_SEGMENTS as usize * SEALED_SEGMENT, 16);

impl Pool {
    const fn new(size: usize, max_idle: usize) -> Self {
        Self { size, max_idle, idle: Mutex::new(Vec::new()) }
    }

    /// Whether so many bytes fill enough of a buffer; what is shorter is made anew each time, which is cheap.
    const fn suits(&self, length: usize) -> bool {
        length > self.size / 2 && length <= self.size
    }

    fn take(&self) -> Vec<u8> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| Vec::with_capacity(self.size))
    }

    fn give_back(&self, bytes: Vec<u8>) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.max_idle {
            idle.push(bytes);
        }
    }
}

/// Memory for a batch of segments, with whatever was in it last.
pub(super) fn take() -> Vec<u8> {
    BATCH.take()
}

/// Gives memory back.
pub(super) fn give_back(bytes: Vec<u8>) {
    let capacity = bytes.capacity();
    if let Some(pool) = [&BATCH, &SINGLE].into_iter().find(|pool| (pool.size..2 * pool.size).contains(&capacity)) {
        pool.give_back(bytes);
    }
}

/// Keeps no memory for batches: for when nobody reads so much at a time.
pub(super) fn forget_batches() {
    *BATCH.idle.lock().unwrap_or_else(PoisonError::into_inner) = Vec::new();
}

/// A buffer, with some bytes in it at first that mean nothing.
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    /// One of `length` bytes.
    pub fn new(length: usize) -> Self {
        let pool = [&BATCH, &SINGLE].into_iter().find(|pool| pool.suits(length));
        let mut bytes = pool.map_or_else(Vec::new, Pool::take);
        bytes.resize(length, 0);
        Self(bytes)
    }

    /// Its bytes.
    pub fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    /// A part of it, which gives the buffer back when nobody holds it any more.
    pub fn freeze(self, part: Range<usize>) -> Bytes {
        Bytes::from_owner(self).slice(part)
    }
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        give_back(std::mem::take(&mut self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_its_last_part_goes() {
        for pool in [&SINGLE, &BATCH] {
            let mut buffer = Buffer::new(pool.size);
            buffer.as_mut()[..3].copy_from_slice(b"abc");
            let place = buffer.as_ref().as_ptr();
            let part = buffer.freeze(1..3);
            let same = part.clone();
            drop(part);
            assert!(pool.idle.lock().unwrap().iter().all(|idle| idle.as_ptr() != place));
            assert_eq!(&same[..], b"bc");
            drop(same);
            // Other tests of this process may have taken it meanwhile, but there are never too many.
            assert!(pool.idle.lock().unwrap().len() <= pool.max_idle);
        }
    }

    #[test]
    fn buffers_have_the_length_that_was_asked_for() {
        let around = [&SINGLE, &BATCH].map(|pool| [pool.size / 2, pool.size / 2 + 1, pool.size, pool.size + 1]);
        for length in around.into_iter().flatten().chain([0, 1]) {
            assert_eq!(Buffer::new(length).as_ref().len(), length);
        }
    }

    #[test]
    fn each_size_goes_to_one_pool() {
        for (length, single, batch) in [
            (SEALED_SEGMENT / 2, false, false),
            (SEALED_SEGMENT, true, false),
            (2 * SEALED_SEGMENT, false, false),
            (2 * SEALED_SEGMENT + 1, false, true),
            (4 * SEALED_SEGMENT, false, true),
            (4 * SEALED_SEGMENT + 1, false, false),
        ] {
            assert_eq!((SINGLE.suits(length), BATCH.suits(length)), (single, batch), "{length}");
        }
    }
}
