//! Root keys, which seal all that is stored in small pieces, and the ring of them that a node holds.
//!
//! Everything sealed names its root key, so that a new one can take over while the old ones still open what they sealed.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::aead::{Aad, LessSafeKey, Nonce};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use zeroize::Zeroizing;

use super::keys::{DataKey, KEY_BYTES, NONCE_BYTES, TAG_BYTES, cipher, random};
use super::object_id::ObjectId;
use crate::error::{StoreError, StoreErrorKind};

/// First byte of everything sealed, so that the form can change. 1 was the form that named no root key.
const VERSION: u8 = 2;
const NUMBER_BYTES: usize = 4;
/// Bytes before the nonce: the version and the number of the root key.
pub const SEALED_HEAD: usize = 1 + NUMBER_BYTES;
/// What the data keys of objects are sealed for; their context is the object's id.
pub const DATA_KEY_PURPOSE: &str = "object data key";

struct SubKeyLength;

impl KeyType for SubKeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

/// A key for one purpose, so that what is sealed for one cannot be passed off as another.
pub(super) fn sub_key(key: &[u8; KEY_BYTES], purpose: &str) -> LessSafeKey {
    let info = [purpose.as_bytes()];
    let prk = Salt::new(HKDF_SHA256, b"wharf service key").extract(key);
    let mut derived = Zeroizing::new([0; KEY_BYTES]);
    prk.expand(&info, SubKeyLength)
        .and_then(|okm| okm.fill(&mut derived[..]))
        .expect("32 bytes are within HKDF's reach");
    cipher(&derived)
}

/// A key that seals what is stored. It is stored itself, wrapped by the service key. Wiped when dropped.
#[derive(Clone)]
pub struct RootKey(Arc<Zeroizing<[u8; KEY_BYTES]>>);

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl RootKey {
    /// A new key.
    pub fn generate() -> Self {
        Self(Arc::new(Zeroizing::new(random())))
    }

    /// A key that was unwrapped; none if it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Arc::new(Zeroizing::new(bytes.try_into().ok()?))))
    }

    /// The key itself, for wrapping it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[..]
    }
}

/// The root keys at one moment.
#[derive(Debug, Default)]
struct Keys {
    by_number: BTreeMap<u32, RootKey>,
    sealing: u32,
}

/// The root keys that a node holds. Cheap to clone; every clone sees what [`replace`](Self::replace) puts in.
#[derive(Clone, Debug, Default)]
pub struct KeyRing(Arc<RwLock<Arc<Keys>>>);

impl KeyRing {
    /// A ring of root keys, of which one seals. Fails if that one is not among them.
    pub fn new(keys: BTreeMap<u32, RootKey>, sealing: u32) -> Result<Self, StoreError> {
        let ring = Self::default();
        ring.replace(keys, sealing)?;
        Ok(ring)
    }

    /// Puts other keys in place of all. Fails, and changes nothing, if the one that is to seal is not among them.
    pub fn replace(&self, keys: BTreeMap<u32, RootKey>, sealing: u32) -> Result<(), StoreError> {
        if !keys.contains_key(&sealing) {
            return Err(StoreError::new(StoreErrorKind::Other, format!("there is no root key {sealing} to seal with")));
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(Keys { by_number: keys, sealing });
        Ok(())
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The number of the key that seals.
    pub fn sealing(&self) -> u32 {
        self.keys().sealing
    }

    /// Whether it has the key of this number.
    pub fn contains(&self, number: u32) -> bool {
        self.keys().by_number.contains_key(&number)
    }

    /// Every key with its number.
    pub fn all(&self) -> BTreeMap<u32, RootKey> {
        self.keys().by_number.clone()
    }

    /// Wraps an object's key for storing beside the object's row.
    pub fn wrap_data_key(&self, key: &DataKey, object: ObjectId) -> Vec<u8> {
        seal_small(self, DATA_KEY_PURPOSE, object.as_bytes(), key.as_bytes())
    }

    /// Undoes [`wrap_data_key`](Self::wrap_data_key).
    pub fn unwrap_data_key(&self, wrapped: &[u8], object: ObjectId) -> Result<DataKey, StoreError> {
        let key = Zeroizing::new(open_small(self, DATA_KEY_PURPOSE, object.as_bytes(), wrapped)?);
        DataKey::from_bytes(&key).ok_or_else(|| {
            StoreError::new(StoreErrorKind::Corrupt, format!("data key of object {object} has a wrong length"))
        })
    }
}

/// What everything begins with that this root key has sealed. Of two root keys the later one's is the greater.
pub fn sealed_head(root_key: u32) -> [u8; SEALED_HEAD] {
    let mut head = [VERSION; SEALED_HEAD];
    head[1..].copy_from_slice(&root_key.to_be_bytes());
    head
}

/// The number of the root key that sealed a value; none if no root key has.
pub fn root_key_of(sealed: &[u8]) -> Option<u32> {
    let (head, _) = sealed.split_first_chunk::<SEALED_HEAD>()?;
    let (&version, number) = head.split_first()?;
    (version == VERSION).then(|| u32::from_be_bytes([number[0], number[1], number[2], number[3]]))
}

/// Seals a small value for one purpose, bound to a context. 33 bytes longer than the value.
pub fn seal_small(ring: &KeyRing, purpose: &'static str, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let keys = ring.keys();
    let key = keys.by_number.get(&keys.sealing).expect("`replace` refuses a ring without the key that seals");
    let nonce: [u8; NONCE_BYTES] = random();
    let mut sealed = Vec::with_capacity(SEALED_HEAD + NONCE_BYTES + plaintext.len() + TAG_BYTES);
    sealed.extend_from_slice(&sealed_head(keys.sealing));
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let tag = sub_key(&key.0, purpose)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context),
            &mut sealed[SEALED_HEAD + NONCE_BYTES..],
        )
        .expect("values are far shorter than AES-GCM's limit");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// Opens what [`seal_small`] sealed for the same purpose and context. Fails as `Unavailable` if another node has sealed it
/// with a root key that this one has not read yet.
pub fn open_small(ring: &KeyRing, purpose: &'static str, context: &[u8], sealed: &[u8]) -> Result<Vec<u8>, StoreError> {
    let error = || {
        StoreError::new(
            StoreErrorKind::Corrupt,
            format!("a sealed value ({purpose}) was changed or is of another server"),
        )
    };
    let number = root_key_of(sealed).ok_or_else(error)?;
    let (nonce, rest) = sealed[SEALED_HEAD..].split_at_checked(NONCE_BYTES).ok_or_else(error)?;
    if rest.len() < TAG_BYTES {
        return Err(error());
    }
    let keys = ring.keys();
    let key = keys.by_number.get(&number).ok_or_else(|| {
        let (kind, why) = match keys.by_number.last_key_value() {
            Some((last, _)) if number == last.saturating_add(1) => {
                (StoreErrorKind::Unavailable, "is not known here yet")
            }
            _ => (StoreErrorKind::Corrupt, "is not there"),
        };
        StoreError::new(kind, format!("root key {number}, which sealed a value ({purpose}), {why}"))
    })?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| error())?;
    let mut value = rest.to_vec();
    let length =
        sub_key(&key.0, purpose).open_in_place(nonce, Aad::from(context), &mut value).map_err(|_| error())?.len();
    value.truncate(length);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(numbers: &[u32]) -> KeyRing {
        let keys = numbers.iter().map(|number| (*number, RootKey::generate())).collect();
        KeyRing::new(keys, *numbers.last().expect("some")).expect("the last is there")
    }

    #[test]
    fn sealed_values_open_only_where_they_belong() {
        let ring = ring(&[1, 2]);
        let sealed = seal_small(&ring, "a", b"here", b"value");
        assert_eq!(root_key_of(&sealed), Some(2));
        assert_eq!(open_small(&ring, "a", b"here", &sealed).expect("opens"), b"value");
        assert!(open_small(&ring, "b", b"here", &sealed).is_err());
        assert!(open_small(&ring, "a", b"there", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open_small(&ring, "a", b"here", &changed).is_err(), "byte {at}");
            assert!(open_small(&ring, "a", b"here", &sealed[..at]).is_err(), "length {at}");
        }
    }

    #[test]
    fn the_newest_key_seals_and_all_open() {
        let ring = ring(&[1]);
        let old = seal_small(&ring, "a", b"", b"old");
        let mut keys = ring.all();
        keys.insert(2, RootKey::generate());
        ring.replace(keys.clone(), 1).expect("both are there");
        assert_eq!(root_key_of(&seal_small(&ring, "a", b"", b"x")), Some(1), "it does not seal yet");
        ring.replace(keys.clone(), 2).expect("both are there");
        let new = seal_small(&ring, "a", b"", b"new");
        assert!(sealed_head(1) < sealed_head(2) && new.starts_with(&sealed_head(2)));
        for (sealed, value) in [(&old, b"old"), (&new, b"new")] {
            assert_eq!(open_small(&ring, "a", b"", sealed).expect("opens"), value);
        }
        keys.remove(&1);
        ring.replace(keys.clone(), 2).expect("it is there");
        assert_eq!(open_small(&ring, "a", b"", &old).expect_err("retired").kind(), StoreErrorKind::Corrupt);
        keys.remove(&2);
        assert!(ring.replace(keys, 2).is_err());
        assert_eq!(ring.sealing(), 2, "nothing has changed");
    }

    #[test]
    fn a_key_that_another_node_has_just_made_is_awaited() {
        let ahead = ring(&[1, 2]);
        let behind = ring(&[1]);
        let sealed = seal_small(&ahead, "a", b"", b"x");
        assert_eq!(open_small(&behind, "a", b"", &sealed).expect_err("unknown").kind(), StoreErrorKind::Unavailable);
    }
}
