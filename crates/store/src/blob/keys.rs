//! Keys that stand alone: the server's own, and the one that every object has.

use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::rand;
use zeroize::Zeroizing;

use super::key_ring::{RootKey, sub_key};
use super::object_id::ObjectId;
use crate::error::{StoreError, StoreErrorKind};

pub(super) const KEY_BYTES: usize = 32;
pub(super) const NONCE_BYTES: usize = 12;
pub(super) const TAG_BYTES: usize = 16;
/// First byte of a wrapped root key, so that the form can change.
const ROOT_KEY_VERSION: u8 = 1;
const ROOT_KEY_PURPOSE: &str = "root key";

pub(super) fn random<const N: usize>() -> [u8; N] {
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

    /// A key that was stored; none if it has another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Some(Self(Zeroizing::new(bytes.try_into().ok()?)))
    }

    /// The key itself, for wrapping it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0[..]
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

/// The server's key: it wraps the root keys that seal all else. Whoever has it and the stored data can read all.
#[derive(Clone)]
pub struct ServiceKey(Arc<Zeroizing<[u8; KEY_BYTES]>>);

impl fmt::Debug for ServiceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
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

    /// Wraps a root key for storing, bound to its number.
    pub fn wrap_root_key(&self, number: u32, key: &RootKey) -> Vec<u8> {
        let nonce: [u8; NONCE_BYTES] = random();
        let mut wrapped = Vec::with_capacity(1 + NONCE_BYTES + KEY_BYTES + TAG_BYTES);
        wrapped.push(ROOT_KEY_VERSION);
        wrapped.extend_from_slice(&nonce);
        wrapped.extend_from_slice(key.as_bytes());
        let tag = sub_key(&self.0, ROOT_KEY_PURPOSE)
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(number.to_be_bytes()),
                &mut wrapped[1 + NONCE_BYTES..],
            )
            .expect("a key is far shorter than AES-GCM's limit");
        wrapped.extend_from_slice(tag.as_ref());
        wrapped
    }

    /// Undoes [`wrap_root_key`](Self::wrap_root_key); none if this is not the service key that wrapped it.
    pub fn unwrap_root_key(&self, number: u32, wrapped: &[u8]) -> Option<RootKey> {
        let (&version, rest) = wrapped.split_first()?;
        if version != ROOT_KEY_VERSION || rest.len() != NONCE_BYTES + KEY_BYTES + TAG_BYTES {
            return None;
        }
        let (nonce, rest) = rest.split_at(NONCE_BYTES);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut key = Zeroizing::new(rest.to_vec());
        let opened =
            sub_key(&self.0, ROOT_KEY_PURPOSE).open_in_place(nonce, Aad::from(number.to_be_bytes()), &mut key).ok()?;
        RootKey::from_bytes(opened)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_key_unwraps_with_its_service_key_and_number_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("service.key");
        let key = ServiceKey::load_or_create(&path).expect("made");
        let root = RootKey::generate();
        let wrapped = key.wrap_root_key(7, &root);
        let again = ServiceKey::load_or_create(&path).expect("read");
        assert_eq!(again.unwrap_root_key(7, &wrapped).expect("unwraps").as_bytes(), root.as_bytes());
        assert!(key.unwrap_root_key(8, &wrapped).is_none());
        let other = ServiceKey::from_hex(&"0".repeat(64)).expect("valid");
        assert!(other.unwrap_root_key(7, &wrapped).is_none());
        for at in 0..wrapped.len() {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            assert!(key.unwrap_root_key(7, &changed).is_none(), "byte {at}");
            assert!(key.unwrap_root_key(7, &wrapped[..at]).is_none(), "length {at}");
        }
        assert_eq!(format!("{key:?} {root:?}"), "[redacted] [redacted]");
    }
}
