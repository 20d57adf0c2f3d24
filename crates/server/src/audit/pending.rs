//! Events that wait to be stored, gathered in memory so that no call waits for the database.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use store::db::Db;
use store::error::StoreError;
use store::tables::audit_events::{self, NewEvent};
use tokio::sync::Notify;

/// Events and their bytes that can wait; further ones are dropped and counted.
const MAX_EVENTS: usize = 20_000;
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// So many are stored before their time.
const MANY_EVENTS: usize = MAX_EVENTS / 4;
/// Events that one transaction stores.
const BATCH: usize = 500;

#[derive(Default)]
struct Waiting {
    events: Vec<NewEvent>,
    bytes: usize,
}

/// Events that wait.
#[derive(Default)]
pub struct Pending {
    waiting: Mutex<Waiting>,
    is_long: Notify,
    dropped: AtomicU64,
    /// Held while events are stored, so that whoever looks for an event waits for those on their way.
    storing: tokio::sync::Mutex<()>,
}

impl Pending {
    /// Takes an event, or drops it if too many wait.
    pub fn push(&self, event: NewEvent) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.events.len() >= MAX_EVENTS || waiting.bytes + event.record.len() > MAX_BYTES {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        waiting.bytes += event.record.len();
        waiting.events.push(event);
        if waiting.events.len() == MANY_EVENTS {
            self.is_long.notify_one();
        }
    }

    /// Ends when so many wait that they should be stored now.
    pub async fn is_long(&self) {
        self.is_long.notified().await;
    }

    /// How many were dropped since this was asked last.
    pub fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    /// Stores what waits. What cannot be stored now waits again, as far as there is room.
    pub async fn flush(&self, db: &Db) -> Result<(), StoreError> {
        let _storing = self.storing.lock().await;
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut events = waiting.events;
        events.sort_by_key(|event| event.at_ms);
        while !events.is_empty() {
            let batch: Vec<NewEvent> = events.iter().take(BATCH).cloned().collect();
            let stored = db.write(move |tx| batch.iter().try_for_each(|event| audit_events::insert(tx, event))).await;
            if let Err(error) = stored {
                for event in events {
                    self.push(event);
                }
                return Err(error);
            }
            events.drain(..BATCH.min(events.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(bytes: usize) -> NewEvent {
        NewEvent {
            registry: store::tables::registry_id::RegistryId {
                account: "123456789012".parse().expect("an id"),
                region: "us-east-1".parse().expect("a region"),
            },
            at_ms: 0,
            event_id: String::new(),
            event_name: "PutImage".to_owned(),
            event_source: "ecr.amazonaws.com".to_owned(),
            username: None,
            access_key_id: None,
            is_read_only: false,
            resources: Vec::new(),
            record: "x".repeat(bytes),
        }
    }

    #[test]
    fn what_waits_is_bounded() {
        let pending = Pending::default();
        for _ in 0..MAX_EVENTS + 7 {
            pending.push(event(1));
        }
        assert_eq!((pending.take_dropped(), pending.take_dropped()), (7, 0));
        let pending = Pending::default();
        for _ in 0..5 {
            pending.push(event(MAX_BYTES / 4));
        }
        assert_eq!(pending.take_dropped(), 1);
    }
}
