//! Keys: the server's own, and the one that every object has.

use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::object_id::ObjectId;
use crate::error::{StoreError, StoreErrorKind};

const KEY_BYTES: usize = 32;
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;
/// First byte of everything sealed, so that the form can change.
const VERSION: u8 = 1;
const DATA_KEY_PURPOSE: &str = "object data key";

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).expect("the operating system has randomness");
    bytes
}

pub(super) fn cipher(key: &[u8; KEY_BYTES]) -> LessSafeKey {
    LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).expect("AES-256 keys have 32 bytes"))
}

/// The key of one object. Wiped when dropped.
#[derive(Clone)]
pub struct DataKey(Zeroizing<[u8; KEY_BYTES]>);

impl DataKey {
    /// A new key.
    pub fn generate() -> Self {
        Self(Zeroizing::new(random()))
    }

    pub(super) fn cipher(&self) -> LessSafeKey {
        cipher(&self.0)
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// The server's key: it wraps data keys and seals small values. Whoever has it and the stored data can read all.
#[derive(Clone)]
pub struct ServiceKey(Arc<Zeroizing<[u8; KEY_BYTES]>>);

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

struct SubKeyLength;

impl KeyType for SubKeyLength {
    fn len(&self) -> usize {
        KEY_BYTES
    }
}

impl ServiceKey {
    /// From 64 hex digits.
    pub fn from_hex(text: &str) -> Result<Self, StoreError> {
        let error = || StoreError::new(StoreErrorKind::Other, "a service key has 64 hex digits");
        let text = text.trim();
        if text.len() != KEY_BYTES * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(error());
        }
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[at * 2..at * 2 + 2], 16).map_err(|_| error())?;
        }
        Ok(Self(Arc::new(key)))
    }

    /// Reads the key from a file, or makes one and writes it there (0600, durable before it is used).
    pub fn load_or_create(path: &Path) -> Result<Self, StoreError> {
        if let Some(key) = Self::load(path)? {
            return Ok(key);
        }
        Self::create(path)?;
        Self::load(path)?.ok_or_else(|| {
            StoreError::new(StoreErrorKind::Unavailable, format!("service key file {} is gone again", path.display()))
        })
    }

    /// Reads the key from a file; none if there is no file.
    pub fn load(path: &Path) -> Result<Option<Self>, StoreError> {
        let context = || format!("service key file {}", path.display());
        match std::fs::read_to_string(path) {
            Ok(text) => Self::from_hex(&text)
                .map(Some)
                .map_err(|error| StoreError::new(error.kind(), format!("{}: {error}", context()))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(context(), error)),
        }
    }

    /// Writes a new key to a file, unless there is one now. The file gets its name when it is complete: a crash or
    /// another start at the same time must not find a part of a key.
    fn create(path: &Path) -> Result<(), StoreError> {
        let fail = |error| StoreError::io(format!("service key file {}", path.display()), error);
        let key: Zeroizing<[u8; KEY_BYTES]> = Zeroizing::new(random());
        let text: Zeroizing<String> =
            Zeroizing::new(key.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat());
        let unnamed = path.with_extension(format!("{}.new", ObjectId::random()));
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unnamed).map_err(fail)?;
        let named = file
            .write_all(format!("{}\n", *text).as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::hard_link(&unnamed, path));
        std::fs::remove_file(&unnamed).map_err(fail)?;
        match named {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(fail(error)),
            // The other one may not have synced the name yet.
            Ok(()) | Err(_) => {}
        }
        path.parent().map_or(Ok(()), super::sync_folder)
    }

    /// A key for one purpose, so that what is sealed for one cannot be passed off as another.
    fn sub_key(&self, purpose: &str) -> LessSafeKey {
        let info = [purpose.as_bytes()];
        let prk = Salt::new(HKDF_SHA256, b"wharf service key").extract(&self.0[..]);
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        prk.expand(&info, SubKeyLength)
            .and_then(|okm| okm.fill(&mut key[..]))
            .expect("32 bytes are within HKDF's reach");
        cipher(&key)
    }

    /// Wraps an object's key for storing beside the object's row.
    pub fn wrap_data_key(&self, key: &DataKey, object: ObjectId) -> Vec<u8> {
        seal_small(self, DATA_KEY_PURPOSE, object.as_bytes(), &key.0[..])
    }

    /// Undoes [`wrap_data_key`](Self::wrap_data_key).
    pub fn unwrap_data_key(&self, wrapped: &[u8], object: ObjectId) -> Result<DataKey, StoreError> {
        let key = Zeroizing::new(open_small(self, DATA_KEY_PURPOSE, object.as_bytes(), wrapped)?);
        let key: [u8; KEY_BYTES] = key[..].try_into().map_err(|_| {
            StoreError::new(StoreErrorKind::Corrupt, format!("data key of object {object} has a wrong length"))
        })?;
        Ok(DataKey(Zeroizing::new(key)))
    }
}

/// Seals a small value for one purpose, bound to a context. 29 bytes longer than the value.
pub fn seal_small(key: &ServiceKey, purpose: &'static str, context: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE_BYTES] = random();
    let mut sealed = Vec::with_capacity(1 + NONCE_BYTES + plaintext.len() + TAG_BYTES);
    sealed.push(VERSION);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plaintext);
    let tag = key
        .sub_key(purpose)
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(context),
            &mut sealed[1 + NONCE_BYTES..],
        )
        .expect("values are far shorter than AES-GCM's limit");
    sealed.extend_from_slice(tag.as_ref());
    sealed
}

/// Opens what [`seal_small`] sealed for the same purpose and context.
pub fn open_small(
    key: &ServiceKey,
    purpose: &'static str,
    context: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, StoreError> {
    let error = || {
        StoreError::new(
            StoreErrorKind::Corrupt,
            format!("a sealed value ({purpose}) was changed or is of another server"),
        )
    };
    let (version, rest) = sealed.split_first().ok_or_else(error)?;
    if *version != VERSION || rest.len() < NONCE_BYTES + TAG_BYTES {
        return Err(error());
    }
    let (nonce, rest) = rest.split_at(NONCE_BYTES);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| error())?;
    let mut value = rest.to_vec();
    let length = key.sub_key(purpose).open_in_place(nonce, Aad::from(context), &mut value).map_err(|_| error())?.len();
    value.truncate(length);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sealed_values_open_only_where_they_belong() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("service.key");
        let key = ServiceKey::load_or_create(&path).expect("made");
        let sealed = seal_small(&key, "a", b"here", b"value");
        let again = ServiceKey::load_or_create(&path).expect("read");
        assert_eq!(open_small(&again, "a", b"here", &sealed).expect("opens"), b"value");
        assert!(open_small(&key, "b", b"here", &sealed).is_err());
        assert!(open_small(&key, "a", b"there", &sealed).is_err());
        let other = ServiceKey::from_hex(&"0".repeat(64)).expect("valid");
        assert!(open_small(&other, "a", b"here", &sealed).is_err());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open_small(&key, "a", b"here", &changed).is_err(), "byte {at}");
        }
        for length in 0..sealed.len() {
            assert!(open_small(&key, "a", b"here", &sealed[..length]).is_err(), "length {length}");
        }
        assert_eq!(format!("{key:?}"), "[redacted]");
    }
}
