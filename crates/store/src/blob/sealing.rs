//! Making segments of what arrives: hashing, and encrypting what is not to be plain, the same for every store.

use bytes::Bytes;
use oci::Digest;
use sha2::Digest as _;

use super::buffers;
use super::follower::Leader;
use super::protection::Protection;
use super::segment::{Form, SEGMENT, Sealer};
use super::small::MAX_SMALL_BYTES;
use super::upload::UploadState;
use super::writer::FinishedObject;

/// The state of an object and what its next segments are sealed with.
pub(super) struct Sealing {
    pub state: UploadState,
    sealer: Sealer,
    /// The segments that the last call has made.
    pub sealed: Vec<u8>,
}

impl Sealing {
    pub fn new(state: UploadState, protection: &Protection) -> Self {
        let sealer = protection.sealer(state.object);
        Self { state, sealer, sealed: Vec::new() }
    }

    /// Bytes of all segments that were sealed so far.
    pub const fn sealed_bytes(&self) -> u64 {
        self.state.segments * self.state.form.segment_bytes()
    }

    /// Hashes and encrypts, and seals every segment that is full and not the last. Returns the offset of what is sealed.
    pub fn absorb(&mut self, data: &[u8]) -> u64 {
        self.state.hash.update(data);
        self.absorb_hashed(data)
    }

    /// As [`absorb`](Self::absorb), of bytes that somebody else adds to the hash.
    pub fn absorb_hashed(&mut self, mut data: &[u8]) -> u64 {
        let offset = self.sealed_bytes();
        self.state.received += data.len() as u64;
        self.clear_sealed();
        while !data.is_empty() {
            if self.state.tail.len() == SEGMENT {
                self.sealer.seal(self.state.segments, false, &self.state.tail, &mut self.sealed);
                self.state.segments += 1;
                self.state.tail.clear();
            }
            // Whole segments need not go through the tail, but for the last one, which may be the object's last.
            if self.state.tail.is_empty() && data.len() > SEGMENT {
                let (segment, rest) = data.split_at(SEGMENT);
                self.sealer.seal(self.state.segments, false, segment, &mut self.sealed);
                self.state.segments += 1;
                data = rest;
                continue;
            }
            let (taken, rest) = data.split_at(data.len().min(SEGMENT - self.state.tail.len()));
            self.state.tail.extend_from_slice(taken);
            data = rest;
        }
        if self.sealed.is_empty() {
            self.forget_sealed();
        }
        offset
    }

    /// Seals the last segment. Returns its offset.
    pub fn end(&mut self) -> u64 {
        let tail = std::mem::take(&mut self.state.tail);
        self.clear_sealed();
        self.sealer.seal(self.state.segments, true, &tail, &mut self.sealed);
        self.sealed_bytes()
    }

    /// Whether the object is [small](MAX_SMALL_BYTES) if so many bytes more are its last, sealed, and not stored in part.
    pub const fn is_small_with(&self, more: usize) -> bool {
        let is_sealed = matches!(self.state.form, Form::Sealed);
        is_sealed && self.state.segments == 0 && self.state.received + more as u64 <= MAX_SMALL_BYTES
    }

    /// Ends an object that is small with these bytes, and shows it to whoever reads along.
    pub fn end_small(mut self, rest: &[u8], leader: &Leader) -> FinishedObject {
        self.absorb(rest);
        self.end();
        let small = Bytes::copy_from_slice(&self.sealed);
        leader.publish_small(small.clone());
        let sha256 = Digest::from_sha256(self.sha256());
        self.forget_sealed();
        FinishedObject { object: self.state.object, size_bytes: self.state.received, sha256, small: Some(small) }
    }

    fn clear_sealed(&mut self) {
        if self.sealed.capacity() == 0 {
            self.sealed = buffers::take();
        }
        self.sealed.clear();
    }

    /// Lets others have the memory of what is sealed, which is stored by now: an upload mostly waits for its client.
    pub fn forget_sealed(&mut self) {
        buffers::give_back(std::mem::take(&mut self.sealed));
    }

    /// Plaintext bytes that are in segments.
    pub const fn readable(&self) -> u64 {
        self.state.segments * SEGMENT as u64
    }

    /// The hash of all bytes.
    pub fn sha256(&self) -> [u8; 32] {
        self.state.hash.clone().finalize().into()
    }
}
