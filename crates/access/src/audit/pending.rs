//! Events that wait to be stored, gathered in memory so that no call waits for the database.
//!
//! An account may have as much waiting as it leaves free: one that is at work crowds out the events of no other.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use aws::AccountId;
use runtime::boxed;
use store::db::Db;
use store::error::StoreError;
use store::tables::audit_events::{self, NewEvent};
use tokio::sync::Notify;

/// Events and their bytes that can wait; further ones are dropped and counted.
const MAX_EVENTS: usize = 20_000;
const MAX_BYTES: usize = 32 * 1024 * 1024;
/// So many are stored before their time.
const MANY_EVENTS: usize = MAX_EVENTS / 4;
const MANY_BYTES: usize = MAX_BYTES / 4;
/// Events that one transaction stores.
const BATCH: usize = 500;

/// How many events there are, and how long they are together.
#[derive(Clone, Copy, Default)]
struct Size {
    events: usize,
    bytes: usize,
}

impl Size {
    fn with(self, event: &NewEvent) -> Self {
        Self { events: self.events + 1, bytes: self.bytes + event.record.len() }
    }

    /// Whether so much can wait, and leaves as much as `own` is of it.
    const fn leaves(self, own: Self) -> bool {
        self.events + own.events <= MAX_EVENTS && self.bytes + own.bytes <= MAX_BYTES
    }

    const fn is_much(self) -> bool {
        self.events >= MANY_EVENTS || self.bytes >= MANY_BYTES
    }
}

#[derive(Default)]
struct Waiting {
    events: Vec<NewEvent>,
    size: Size,
    accounts: HashMap<AccountId, Size>,
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
    /// Takes an event, or drops it if too many wait, of its account or of all.
    pub fn push(&self, event: NewEvent) {
        self.take(event, true);
    }

    /// Takes an event. One that has waited already, in its account's share, needs no more than that there is room for it.
    fn take(&self, event: NewEvent, is_new: bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let all = waiting.size.with(&event);
        let account = event.registry.account;
        let own = waiting.accounts.get(&account).copied().unwrap_or_default().with(&event);
        if !all.leaves(if is_new { own } else { Size::default() }) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        if all.is_much() && !waiting.size.is_much() {
            self.is_long.notify_one();
        }
        waiting.accounts.insert(account, own);
        waiting.size = all;
        waiting.events.push(event);
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
    #[boxed]
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
                    self.take(event, false);
                }
                return Err(error);
            }
            events.drain(..BATCH.min(events.len()));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use futures_util::FutureExt as _;
    use store::db::DbConfig;

    use super::*;

    /// An event of an account with a record of so many bytes.
    pub(in crate::audit) fn of(account: &str, bytes: usize) -> NewEvent {
        NewEvent {
            registry: store::tables::registry_id::RegistryId {
                account: format!("{:012}", account.parse::<u64>().unwrap_or(999_999_999_999)).parse().expect("an id"),
                region: "us-east-1".parse().expect("a region"),
            },
            at_ms: 0,
            event_id: uuid::Uuid::new_v4().to_string(),
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
        for number in 0..MAX_EVENTS {
            pending.push(of(&number.to_string(), 1));
        }
        assert_eq!(pending.take_dropped(), 1, "the last one leaves nothing");
        for _ in 0..3 {
            pending.push(of("another", 1));
        }
        assert_eq!((pending.take_dropped(), pending.take_dropped()), (3, 0));
    }

    #[test]
    fn an_account_leaves_as_much_as_it_has() {
        for bytes in [1, MAX_BYTES / 16] {
            let pending = Pending::default();
            let room = MAX_EVENTS.min(MAX_BYTES / bytes);
            let taken = |account: &str| {
                (0..room).for_each(|_| pending.push(of(account, bytes)));
                room - usize::try_from(pending.take_dropped()).expect("few")
            };
            assert_eq!([taken("1"), taken("1")], [room / 2, 0]);
            assert_eq!([taken("2"), taken("3")], [room / 4, room / 8]);
        }
    }

    #[tokio::test]
    async fn much_that_waits_is_stored_before_its_time() {
        for (count, bytes) in [(MANY_EVENTS, 1), (4, MANY_BYTES / 4)] {
            let pending = Pending::default();
            for _ in 1..count {
                pending.push(of("1", bytes));
            }
            assert!(pending.is_long().now_or_never().is_none(), "{count}");
            pending.push(of("1", bytes));
            pending.is_long().await;
        }
    }

    #[tokio::test]
    async fn what_could_not_be_stored_waits_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let config = DbConfig::Sqlite { path: folder.path().join("wharf.db") };
        let db = tokio::task::spawn_blocking(move || Db::open(&config)).await.expect("runs").expect("a database");
        let pending = Pending::default();
        // The later ones come first, and have most of the room.
        for (at_ms, account) in [(2, "1"), (1, "2")] {
            for _ in 0..8 {
                pending.push(NewEvent { at_ms, ..of(account, MAX_BYTES / 16) });
            }
        }
        assert_eq!(pending.take_dropped(), 4);
        db.write(|tx| tx.execute("ALTER TABLE audit_events RENAME TO gone", &[])).await.map(drop).expect("renamed");
        pending.flush(&db).await.expect_err("there is no table");
        assert_eq!(pending.take_dropped(), 0);
        db.write(|tx| tx.execute("ALTER TABLE gone RENAME TO audit_events", &[])).await.map(drop).expect("renamed");
        pending.flush(&db).await.expect("stored");
        let held = db.read(audit_events::holdings).await.expect("readable");
        assert_eq!(held.iter().map(|of| of.events).collect::<Vec<_>>(), [8, 4]);
    }
}
