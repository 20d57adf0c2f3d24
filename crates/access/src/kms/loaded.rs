//! KMS keys as a node holds them in memory, unwrapped: until anything about any key changes anywhere. The call that
//! changes it is answered when every node has forgotten what it held (`nodes.rs`).

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use runtime::boxed;
use store::blob::{DataKey, EncryptionContext, KmsCiphertextHead, kms_decrypt, kms_encrypt, open_small};
use store::error::{StoreError, StoreErrorKind};
use store::tables::key_version;
use store::tables::kms_grants::{self, KmsGrant};
use store::tables::kms_keys::{self, KmsKey};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::errors::KmsError;
use super::material::{MATERIAL_PURPOSE, material_context};
use crate::Access;

/// Keys, and grants of repositories, that are held; past that all are forgotten.
const MAX_HELD: usize = 10_000;

/// A key with its material.
pub struct LoadedKey {
    /// What is stored of it.
    pub key: KmsKey,
    materials: BTreeMap<u32, DataKey>,
}

/// What a node holds, of one version of all keys.
#[derive(Default)]
struct Held {
    version: i64,
    keys: HashMap<Uuid, Arc<LoadedKey>>,
    grants: HashMap<(Uuid, String), Arc<Vec<KmsGrant>>>,
}

/// The keys of a node.
#[derive(Default)]
pub struct LoadedKeys(Mutex<Held>);

impl LoadedKeys {
    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets what is older than a version.
    pub fn forget_before(&self, version: i64) {
        let mut held = self.lock();
        if held.version < version {
            *held = Held { version, ..Held::default() };
        }
    }

    /// Lets `keep` put something in that was read at a version, unless something has changed since.
    fn keep(&self, version: i64, keep: impl FnOnce(&mut Held)) {
        let mut held = self.lock();
        if held.version > version {
            return;
        }
        if held.version < version || held.keys.len() + held.grants.len() >= MAX_HELD {
            *held = Held { version, ..Held::default() };
        }
        keep(&mut held);
    }

    /// The key of that id; none if there is none.
    #[boxed]
    pub async fn find(&self, app: &Access, key_id: Uuid) -> Result<Option<Arc<LoadedKey>>, StoreError> {
        // Jobs and pulls of layers by URL come here without a decision about their caller.
        app.require_current_changes().await?;
        if let Some(found) = self.lock().keys.get(&key_id).cloned() {
            return Ok(Some(found));
        }
        let read = app.db.read(move |tx| {
            let version = key_version::find(tx)?;
            let Some(key) = kms_keys::find_by_key_id(tx, key_id)? else { return Ok(None) };
            let sealed = kms_keys::materials(tx, key.id)?;
            Ok::<_, StoreError>(Some((version, key, sealed)))
        });
        let Some((version, key, sealed)) = read.await? else { return Ok(None) };
        let mut materials = BTreeMap::new();
        for (number, sealed) in sealed {
            let context = material_context(key_id, number);
            let material = Zeroizing::new(open_small(&app.key_ring, MATERIAL_PURPOSE, &context, &sealed)?);
            let material = DataKey::from_bytes(&material).ok_or_else(|| {
                StoreError::new(
                    StoreErrorKind::Corrupt,
                    format!("the material of {} is not what was stored", key.arn()),
                )
            })?;
            materials.insert(number, material);
        }
        let loaded = Arc::new(LoadedKey { key, materials });
        self.keep(version, |held| drop(held.keys.insert(key_id, Arc::clone(&loaded))));
        Ok(Some(loaded))
    }

    /// The grants of a key that were made under a name.
    #[boxed]
    pub async fn grants(&self, app: &Access, key: &KmsKey, name: &str) -> Result<Arc<Vec<KmsGrant>>, StoreError> {
        app.require_current_changes().await?;
        let place = (key.key_id, name.to_owned());
        if let Some(found) = self.lock().grants.get(&place).cloned() {
            return Ok(found);
        }
        let (id, grant_name) = (key.id, name.to_owned());
        let read = app.db.read(move |tx| {
            Ok::<_, StoreError>((key_version::find(tx)?, kms_grants::list_named(tx, id, &grant_name)?))
        });
        let (version, found) = read.await?;
        let found = Arc::new(found);
        // That there is none is not held: a new repository has its grants without a new version.
        if !found.is_empty() {
            self.keep(version, |held| drop(held.grants.insert(place, Arc::clone(&found))));
        }
        Ok(found)
    }
}

impl LoadedKey {
    /// Encrypts with the newest material, if the key may be used.
    pub fn encrypt(&self, context: &EncryptionContext, plaintext: &[u8]) -> Result<Vec<u8>, KmsError> {
        if let Some(error) = KmsError::of_state(&self.key) {
            return Err(error);
        }
        let head = KmsCiphertextHead { key_id: self.key.key_id, version: self.key.current_version };
        let material = self.materials.get(&head.version).ok_or_else(|| {
            let text = format!("the material of {} is not there", self.key.arn());
            KmsError::Store(StoreError::new(StoreErrorKind::Corrupt, text))
        })?;
        Ok(kms_encrypt(material, head, context, plaintext))
    }

    /// Undoes [`encrypt`](Self::encrypt), if the key may be used.
    pub fn decrypt(&self, context: &EncryptionContext, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, KmsError> {
        if let Some(error) = KmsError::of_state(&self.key) {
            return Err(error);
        }
        let head = KmsCiphertextHead::of(ciphertext).ok_or(KmsError::InvalidCiphertext)?;
        let material = self.materials.get(&head.version).ok_or(KmsError::InvalidCiphertext)?;
        kms_decrypt(material, context, ciphertext).ok_or(KmsError::InvalidCiphertext)
    }
}
