//! Buffers for a few segments, used again and again: fresh memory of this size would be mapped and zeroed for every read.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::segment::SEALED_SEGMENT;

/// Segments that are read at a time: enough to make a system call cheap.
pub(super) const BATCH_SEGMENTS: u64 = 4;

const SIZE: usize = BATCH_SEGMENTS as usize * SEALED_SEGMENT;
/// What is shorter is made anew each time, which is cheap.
const MIN_SIZE: usize = SIZE / 2 + 1;
/// Idle buffers that are kept, about 4 MiB in all.
const MAX_IDLE: usize = 16;

static IDLE: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// Memory for a few segments, with whatever was in it last.
pub(super) fn take() -> Vec<u8> {
    let idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner).pop();
    idle.unwrap_or_else(|| Vec::with_capacity(SIZE))
}

/// Gives memory back.
pub(super) fn give_back(bytes: Vec<u8>) {
    if (SIZE..=2 * SIZE).contains(&bytes.capacity()) {
        let mut idle = IDLE.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE {
            idle.push(bytes);
        }
    }
}

/// A buffer, with some bytes in it at first that mean nothing.
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    /// One of `length` bytes.
    pub fn new(length: usize) -> Self {
        let mut bytes = if (MIN_SIZE..=SIZE).contains(&length) { take() } else { Vec::new() };
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
        let mut buffer = Buffer::new(SIZE);
        buffer.as_mut()[..3].copy_from_slice(b"abc");
        let place = buffer.as_ref().as_ptr();
        let part = buffer.freeze(1..3);
        let same = part.clone();
        drop(part);
        assert!(IDLE.lock().unwrap().iter().all(|idle| idle.as_ptr() != place));
        assert_eq!(&same[..], b"bc");
        drop(same);
        // Other tests of this process may have taken it meanwhile, but there are never too many.
        assert!(IDLE.lock().unwrap().len() <= MAX_IDLE);
    }

    #[test]
    fn buffers_have_the_length_that_was_asked_for() {
        for length in [0, 1, MIN_SIZE - 1, MIN_SIZE, SIZE, SIZE + 1] {
            assert_eq!(Buffer::new(length).as_ref().len(), length);
        }
    }
}
