//! Events of pulls: gathered in memory within a bound, and handed to the sinks in batches, so that no pull waits.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use runtime::boxed;
use store::error::StoreError;
use store::tables::jobs::{self, NewJob};
use store::tables::registry_id::RegistryId;

use super::event::{Event, EventRepository};
use super::{Events, Sink};
use crate::Registry;
use crate::images::changes::ChangedImage;
use crate::images::followers::{Follower as _, Pull};

/// Pulls that wait in memory; further ones are not told of.
const MAX_PENDING: usize = 10_000;
/// Events that one transaction stores.
const BATCH: usize = 500;
/// A sink for which so many events wait already gets no further pulls.
const MAX_WAITING: usize = 10_000;

/// A pull that is not told of yet.
struct Pulled {
    registry: RegistryId,
    repository: oci::RepositoryName,
    digest: oci::Digest,
    media_type: Option<oci::MediaType>,
    artifact_media_type: Option<String>,
    is_referrer: bool,
    tag: Option<String>,
    actor: String,
    at_ms: i64,
}

/// Pulls that wait.
#[derive(Default)]
pub struct PullQueue {
    pending: Mutex<VecDeque<Pulled>>,
    dropped: AtomicU64,
}

impl PullQueue {
    fn drop_pulls(&self, count: usize, why: &str) {
        if count > 0 && self.dropped.fetch_add(count as u64, Ordering::Relaxed) == 0 {
            tracing::warn!("events of pulls are dropped from now on, as {why}; this is told once");
        }
    }
}

impl Events {
    /// Events of pulls that were dropped since the start of this node.
    pub fn dropped_pulls(&self) -> u64 {
        self.pulls.dropped.load(Ordering::Relaxed)
    }

    /// Notes a pull. Never waits.
    pub(super) fn note_pull(&self, pull: &Pull<'_>) {
        let Pull { registry, repository, image, tag, actor, at_ms } = *pull;
        let pulled = Pulled {
            registry: registry.clone(),
            repository: repository.clone(),
            digest: *image.digest,
            media_type: image.media_type.cloned(),
            artifact_media_type: image.artifact_media_type.map(str::to_owned),
            is_referrer: image.is_referrer,
            tag: tag.map(str::to_owned),
            actor: actor.to_owned(),
            at_ms,
        };
        let mut pending = self.pulls.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if pending.len() < MAX_PENDING {
            pending.push_back(pulled);
        } else {
            drop(pending);
            self.pulls.drop_pulls(1, "too many come at once");
        }
    }

    /// Hands what was noted to the sinks.
    #[boxed]
    pub async fn flush_pulls(&self, app: &Registry) -> Result<(), StoreError> {
        if !self.wants_pulls() {
            return Ok(());
        }
        loop {
            let batch: Vec<Pulled> = {
                let mut pending = self.pulls.pending.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                let count = pending.len().min(BATCH);
                pending.drain(..count).collect()
            };
            if batch.is_empty() {
                return Ok(());
            }
            let events: Vec<Event> = batch.iter().map(Pulled::event).collect();
            for sink in self.sinks.iter().filter(|sink| sink.wants_pulls()) {
                self.store_pulls(app, sink, &events).await?;
            }
        }
    }

    async fn store_pulls(&self, app: &Registry, sink: &Sink, events: &[Event]) -> Result<(), StoreError> {
        let new_jobs: Vec<(String, String)> = events
            .iter()
            .map(|event| (event, event.to_json()))
            .filter(|(_, json)| sink.wants(json))
            .map(|(event, json)| (format!("{} {}", event.title(), event.id()), json.to_string()))
            .collect();
        let (kind, count, now_ms) = (sink.job_kind().to_owned(), new_jobs.len(), app.now_ms());
        if count == 0 {
            return Ok(());
        }
        let is_stored = app
            .db
            .write(move |tx| {
                if jobs::count_of_kind(tx, &kind, MAX_WAITING)? >= MAX_WAITING {
                    return Ok(false);
                }
                for (key, payload) in &new_jobs {
                    jobs::enqueue(tx, &NewJob { kind: &kind, key, payload, account: None, due_at_ms: now_ms }, now_ms)?;
                }
                Ok::<_, StoreError>(true)
            })
            .await?;
        if is_stored {
            app.wake_jobs.wake();
        } else {
            self.pulls.drop_pulls(count, &format!("too many events wait for {}", sink.name()));
        }
        Ok(())
    }
}

impl Pulled {
    fn event(&self) -> Event {
        let image = ChangedImage {
            digest: &self.digest,
            media_type: self.media_type.as_ref(),
            artifact_media_type: self.artifact_media_type.as_deref(),
            is_referrer: self.is_referrer,
        };
        let place = EventRepository { registry: &self.registry, repository: &self.repository };
        Event::image_pulled(place, self.at_ms, &self.actor, image, self.tag.as_deref())
    }
}
