//! The state of an object that is being written: enough to go on after a restart, at any byte.

use sha2::Sha256;
use sha2::digest::common::hazmat::SerializableState as _;

use super::object_id::ObjectId;
use super::segment::SEGMENT;
use crate::error::{StoreError, StoreErrorKind};

const VERSION: u8 = 1;

/// What is known of an unfinished object after its last acknowledged byte.
#[derive(Clone)]
pub struct UploadState {
    /// The object.
    pub object: ObjectId,
    /// Bytes acknowledged.
    pub received: u64,
    /// Segments in the file.
    pub(super) segments: u64,
    /// The hash of all bytes so far.
    pub(super) hash: Sha256,
    /// Bytes that are in no segment yet. Never empty once there are bytes, so that the last segment can be marked.
    pub(super) tail: Vec<u8>,
}

impl UploadState {
    pub(super) fn new(object: ObjectId) -> Self {
        Self { object, received: 0, segments: 0, hash: Sha256::default(), tail: Vec::new() }
    }

    /// For storing. Holds plaintext: seal it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let hash = self.hash.serialize();
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(self.object.as_bytes());
        bytes.extend_from_slice(&self.received.to_be_bytes());
        bytes.extend_from_slice(&self.segments.to_be_bytes());
        bytes.extend_from_slice(&(hash.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&hash);
        bytes.extend_from_slice(&self.tail);
        bytes
    }

    /// Undoes [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        Self::read(bytes)
            .ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, "the state of an upload cannot be read"))
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (object, rest) = rest.split_first_chunk::<16>()?;
        let (received, rest) = rest.split_first_chunk::<8>()?;
        let (segments, rest) = rest.split_first_chunk::<8>()?;
        let (hash_bytes, rest) = rest.split_first_chunk::<4>()?;
        let (hash, tail) = rest.split_at_checked(u32::from_be_bytes(*hash_bytes) as usize)?;
        let state = Self {
            object: ObjectId::from(*object),
            received: u64::from_be_bytes(*received),
            segments: u64::from_be_bytes(*segments),
            hash: Sha256::deserialize(hash.try_into().ok()?).ok()?,
            tail: tail.to_vec(),
        };
        let in_segments = state.segments.checked_mul(SEGMENT as u64)?;
        let adds_up = in_segments.checked_add(state.tail.len() as u64)? == state.received;
        (*version == VERSION && state.tail.len() <= SEGMENT && adds_up).then_some(state)
    }
}
