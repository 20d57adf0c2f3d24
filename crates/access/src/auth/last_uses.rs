//! Last uses of access keys and robot tokens, gathered in memory and stored now and then, so that a use costs no write.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use runtime::boxed;
use store::db::Db;
use store::error::StoreError;
use store::tables::iam::access_keys::{self, LastUse};
use store::tables::iam::robot_tokens;

/// Uses that can wait to be stored; further ones are dropped until the next round.
const MAX_PENDING: usize = 100_000;

/// Uses that are not stored yet.
#[derive(Default)]
pub struct LastUses {
    keys: Mutex<HashMap<String, LastUse>>,
    tokens: Mutex<HashMap<String, i64>>,
}

impl LastUses {
    /// Notes that an access key has signed a request.
    pub fn record_key(&self, id: &str, service: &str, region: &str, now_ms: i64) {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        match keys.get_mut(id) {
            Some(used) if used.service == service && used.region == region => used.at_ms = now_ms,
            known => {
                if known.is_some() || keys.len() < MAX_PENDING {
                    let used = LastUse { at_ms: now_ms, service: service.to_owned(), region: region.to_owned() };
                    keys.insert(id.to_owned(), used);
                }
            }
        }
    }

    /// Notes that a robot token was used.
    pub fn record_token(&self, id: &str, now_ms: i64) {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at_ms) = tokens.get_mut(id) {
            *at_ms = now_ms;
        } else if tokens.len() < MAX_PENDING {
            tokens.insert(id.to_owned(), now_ms);
        }
    }

    /// Stores what was noted. Keys that have no row (root's and temporary ones) are passed over.
    #[boxed]
    pub async fn flush(&self, db: &Db) -> Result<(), StoreError> {
        let keys = std::mem::take(&mut *self.keys.lock().unwrap_or_else(PoisonError::into_inner));
        let tokens = std::mem::take(&mut *self.tokens.lock().unwrap_or_else(PoisonError::into_inner));
        if keys.is_empty() && tokens.is_empty() {
            return Ok(());
        }
        let (mut keys, mut tokens): (Vec<_>, Vec<_>) = (keys.into_iter().collect(), tokens.into_iter().collect());
        // One order on every node, so that two of them do not wait for each other's rows.
        keys.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        tokens.sort_unstable();
        db.write(move |tx| {
            for (id, used) in &keys {
                access_keys::record_use(tx, id, used)?;
            }
            for (id, at_ms) in &tokens {
                robot_tokens::record_use(tx, id, *at_ms)?;
            }
            Ok::<_, StoreError>(())
        })
        .await
    }
}
