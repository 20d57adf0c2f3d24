//! The time, handed in so that rules which depend on it can be tested without waiting.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use store::db::Db;
use store::error::StoreError;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::boxed;
use crate::shutdown::stopped;

/// How often a node looks at the clock of the database server.
const COMPARE_EVERY: Duration = Duration::from_secs(10);
/// An answer that took longer says too little about the time it was given at.
const LONGEST_ANSWER: Duration = Duration::from_secs(1);

/// Where the time comes from.
pub trait Clock: Send + Sync {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// The clock of the database server, which all nodes share: leases, grace periods and orders of events agree whatever
/// the nodes' own clocks say, also when one of them is set while the node runs.
pub struct DatabaseClock {
    db: Db,
    /// What the server's clock said, and when that was.
    anchor: RwLock<(Instant, i64)>,
}

impl DatabaseClock {
    /// The clock of `db`; none if that is embedded, and this machine's clock is the only one.
    #[boxed]
    pub async fn of(db: &Db) -> Result<Option<Arc<Self>>, StoreError> {
        let asked = Instant::now();
        let Some(said_ms) = db.server_time_ms().await? else { return Ok(None) };
        let anchor = RwLock::new((midway(asked), said_ms));
        Ok(Some(Arc::new(Self { db: db.clone(), anchor })))
    }

    /// Follows the server's clock until `stop` turns true. While it cannot be asked, time goes on as this machine counts.
    #[boxed]
    pub async fn follow(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut compare = interval(COMPARE_EVERY);
        compare.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stopped(&mut stop) => return,
                _ = compare.tick() => {}
            }
            let asked = Instant::now();
            match self.db.server_time_ms().await {
                Ok(Some(said_ms)) if asked.elapsed() <= LONGEST_ANSWER => {
                    *self.anchor.write().unwrap_or_else(PoisonError::into_inner) = (midway(asked), said_ms);
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!("the database's clock was not read: {error}", error = crate::with_causes(&error));
                }
            }
        }
    }
}

/// The middle of the time that has passed, in which the answer was most likely given.
fn midway(since: Instant) -> Instant {
    since + since.elapsed() / 2
}

impl Clock for DatabaseClock {
    fn now_ms(&self) -> i64 {
        let (at, said_ms) = *self.anchor.read().unwrap_or_else(PoisonError::into_inner);
        said_ms + i64::try_from(at.elapsed().as_millis()).unwrap_or(0)
    }
}

/// A clock that stands still until a test moves it.
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Stands at `now_ms`.
    pub const fn new(now_ms: i64) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    /// Moves on.
    pub fn advance_ms(&self, by_ms: i64) {
        self.0.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}
