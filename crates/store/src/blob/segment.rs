//! The form of an object on disk: fixed segments, each sealed on its own and bound to its place, or the content itself.
//!
//! A sealed segment is a 12-byte nonce, the ciphertext and a 16-byte tag. The object's name, the segment's number and
//! whether it is the last are authenticated with it, so a cut, reordered or swapped file does not open. A plain object is
//! handled in segments of the same length, which are nothing but content.

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::rand;

use super::object_id::ObjectId;

/// Plaintext bytes in every segment but the last.
pub const SEGMENT: usize = 65_536;
const NONCE: usize = 12;
const TAG: usize = 16;
/// Bytes on disk of a full segment.
pub(super) const SEALED_SEGMENT: usize = NONCE + SEGMENT + TAG;
const OVERHEAD: u64 = (NONCE + TAG) as u64;
const VERSION: u8 = 1;

/// What an object's bytes are on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Sealed segments.
    Sealed,
    /// The content as it is.
    Plain,
}

impl Form {
    const fn overhead(self) -> u64 {
        match self {
            Self::Sealed => OVERHEAD,
            Self::Plain => 0,
        }
    }

    /// Bytes on disk of a full segment.
    pub(super) const fn segment_bytes(self) -> u64 {
        SEGMENT as u64 + self.overhead()
    }

    /// Bytes on disk of an object of so many plaintext bytes.
    pub(super) fn stored_bytes(self, size_bytes: u64) -> u64 {
        size_bytes + count(size_bytes) * self.overhead()
    }

    /// Where segment number `past` begins in an object of so many plaintext bytes, or ends the object.
    pub(super) fn stored_end(self, size_bytes: u64, past: u64) -> u64 {
        if past >= count(size_bytes) { self.stored_bytes(size_bytes) } else { past * self.segment_bytes() }
    }
}

/// How many segments an object of so many plaintext bytes has. An empty object has one, so that it too is sealed.
pub(super) fn count(size_bytes: u64) -> u64 {
    size_bytes.div_ceil(SEGMENT as u64).max(1)
}

fn associated(object: ObjectId, number: u64, is_last: bool) -> [u8; 26] {
    let mut data = [0; 26];
    data[0] = VERSION;
    data[1..17].copy_from_slice(object.as_bytes());
    data[17..25].copy_from_slice(&number.to_be_bytes());
    data[25] = u8::from(is_last);
    data
}

/// Seals segments in one session of writing. The nonce's prefix is the session's own: when a session ends in a crash
/// and its last segments are written again, no nonce is used twice.
pub(super) struct Sealer {
    /// None for a plain object.
    key: Option<LessSafeKey>,
    object: ObjectId,
    prefix: [u8; 8],
    counter: u32,
}

impl Sealer {
    pub fn new(key: Option<LessSafeKey>, object: ObjectId) -> Self {
        let mut prefix = [0; 8];
        rand::fill(&mut prefix).expect("the operating system has randomness");
        Self { key, object, prefix, counter: 0 }
    }

    /// The form that this makes.
    pub const fn form(&self) -> Form {
        if self.key.is_some() { Form::Sealed } else { Form::Plain }
    }

    /// Appends the stored form of a segment to `out`.
    pub fn seal(&mut self, number: u64, is_last: bool, plaintext: &[u8], out: &mut Vec<u8>) {
        let Some(key) = &self.key else {
            out.extend_from_slice(plaintext);
            return;
        };
        let mut nonce = [0; NONCE];
        nonce[..8].copy_from_slice(&self.prefix);
        nonce[8..].copy_from_slice(&self.counter.to_be_bytes());
        // A layer has at most 832,000 segments (52,000 MiB).
        self.counter = self.counter.checked_add(1).expect("an object has fewer than 2^32 segments");
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(plaintext);
        let tag = key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(associated(self.object, number, is_last)),
                &mut out[start..],
            )
            .expect("a segment is far shorter than AES-GCM's limit");
        out.extend_from_slice(tag.as_ref());
    }
}

/// Turns stored bytes into content.
pub(super) enum Opener {
    /// With the object's key.
    Sealed(LessSafeKey),
    /// They are the content.
    Plain,
}

impl Opener {
    pub const fn form(&self) -> Form {
        match self {
            Self::Sealed(_) => Form::Sealed,
            Self::Plain => Form::Plain,
        }
    }

    /// Opens segments that lie one after the other, from number `first` of `total` on, into `out`, which has room for
    /// their content; returns its length, or the number of the segment that does not open. What is in `out` then is
    /// worth nothing.
    pub fn open_run(
        &self,
        object: ObjectId,
        first: u64,
        total: u64,
        stored: &[u8],
        out: &mut [u8],
    ) -> Result<usize, u64> {
        let Self::Sealed(key) = self else {
            out[..stored.len()].copy_from_slice(stored);
            return Ok(stored.len());
        };
        let mut filled = 0;
        for (number, sealed) in (first..).zip(stored.chunks(SEALED_SEGMENT)) {
            let end = filled + sealed.len().checked_sub(NONCE + TAG).ok_or(number)?;
            open(key, object, number, number + 1 == total, sealed, &mut out[filled..end]).ok_or(number)?;
            filled = end;
        }
        Ok(filled)
    }
}

/// Opens a sealed segment into `out`, which is as long as its plaintext; none if anything about it is wrong.
fn open(key: &LessSafeKey, object: ObjectId, number: u64, is_last: bool, sealed: &[u8], out: &mut [u8]) -> Option<()> {
    let (nonce, rest) = sealed.split_at_checked(NONCE)?;
    let (ciphertext, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    key.open_separate_gather(nonce, Aad::from(associated(object, number, is_last)), ciphertext, tag, out).ok()
}

/// Seals a whole object's plaintext.
pub(super) fn seal_all(mut session: Sealer, plaintext: &[u8]) -> Vec<u8> {
    let total = count(plaintext.len() as u64);
    let mut sealed = Vec::with_capacity(session.form().stored_bytes(plaintext.len() as u64) as usize);
    for number in 0..total {
        let start = number as usize * SEGMENT;
        let end = (start + SEGMENT).min(plaintext.len());
        session.seal(number, number + 1 == total, &plaintext[start..end], &mut sealed);
    }
    sealed
}
