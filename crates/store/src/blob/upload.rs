//! The state of an object that is being written: enough to go on after a restart, at any byte, on any node.

use sha2::Sha256;
use sha2::digest::common::hazmat::SerializableState as _;

use super::object_id::ObjectId;
use super::segment::{Form, SEGMENT};
use crate::error::{StoreError, StoreErrorKind};

/// Of an object in a local file.
const VERSION_LOCAL: u8 = 1;
/// Of an object in a store that nodes share.
const VERSION_SHARED: u8 = 2;
/// The same two of an object that is plain.
const VERSION_LOCAL_PLAIN: u8 = 3;
const VERSION_SHARED_PLAIN: u8 = 4;

/// What is known of an unfinished object after its last acknowledged byte.
#[derive(Clone)]
pub struct UploadState {
    /// The object.
    pub object: ObjectId,
    /// Bytes acknowledged.
    pub received: u64,
    /// What its segments are.
    pub(super) form: Form,
    /// Segments that are stored.
    pub(super) segments: u64,
    /// The hash of all bytes so far.
    pub(super) hash: Sha256,
    /// Bytes that are in no segment yet. Never empty once there are bytes, so that the last segment can be marked.
    pub(super) tail: Vec<u8>,
    /// Where the segments are, if not in a local file.
    pub(super) shared: Option<SharedParts>,
}

/// Where the segments of an unfinished object are in a store that nodes share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SharedParts {
    /// The parts of its multipart upload, in order.
    pub parts: Vec<Part>,
    /// Bytes in those parts.
    pub sent_bytes: u64,
    /// The object that holds the segments after those, which make no part yet.
    pub rest: Option<ObjectId>,
    /// The hash of that object's bytes, where no authentication will tell whether they are the same when they are read
    /// again.
    pub rest_sha256: Option<[u8; 32]>,
}

/// A part of a multipart upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// From 1; parts are in the order of their numbers, some of which may be left out.
    pub number: u32,
    /// What the store has called its content.
    pub e_tag: String,
}

impl UploadState {
    pub(super) fn new(object: ObjectId, form: Form, shared: Option<SharedParts>) -> Self {
        Self { object, received: 0, form, segments: 0, hash: Sha256::default(), tail: Vec::new(), shared }
    }

    /// The object beside the upload's own that holds bytes of it: in use for as long as this state is the last.
    pub fn rest_object(&self) -> Option<ObjectId> {
        self.shared.as_ref()?.rest
    }

    /// The first part number that nobody has, once the session that made this state has ended.
    pub fn next_part(&self) -> u32 {
        self.shared.as_ref().and_then(|shared| shared.parts.last()).map_or(1, |part| part.number + 1)
    }

    /// For storing. Holds plaintext: seal it.
    pub fn to_bytes(&self) -> Vec<u8> {
        let hash = self.hash.serialize();
        let mut bytes = vec![match (self.form, self.shared.is_some()) {
            (Form::Sealed, false) => VERSION_LOCAL,
            (Form::Sealed, true) => VERSION_SHARED,
            (Form::Plain, false) => VERSION_LOCAL_PLAIN,
            (Form::Plain, true) => VERSION_SHARED_PLAIN,
        }];
        bytes.extend_from_slice(self.object.as_bytes());
        bytes.extend_from_slice(&self.received.to_be_bytes());
        bytes.extend_from_slice(&self.segments.to_be_bytes());
        bytes.extend_from_slice(&(hash.len() as u32).to_be_bytes());
        bytes.extend_from_slice(&hash);
        if let Some(shared) = &self.shared {
            shared.write(self.form, &mut bytes);
        }
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
        let (hash, rest) = rest.split_at_checked(u32::from_be_bytes(*hash_bytes) as usize)?;
        let form = if matches!(*version, VERSION_LOCAL | VERSION_SHARED) { Form::Sealed } else { Form::Plain };
        let (shared, tail) = match *version {
            VERSION_LOCAL | VERSION_LOCAL_PLAIN => (None, rest),
            VERSION_SHARED | VERSION_SHARED_PLAIN => {
                let (shared, tail) = SharedParts::read(form, rest)?;
                (Some(shared), tail)
            }
            _ => return None,
        };
        let state = Self {
            object: ObjectId::from(*object),
            received: u64::from_be_bytes(*received),
            form,
            segments: u64::from_be_bytes(*segments),
            hash: Sha256::deserialize(hash.try_into().ok()?).ok()?,
            tail: tail.to_vec(),
            shared,
        };
        let in_segments = state.segments.checked_mul(SEGMENT as u64)?;
        let adds_up = in_segments.checked_add(state.tail.len() as u64)? == state.received;
        let is_somewhere = state.shared.as_ref().is_none_or(|shared| {
            let sealed = state.segments.saturating_mul(state.form.segment_bytes());
            shared.sent_bytes <= sealed && (shared.sent_bytes < sealed) == shared.rest.is_some()
        });
        (state.tail.len() <= SEGMENT && adds_up && is_somewhere).then_some(state)
    }
}

impl SharedParts {
    fn write(&self, form: Form, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.sent_bytes.to_be_bytes());
        bytes.push(u8::from(self.rest.is_some()));
        if let Some(rest) = &self.rest {
            bytes.extend_from_slice(rest.as_bytes());
            if form == Form::Plain {
                bytes.extend_from_slice(&self.rest_sha256.unwrap_or_default());
            }
        }
        bytes.extend_from_slice(&(self.parts.len() as u32).to_be_bytes());
        for part in &self.parts {
            bytes.extend_from_slice(&part.number.to_be_bytes());
            bytes.extend_from_slice(&(part.e_tag.len() as u32).to_be_bytes());
            bytes.extend_from_slice(part.e_tag.as_bytes());
        }
    }

    /// It, and what follows it.
    fn read(form: Form, bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (sent_bytes, bytes) = bytes.split_first_chunk::<8>()?;
        let (has_rest, bytes) = bytes.split_first()?;
        let (rest, bytes) = match has_rest {
            0 => (None, bytes),
            1 => {
                let (object, bytes) = bytes.split_first_chunk::<16>()?;
                (Some(ObjectId::from(*object)), bytes)
            }
            _ => return None,
        };
        let (rest_sha256, bytes) = match (form, rest) {
            (Form::Plain, Some(_)) => {
                let (hash, bytes) = bytes.split_first_chunk::<32>()?;
                (Some(*hash), bytes)
            }
            _ => (None, bytes),
        };
        let (count, mut bytes) = bytes.split_first_chunk::<4>()?;
        let mut parts: Vec<Part> = Vec::new();
        for _ in 0..u32::from_be_bytes(*count) {
            let (number, after) = bytes.split_first_chunk::<4>()?;
            let (length, after) = after.split_first_chunk::<4>()?;
            let (e_tag, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
            let number = u32::from_be_bytes(*number);
            if parts.last().is_some_and(|last| last.number >= number) {
                return None;
            }
            parts.push(Part { number, e_tag: String::from_utf8(e_tag.to_vec()).ok()? });
            bytes = after;
        }
        Some((Self { parts, sent_bytes: u64::from_be_bytes(*sent_bytes), rest, rest_sha256 }, bytes))
    }
}
