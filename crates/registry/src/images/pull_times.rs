//! Last pull times, gathered in memory and stored now and then, so that a pull costs no write.

use std::collections::HashMap;
use std::sync::Mutex;

use runtime::boxed;
use store::error::StoreError;
use store::tables::images;

use crate::Registry;

/// Images whose time can wait to be stored; more are stored with the next round anyway, so further ones are dropped.
const MAX_PENDING: usize = 100_000;

/// What is not stored yet of one image.
struct Pending {
    last_at_ms: i64,
    /// Since the last was stored; for metrics.
    count: u64,
}

/// Pull times that are not stored yet, by image.
#[derive(Default)]
pub struct PullTimes {
    pending: Mutex<HashMap<i64, Pending>>,
}

impl PullTimes {
    /// Notes that an image was pulled.
    pub fn record(&self, image_id: i64, now_ms: i64) {
        let mut pending = self.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if pending.len() < MAX_PENDING || pending.contains_key(&image_id) {
            let of_image = pending.entry(image_id).or_insert(Pending { last_at_ms: now_ms, count: 0 });
            of_image.last_at_ms = now_ms;
            of_image.count += 1;
        }
    }

    /// Stores what was noted. A pull time that is lost in a crash is no loss of anything acknowledged.
    #[boxed]
    pub async fn flush(&self, app: &Registry) -> Result<(), StoreError> {
        let pending = std::mem::take(&mut *self.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        if pending.is_empty() {
            return Ok(());
        }
        let counts: Vec<(i64, u64)> = pending.iter().map(|(image_id, of)| (*image_id, of.count)).collect();
        let mut pending: Vec<(i64, i64)> =
            pending.into_iter().map(|(image_id, of)| (image_id, of.last_at_ms)).collect();
        // One order on every node, so that two of them do not wait for each other's rows.
        pending.sort_unstable();
        app.db
            .write(move |tx| {
                for (image_id, pulled_at_ms) in &pending {
                    images::record_pull(tx, *image_id, *pulled_at_ms)?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        count(app, counts).await
    }
}

/// Counts the pulls of these images for metrics.
async fn count(app: &Registry, counts: Vec<(i64, u64)>) -> Result<(), StoreError> {
    let pulls = &app.metrics.pulls;
    pulls.add(counts.iter().map(|(_, count)| count).sum());
    if !pulls.wants_repositories() {
        return Ok(());
    }
    let found = app.db.read(move |tx| {
        let mut found = Vec::with_capacity(counts.len());
        for (image_id, count) in &counts {
            // One that was deleted meanwhile is nobody's any more.
            if let Some(place) = images::place_of(tx, *image_id)? {
                found.push((place, *count));
            }
        }
        Ok::<_, StoreError>(found)
    });
    pulls.add_by_repository(found.await?);
    Ok(())
}
