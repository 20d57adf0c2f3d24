//! Manifests that are being sent, each in memory once, however many clients read it and however slowly; and the room that
//! it takes there.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use oci::Digest;

use crate::http::budget::{Exhausted, Holder, PoolKind, RequestBudget, Share};
use crate::http::held_answer::SHORT_BYTES;

/// Shorter ones fit into the buffers of a connection, where nothing can be shared.
const MIN_BYTES: usize = 16 * 1024;
/// Entries of manifests that nobody reads any more are forgotten when there are so many.
const SWEEP_AT: usize = 256;

/// The bytes of manifests in use, by digest. Whether a client may see a manifest is decided before this is asked.
#[derive(Default)]
pub struct SharedManifests {
    in_use: Mutex<HashMap<Digest, Weak<Shared>>>,
}

/// A manifest's bytes, as they are held in memory.
#[derive(Clone)]
pub enum HeldManifest {
    /// A copy of their own.
    Short(Bytes),
    /// One that all who read it have in common.
    Shared(Arc<Shared>),
}

/// Bytes that several read.
pub struct Shared {
    content: Vec<u8>,
    /// Clients that read it now take room for it once, in the name of the first.
    room: Mutex<Weak<Share>>,
}

/// Keeps the allocation alive for as long as a `Bytes` of it is.
struct Reading(Arc<Shared>);

impl AsRef<[u8]> for Reading {
    fn as_ref(&self) -> &[u8] {
        &self.0.content
    }
}

impl HeldManifest {
    /// How many there are.
    pub fn length(&self) -> usize {
        match self {
            Self::Short(bytes) => bytes.len(),
            Self::Shared(shared) => shared.content.len(),
        }
    }

    /// The bytes themselves.
    pub fn bytes(&self) -> Bytes {
        match self {
            Self::Short(bytes) => bytes.clone(),
            Self::Shared(shared) => Bytes::from_owner(Reading(Arc::clone(shared))),
        }
    }

    /// The room of a client that is going to read it: what others have taken, or else `own`, or what is taken now. A short
    /// manifest needs none.
    pub fn room(
        &self,
        budget: &RequestBudget,
        reader: &Holder,
        own: Option<Share>,
    ) -> Result<Option<Arc<Share>>, Exhausted> {
        let Self::Shared(shared) = self else { return Ok(None) };
        let length = shared.content.len() as u64;
        if length <= SHORT_BYTES {
            return Ok(None);
        }
        let mut room = shared.room.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(taken) = room.upgrade() {
            return Ok(Some(taken));
        }
        let mut share = own.unwrap_or_else(|| budget.share(PoolKind::Answers, reader));
        share.grow_to(length)?;
        share.shrink_to(length);
        let taken = Arc::new(share);
        *room = Arc::downgrade(&taken);
        Ok(Some(taken))
    }
}

impl SharedManifests {
    /// The manifest of this digest, if somebody is reading it at this moment.
    pub fn find(&self, digest: &Digest) -> Option<HeldManifest> {
        self.lock().get(digest).and_then(Weak::upgrade).map(HeldManifest::Shared)
    }

    /// Shares a manifest with whoever asks for it before it is dropped.
    pub fn share(&self, digest: Digest, manifest: Vec<u8>) -> HeldManifest {
        if manifest.len() < MIN_BYTES {
            return HeldManifest::Short(Bytes::from(manifest));
        }
        let mut in_use = self.lock();
        // Another request may have read it at the same time.
        let shared = in_use.get(&digest).and_then(Weak::upgrade).unwrap_or_else(|| {
            let shared = Arc::new(Shared { content: manifest, room: Mutex::default() });
            if in_use.len() >= SWEEP_AT {
                in_use.retain(|_, bytes| bytes.strong_count() > 0);
            }
            in_use.insert(digest, Arc::downgrade(&shared));
            shared
        });
        HeldManifest::Shared(shared)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Weak<Shared>>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::budget::BudgetLimits;

    #[test]
    fn readers_share_the_bytes() {
        let manifests = SharedManifests::default();
        let content = vec![b'x'; MIN_BYTES];
        let digest = Digest::sha256_of(&content);
        let first = manifests.share(digest, content.clone()).bytes();
        let second = manifests.share(digest, content.clone()).bytes();
        let third = manifests.find(&digest).expect("in use").bytes();
        assert_eq!((first.as_ptr(), first.as_ptr()), (second.as_ptr(), third.as_ptr()));
        assert_eq!(first, content);
        drop((first, second, third));
        assert!(manifests.find(&digest).is_none());
    }

    #[test]
    fn readers_take_the_room_of_one() {
        let (manifests, short) = (SharedManifests::default(), SHORT_BYTES as usize);
        let budget = RequestBudget::new(BudgetLimits { answer_bytes: 6 * SHORT_BYTES, ..BudgetLimits::default() });
        let of = |length: usize| manifests.share(Digest::sha256_of(&length.to_be_bytes()), vec![0; length]);
        let [one, two] = [1, 2].map(|last| Holder::alone([192, 0, 2, last]));
        let held = || budget.held_bytes(PoolKind::Answers);
        let (few, many, more) = (of(short), of(3 * short), of(3 * short + 1));
        assert!(matches!(few.room(&budget, &one, None), Ok(None)));
        let first = many.room(&budget, &one, None).expect("room");
        let second = many.room(&budget, &two, None).expect("room");
        assert_eq!(held(), 3 * SHORT_BYTES);
        assert!(more.room(&budget, &two, None).is_err());
        drop(first);
        assert_eq!(held(), 3 * SHORT_BYTES);
        drop(second);
        assert_eq!(held(), 0);
        // What was taken to open it is its room afterwards.
        let mut own = budget.share(PoolKind::Answers, &one);
        own.grow(3 * SHORT_BYTES).expect("room");
        let third = many.room(&budget, &one, Some(own)).expect("room");
        assert_eq!(held(), 3 * SHORT_BYTES);
        drop(third);
        assert_eq!(held(), 0);
    }

    #[test]
    fn what_nobody_reads_is_forgotten() {
        let manifests = SharedManifests::default();
        for number in 0..3 * SWEEP_AT {
            let digest = Digest::sha256_of(&number.to_be_bytes());
            drop(manifests.share(digest, vec![0; MIN_BYTES]));
        }
        assert!(manifests.lock().len() <= SWEEP_AT);
    }
}
