//! What is looked up in the database for metrics: when somebody asks, but never more often than it can bear.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use store::error::StoreError;
use store::tables::garbage_collections::{self, GarbageCollection};
use store::tables::jobs::KindCounts;
use store::tables::nodes::Node;
use store::tables::store_sizes::{self, StoreSizes};
use store::tables::{jobs, uploads};

use crate::app::App;

/// What changes by the second is looked up this often at most.
const WORK_EVERY: Duration = Duration::from_secs(5);
/// What must be summed up over whole tables is looked up this often at most.
const STORE_EVERY: Duration = Duration::from_secs(60);
/// A look-up rests for so many times as long as it took.
const REST: u32 = 50;
/// Whoever asks gets what was known before if a look-up takes longer.
const PATIENCE: Duration = Duration::from_secs(2);

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
    work: Slot<WorkState>,
    store: Slot<StoreState>,
}

/// The last look-up of one kind.
struct Slot<T> {
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
    fn is_due(&self) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.due_at.is_none_or(|at| Instant::now() >= at)
    }

    fn value(&self) -> Option<T> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).value.clone()
    }

    /// Looks up, if that is due, and nobody else has done it meanwhile.
    async fn look(&self, every: Duration, look: impl Future<Output = Result<T, StoreError>>) {
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

impl Samples {
    /// What is being worked on; none if that cannot be read.
    pub async fn work(app: &Arc<App>) -> Option<WorkState> {
        if app.metrics.samples.work.is_due() {
            let node = Arc::clone(app);
            patiently(async move { node.metrics.samples.work.look(WORK_EVERY, look_at_work(&node)).await }).await;
        }
        app.metrics.samples.work.value()
    }

    /// How much there is; none if that cannot be read, or is being read for the first time and takes long.
    pub async fn store(app: &Arc<App>) -> Option<StoreState> {
        if app.metrics.samples.store.is_due() {
            let node = Arc::clone(app);
            patiently(async move { node.metrics.samples.store.look(STORE_EVERY, look_at_store(&node)).await }).await;
        }
        app.metrics.samples.store.value()
    }
}

/// Waits for a look-up, which goes on if that takes too long.
async fn patiently(look: impl Future<Output = ()> + Send + 'static) {
    let _ = tokio::time::timeout(PATIENCE, tokio::spawn(look)).await;
}

async fn look_at_work(app: &App) -> Result<WorkState, StoreError> {
    let now_ms = app.now_ms();
    let nodes = app.known_nodes().await?;
    let looked = app.db.read(move |tx| {
        let jobs = jobs::count_by_kind(tx, now_ms)?;
        let (uploads, upload_bytes) = uploads::count_all(tx)?;
        let collection = garbage_collections::find(tx)?;
        Ok::<_, StoreError>((jobs, uploads, upload_bytes, collection))
    });
    let (jobs, uploads, upload_bytes, collection) = looked.await?;
    Ok(WorkState { jobs, uploads, upload_bytes, nodes, collection, at_ms: now_ms })
}

async fn look_at_store(app: &App) -> Result<StoreState, StoreError> {
    let at_ms = app.now_ms();
    let sizes = app.db.read(|tx| store_sizes::measure(tx)).await?;
    Ok(StoreState { sizes, at_ms })
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
