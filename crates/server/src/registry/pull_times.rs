//! Last pull times, gathered in memory and stored now and then, so that a pull costs no write.

use std::collections::HashMap;
use std::sync::Mutex;

use store::db::Db;
use store::error::StoreError;
use store::tables::images;

/// Images whose time can wait to be stored; more are stored with the next round anyway, so further ones are dropped.
const MAX_PENDING: usize = 100_000;

/// Pull times that are not stored yet, by image.
#[derive(Default)]
pub struct PullTimes {
    pending: Mutex<HashMap<i64, i64>>,
}

impl PullTimes {
    /// Notes that an image was pulled.
    pub fn record(&self, image_id: i64, now_ms: i64) {
        let mut pending = self.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if pending.len() < MAX_PENDING || pending.contains_key(&image_id) {
            pending.insert(image_id, now_ms);
        }
    }

    /// Stores what was noted. A pull time that is lost in a crash is no loss of anything acknowledged.
    pub async fn flush(&self, db: &Db) -> Result<(), StoreError> {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        if pending.is_empty() {
            return Ok(());
        }
        let mut pending: Vec<(i64, i64)> = pending.into_iter().collect();
        // One order on every node, so that two of them do not wait for each other's rows.
        pending.sort_unstable();
        db.write(move |tx| {
            for (image_id, pulled_at_ms) in &pending {
                images::record_pull(tx, *image_id, *pulled_at_ms)?;
            }
            Ok::<_, StoreError>(())
        })
        .await
    }
}
