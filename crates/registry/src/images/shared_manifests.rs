//! Manifests that are being sent, each in memory once, however many clients read it and however slowly; and the room that
//! it takes there.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use oci::Digest;
use runtime::http::budget::{Exhausted, PoolKind, RequestBudget, Share};
use runtime::http::held_answer::{Reader, SHORT_BYTES};

/// Shorter ones fit into the buffers of a connection, where nothing can be shared.
const MIN_BYTES: usize = 16 * 1024;
/// What a client takes beside what its source has taken.
const MARK_BYTES: u64 = 1;
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
    /// Clients that read it now take room for it once for each source, so that nobody's is taken by another who goes on
    /// reading.
    rooms: Mutex<HashMap<IpAddr, Weak<Share>>>,
}

/// The room of a client that reads a long manifest.
pub struct Room {
    /// What its source has in common, in the name of the first who read it.
    pub of_source: Arc<Share>,
    /// What makes a further one known to the pool: of those whom it waits for it may give up any.
    pub mark: Option<Share>,
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

    /// The room of a client that is going to read it: what others of its source have taken, or else `own`, or what is taken
    /// now. A short manifest needs none.
    pub fn room(&self, budget: &RequestBudget, reader: &Reader, own: Option<Share>) -> Result<Option<Room>, Exhausted> {
        let Self::Shared(shared) = self else { return Ok(None) };
        let length = shared.content.len() as u64;
        if length <= SHORT_BYTES {
            return Ok(None);
        }
        let mut share = own.unwrap_or_else(|| budget.share(PoolKind::Answers, &reader.holder));
        let mut rooms = shared.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(of_source) = rooms.get(&reader.source).and_then(Weak::upgrade) {
            share.grow_to(MARK_BYTES)?;
            share.shrink_to(MARK_BYTES);
            return Ok(Some(Room { of_source, mark: Some(share) }));
        }
        share.grow_to(length)?;
        share.shrink_to(length);
        let of_source = Arc::new(share);
        rooms.retain(|_, room| room.strong_count() > 0);
        rooms.insert(reader.source, Arc::downgrade(&of_source));
        Ok(Some(Room { of_source, mark: None }))
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
            let shared = Arc::new(Shared { content: manifest, rooms: Mutex::default() });
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
    use runtime::http::budget::{BudgetLimits, Holder};

    use super::*;

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

    fn reader(last: u8) -> Reader {
        let source = IpAddr::from([192, 0, 2, last]);
        Reader { holder: Holder::alone(source), source }
    }

    #[test]
    fn readers_of_one_source_take_the_room_of_one() {
        let (manifests, short) = (SharedManifests::default(), SHORT_BYTES as usize);
        let budget = RequestBudget::new(BudgetLimits { answer_bytes: 7 * SHORT_BYTES, ..BudgetLimits::default() });
        let of = |length: usize| manifests.share(Digest::sha256_of(&length.to_be_bytes()), vec![0; length]);
        let one = reader(1);
        let held = || budget.held_bytes(PoolKind::Answers);
        let (few, many, more) = (of(short), of(3 * short), of(4 * short));
        assert!(matches!(few.room(&budget, &one, None), Ok(None)));
        let first = many.room(&budget, &one, None).expect("room");
        let second = many.room(&budget, &one, None).expect("room");
        assert_eq!(held(), 3 * SHORT_BYTES + MARK_BYTES);
        assert!(more.room(&budget, &one, None).is_err());
        drop(first);
        assert_eq!(held(), 3 * SHORT_BYTES + MARK_BYTES);
        drop(second);
        assert_eq!(held(), 0);
        // What was taken to open it is its room afterwards, or is given back.
        let mut rooms = Vec::new();
        for bytes in [3 * SHORT_BYTES, SHORT_BYTES / 4] {
            let mut own = budget.share(PoolKind::Answers, &one.holder);
            own.grow(bytes).expect("room");
            rooms.push(many.room(&budget, &one, Some(own)).expect("room"));
        }
        assert_eq!(held(), 3 * SHORT_BYTES + MARK_BYTES);
        drop(rooms);
        assert_eq!(held(), 0);
    }

    #[test]
    fn who_reads_along_takes_nobody_elses_room() {
        let (manifests, short) = (SharedManifests::default(), SHORT_BYTES as usize);
        let budget = RequestBudget::new(BudgetLimits { answer_bytes: 12 * SHORT_BYTES, ..BudgetLimits::default() });
        let of = |seed: u8| manifests.share(Digest::sha256_of(&[seed]), vec![seed; 2 * short]);
        let [first, along, third] = [1, 2, 3].map(reader);
        let held = || budget.held_bytes(PoolKind::Answers);
        let mut rooms = Vec::new();
        for seed in 0..2 {
            let manifest = of(seed);
            let room = manifest.room(&budget, &first, None).expect("room");
            rooms.push((manifest.room(&budget, &along, None).expect("room"), manifest));
            drop(room);
        }
        assert_eq!(held(), 4 * SHORT_BYTES);
        let next = of(2);
        assert!(next.room(&budget, &first, None).is_ok(), "it holds nothing");
        let of_third = next.room(&budget, &third, None).expect("room");
        assert!(next.room(&budget, &along, None).is_err(), "it has most");
        drop((rooms, of_third));
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
