//! The root keys of this server: made at the first start, read by every node, rotated, wrapped anew and retired.
//!
//! The rows are what counts; a node holds what they unwrap to in its key ring, and a change waits until every node has read it (`nodes.rs`).

mod kms_endpoint;
mod sealed_secret;
mod wrapping_key;

use std::collections::BTreeMap;

use store::blob::{KeyRing, RootKey};
use store::db::Db;
use store::error::{StoreError, StoreErrorKind};
use store::tables::key_version;
use store::tables::root_keys::{self, StoredRootKey};
use tokio::sync::Mutex;

use crate::boxed;

pub use kms_endpoint::{KmsEndpoint, KmsEndpointConfig};
pub use sealed_secret::SealedSecret;
pub use wrapping_key::WrappingKey;

/// The root keys, and what wraps them.
pub struct RootKeys {
    wrapping_key: WrappingKey,
    /// What wrapped them before; for a change of the service key.
    previous: Vec<WrappingKey>,
    read: Mutex<Read>,
}

/// What of the rows this node has read.
#[derive(Default)]
struct Read {
    version: Option<i64>,
    active_from_ms: Vec<(u32, i64)>,
}

/// Why the root keys cannot be opened.
#[derive(Debug)]
pub enum NotOpened {
    /// The service key, and the previous ones if there are any, did not wrap this database's root keys.
    WrongKey,
    /// Storage or the KMS endpoint failed.
    Store(StoreError),
}

impl From<StoreError> for NotOpened {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Whether the database has root keys: then only the service key that wrapped them will do.
#[boxed]
pub async fn exist(db: &Db) -> Result<bool, StoreError> {
    Ok(!db.read(|tx| root_keys::list(tx)).await?.is_empty())
}

impl RootKeys {
    /// Reads the root keys of a database, and makes the first if there is none. What a previous service key has wrapped
    /// is wrapped anew.
    #[boxed]
    pub async fn open(
        db: &Db,
        wrapping_key: WrappingKey,
        previous: Vec<WrappingKey>,
        now_ms: i64,
    ) -> Result<(Self, KeyRing), NotOpened> {
        if !exist(db).await? {
            let wrapped = wrapping_key.wrap(1, &RootKey::generate(), now_ms).await?;
            let first = StoredRootKey {
                number: 1,
                wrapped,
                created_at_ms: now_ms,
                active_from_ms: now_ms,
                unused_since_ms: None,
            };
            // Another node may be the first: then that one's key is read below.
            db.write(move |tx| root_keys::insert(tx, &first)).await?;
        }
        let (version, stored) = read(db).await?;
        let keys = Self { wrapping_key, previous, read: Mutex::default() };
        let mut unwrapped = BTreeMap::new();
        let mut is_previous = false;
        for row in &stored {
            let (key, by_previous) = keys.unwrap(row, now_ms).await?.ok_or(NotOpened::WrongKey)?;
            is_previous |= by_previous;
            unwrapped.insert(row.number, key);
        }
        if is_previous {
            let count = keys.rewrap_rows(db, &stored, &unwrapped, now_ms).await?;
            tracing::info!(count, "the root keys are wrapped by the new service key now");
        }
        let active_from_ms: Vec<_> = stored.iter().map(|row| (row.number, row.active_from_ms)).collect();
        let ring = KeyRing::new(unwrapped, sealing(&active_from_ms, now_ms))?;
        *keys.read.lock().await = Read { version: Some(version), active_from_ms };
        Ok((keys, ring))
    }

    /// The root key of a row, and whether a previous service key had wrapped it; none if none had.
    async fn unwrap(&self, row: &StoredRootKey, now_ms: i64) -> Result<Option<(RootKey, bool)>, StoreError> {
        if let Some(key) = self.wrapping_key.unwrap(row.number, &row.wrapped, now_ms).await? {
            return Ok(Some((key, false)));
        }
        for previous in &self.previous {
            if let Some(key) = previous.unwrap(row.number, &row.wrapped, now_ms).await? {
                return Ok(Some((key, true)));
            }
        }
        Ok(None)
    }

    /// Wraps these root keys anew, where they are wrapped as `stored` says; gives how many were.
    #[boxed]
    pub async fn rewrap_rows(
        &self,
        db: &Db,
        stored: &[StoredRootKey],
        keys: &BTreeMap<u32, RootKey>,
        now_ms: i64,
    ) -> Result<usize, StoreError> {
        let mut count = 0;
        for row in stored {
            let Some(key) = keys.get(&row.number) else { continue };
            let wrapped = self.wrapping_key.wrap(row.number, key, now_ms).await?;
            let (number, old) = (row.number, row.wrapped.clone());
            count += usize::from(db.write(move |tx| root_keys::rewrap(tx, number, &old, &wrapped)).await?);
        }
        Ok(count)
    }

    /// What wraps the root keys.
    pub const fn wrapping_key(&self) -> &WrappingKey {
        &self.wrapping_key
    }

    /// What wrapped them before, for a change of the service key.
    pub fn previous(&self) -> &[WrappingKey] {
        &self.previous
    }

    /// Takes over what has changed in the database, and lets a new root key seal when its time has come. Gives the version
    /// of all keys.
    #[boxed]
    pub async fn refresh(&self, db: &Db, ring: &KeyRing, now_ms: i64) -> Result<i64, StoreError> {
        let version = db.read_point(key_version::find).await?;
        let mut known = self.read.lock().await;
        if known.version != Some(version) {
            let (version, stored) = read(db).await?;
            let held = ring.all();
            let mut keys = BTreeMap::new();
            for row in &stored {
                let key = match held.get(&row.number) {
                    Some(key) => Some(key.clone()),
                    None => self.unwrap(row, now_ms).await?.map(|(key, _)| key),
                };
                let key = key.ok_or_else(|| {
                    StoreError::new(
                        StoreErrorKind::Other,
                        format!(
                            "another node has made root key {}, and has another service key than this one",
                            row.number
                        ),
                    )
                })?;
                keys.insert(row.number, key);
            }
            let active_from_ms: Vec<_> = stored.iter().map(|row| (row.number, row.active_from_ms)).collect();
            ring.replace(keys, sealing(&active_from_ms, now_ms))?;
            *known = Read { version: Some(version), active_from_ms };
        }
        let sealing = sealing(&known.active_from_ms, now_ms);
        if sealing > ring.sealing() {
            ring.replace(ring.all(), sealing)?;
        }
        Ok(version)
    }
}

async fn read(db: &Db) -> Result<(i64, Vec<StoredRootKey>), StoreError> {
    db.read(|tx| Ok::<_, StoreError>((key_version::find(tx)?, root_keys::list(tx)?))).await
}

/// The newest root key whose time has come.
fn sealing(active_from_ms: &[(u32, i64)], now_ms: i64) -> u32 {
    let active = active_from_ms.iter().filter(|(_, from_ms)| *from_ms <= now_ms).map(|(number, _)| *number).max();
    active.or_else(|| active_from_ms.iter().map(|(number, _)| *number).min()).unwrap_or(1)
}
