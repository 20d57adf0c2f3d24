//! Manifests that are being sent, each in memory once, however many clients read it and however slowly.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use bytes::Bytes;
use oci::Digest;

/// Shorter ones fit into the buffers of a connection, where nothing can be shared.
const MIN_BYTES: usize = 16 * 1024;
/// Entries of manifests that nobody reads any more are forgotten when there are so many.
const SWEEP_AT: usize = 256;

/// The bytes of manifests in use, by digest. Whether a client may see a manifest is decided before this is asked.
#[derive(Default)]
pub struct SharedManifests {
    in_use: Mutex<HashMap<Digest, Weak<[u8]>>>,
}

/// Keeps the allocation alive for as long as a `Bytes` of it is.
struct Shared(Arc<[u8]>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl SharedManifests {
    /// The manifest of this digest, if somebody is reading it at this moment.
    pub fn find(&self, digest: &Digest) -> Option<Bytes> {
        let found = self.lock().get(digest).and_then(Weak::upgrade)?;
        Some(Bytes::from_owner(Shared(found)))
    }

    /// Shares a manifest with whoever asks for it before it is dropped.
    pub fn share(&self, digest: Digest, manifest: Vec<u8>) -> Bytes {
        if manifest.len() < MIN_BYTES {
            return Bytes::from(manifest);
        }
        let mut in_use = self.lock();
        // Another request may have read it at the same time.
        let shared = in_use.get(&digest).and_then(Weak::upgrade).unwrap_or_else(|| {
            let shared: Arc<[u8]> = manifest.into();
            if in_use.len() >= SWEEP_AT {
                in_use.retain(|_, bytes| bytes.strong_count() > 0);
            }
            in_use.insert(digest, Arc::downgrade(&shared));
            shared
        });
        Bytes::from_owner(Shared(shared))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Weak<[u8]>>> {
        self.in_use.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readers_share_the_bytes() {
        let manifests = SharedManifests::default();
        let content = vec![b'x'; MIN_BYTES];
        let digest = Digest::sha256_of(&content);
        let first = manifests.share(digest, content.clone());
        let second = manifests.share(digest, content.clone());
        let third = manifests.find(&digest).expect("in use");
        assert_eq!((first.as_ptr(), first.as_ptr()), (second.as_ptr(), third.as_ptr()));
        assert_eq!(first, content);
        drop((first, second, third));
        assert_eq!(manifests.find(&digest), None);
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
