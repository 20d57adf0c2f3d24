//! What was last looked up in the database, for metrics and for whoever else asks how the server is: kept, so that it is
//! never looked up more often than the database can bear.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use store::error::StoreError;
use store::tables::garbage_collections::GarbageCollection;
use store::tables::jobs::KindCounts;
use store::tables::nodes::Node;
use store::tables::store_sizes::StoreSizes;

/// A look-up rests for so many times as long as it took.
const REST: u32 = 50;

/// What is being worked on.
#[derive(Clone, Debug, Default)]
pub struct WorkState {
    /// The jobs.
    pub jobs: Vec<KindCounts>,
    /// Uploads that have begun and not ended.
    pub uploads: u64,
    /// The bytes that these have received.
    pub upload_bytes: u64,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// Scans that have not ended, and when the oldest of them was asked for.
    pub scans: (i64, Option<i64>),
    /// The files of feeds that are in force, and when each was last seen to be current.
    pub advisories: Vec<(String, Option<i64>)>,
    /// The garbage collection, if there ever was one.
    pub collection: Option<GarbageCollection>,
    /// When this was so.
    pub at_ms: i64,
}

/// How much there is.
#[derive(Clone, Copy, Debug, Default)]
pub struct StoreState {
    /// All sizes.
    pub sizes: StoreSizes,
    /// When this was so.
    pub at_ms: i64,
}

/// The last of each.
#[derive(Default)]
pub struct Samples {
    /// What is being worked on.
    pub work: Slot<WorkState>,
    /// How much there is.
    pub store: Slot<StoreState>,
}

/// The last look-up of one kind.
pub struct Slot<T> {
    known: Mutex<Known<T>>,
    /// Held by whoever looks.
    turn: tokio::sync::Mutex<()>,
}

struct Known<T> {
    value: Option<T>,
    due_at: Option<Instant>,
}

impl<T> Default for Slot<T> {
    fn default() -> Self {
        Self { known: Mutex::new(Known { value: None, due_at: None }), turn: tokio::sync::Mutex::default() }
    }
}

impl<T: Clone> Slot<T> {
    /// Whether it is time to look again.
    pub fn is_due(&self) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.due_at.is_none_or(|at| Instant::now() >= at)
    }

    /// What was found last; none if that could not be read, or nobody has looked yet.
    pub fn value(&self) -> Option<T> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).value.clone()
    }

    /// Looks up, if that is due, and nobody else has done it meanwhile.
    pub async fn look(&self, every: Duration, look: impl Future<Output = Result<T, StoreError>>) {
        let _turn = self.turn.lock().await;
        if !self.is_due() {
            return;
        }
        let began = Instant::now();
        let result = look.await;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.due_at = Some(Instant::now() + every.max(began.elapsed() * REST));
        match result {
            Ok(value) => known.value = Some(value),
            // What is not known any more is not told.
            Err(error) => {
                known.value = None;
                tracing::warn!("figures for metrics cannot be read: {error}", error = crate::with_causes(&error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_looks_for_all_and_not_again_at_once() {
        let slot = Slot::<u32>::default();
        assert!(slot.is_due());
        let hour = Duration::from_secs(3600);
        slot.look(hour, async { Ok(1) }).await;
        assert_eq!((slot.value(), slot.is_due()), (Some(1), false));
        slot.look(hour, async { Ok(2) }).await;
        assert_eq!(slot.value(), Some(1), "not due");
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_not_told() {
        let slot = Slot::<u32>::default();
        slot.look(Duration::ZERO, async { Ok(1) }).await;
        assert_eq!(slot.value(), Some(1));
        while !slot.is_due() {
            tokio::task::yield_now().await;
        }
        slot.look(Duration::ZERO, async {
            Err(StoreError::new(store::error::StoreErrorKind::Unavailable, "the database is away"))
        })
        .await;
        assert_eq!(slot.value(), None);
    }
}
