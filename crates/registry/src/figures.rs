//! What is looked up in the database for metrics and for DescribeServer: when somebody asks, but never more often than it
//! can bear.

use std::sync::Arc;
use std::time::Duration;

use runtime::boxed;
use runtime::metrics::{StoreState, WorkState};
use store::error::StoreError;
use store::tables::{advisory_feeds, garbage_collections, image_scans, jobs, store_sizes, uploads};

use crate::Registry;

/// What changes by the second is looked up this often at most.
const WORK_EVERY: Duration = Duration::from_secs(5);
/// What must be summed up over whole tables is looked up this often at most.
const STORE_EVERY: Duration = Duration::from_secs(60);
/// Whoever asks gets what was known before if a look-up takes longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is being worked on; none if that cannot be read.
#[boxed]
pub async fn work(app: &Arc<Registry>) -> Option<WorkState> {
    if app.metrics.samples.work.is_due() {
        let node = Arc::clone(app);
        patiently(async move { node.metrics.samples.work.look(WORK_EVERY, look_at_work(&node)).await }).await;
    }
    app.metrics.samples.work.value()
}

/// How much there is; none if that cannot be read, or is being read for the first time and takes long.
#[boxed]
pub async fn store(app: &Arc<Registry>) -> Option<StoreState> {
    if app.metrics.samples.store.is_due() {
        let node = Arc::clone(app);
        patiently(async move { node.metrics.samples.store.look(STORE_EVERY, look_at_store(&node)).await }).await;
    }
    app.metrics.samples.store.value()
}

/// Waits for a look-up, which goes on if that takes too long.
async fn patiently(look: impl Future<Output = ()> + Send + 'static) {
    let _ = runtime::timer::timeout(PATIENCE, runtime::tasks::spawn(look)).await;
}

async fn look_at_work(app: &Registry) -> Result<WorkState, StoreError> {
    let now_ms = app.now_ms();
    let nodes = app.known_nodes().await?;
    let looked = app.db.read(move |tx| {
        let jobs = jobs::count_by_kind(tx, now_ms)?;
        let (uploads, upload_bytes) = uploads::count_all(tx)?;
        let collection = garbage_collections::find(tx)?;
        let scans = image_scans::waiting(tx)?;
        let feeds = advisory_feeds::list(tx)?;
        let advisories = feeds.into_iter().map(|feed| (feed.name, feed.checked_at_ms)).collect();
        let at_ms = now_ms;
        // What needs another look-up is filled in below.
        let nodes = Vec::new();
        Ok::<_, StoreError>(WorkState { jobs, uploads, upload_bytes, nodes, scans, advisories, collection, at_ms })
    });
    Ok(WorkState { nodes, ..looked.await? })
}

async fn look_at_store(app: &Registry) -> Result<StoreState, StoreError> {
    let at_ms = app.now_ms();
    let sizes = app.db.read(|tx| store_sizes::measure(tx)).await?;
    Ok(StoreState { sizes, at_ms })
}
