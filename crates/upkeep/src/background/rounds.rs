//! What a node does again and again.

use std::sync::Arc;
use std::time::Duration;

use access::{nodes, root_key_rotation};
use registry::Registry;
use registry::events;
use registry::images::collect_garbage;
use registry::images::lifecycle::schedule_lifecycle;
use runtime::jobs::rounds::Round;
use runtime::work::Work;
use scanning::context::Scanning;
use scanning::{layer_facts, update_advisories};
use store::error::{StoreError, StoreErrorKind};

use crate::storage_check::scrub_storage;

const PULL_TIMES_EVERY: Duration = Duration::from_secs(5);
const LAST_USES_EVERY: Duration = Duration::from_secs(5);
const PULL_EVENTS_EVERY: Duration = Duration::from_secs(1);
const FOLLOWED_EVENTS_EVERY: Duration = Duration::from_secs(60);
const BALLAST_EVERY: Duration = Duration::from_secs(10);
const GARBAGE_EVERY: Duration = Duration::from_secs(10);
const SCRUB_EVERY: Duration = Duration::from_secs(60);
const ADVISORIES_EVERY: Duration = Duration::from_secs(60);
const FACTS_EVERY: Duration = Duration::from_secs(60 * 60);
const ROTATION_EVERY: Duration = Duration::from_secs(60);

/// Every round of a node that does this work.
pub fn of(scanning: &Arc<Scanning>, work: Work) -> Vec<Round> {
    let app = &scanning.registry;
    let follow = |app: Arc<Registry>| async move { app.follow_changes().await };
    let follow = Round::new("following changes of keys, identities and policies", nodes::LOOK_EVERY, app, follow);
    if work != Work::All {
        return vec![follow];
    }
    vec![
        follow,
        Round::new("storing pull times", PULL_TIMES_EVERY, app, |app| async move { app.pull_times.flush(&app).await }),
        Round::new("storing last uses of keys", LAST_USES_EVERY, app, |app| async move {
            app.last_uses.flush(&app.db).await
        }),
        Round::new("rotating the root key", ROTATION_EVERY, app, |app| async move {
            root_key_rotation::rotate_if_due(&app).await
        }),
        Round::new("storing events of pulls", PULL_EVENTS_EVERY, app, |app| async move {
            app.events.flush_pulls(&app).await
        }),
        Round::new("forgetting events that were followed", FOLLOWED_EVENTS_EVERY, app, |app| async move {
            events::forget_followed(&app).await
        }),
        Round::new("keeping space back", BALLAST_EVERY, app, |app| async move { keep_space_back(&app).await }),
        Round::new("scheduling the garbage collection", GARBAGE_EVERY, app, |app| async move {
            collect_garbage::schedule(&app).await
        }),
        Round::new("scheduling the scrub", SCRUB_EVERY, app, |app| async move { scrub_storage::schedule(&app).await }),
        Round::new("scheduling lifecycle policies", schedule_lifecycle::LOOK_EVERY, app, |app| async move {
            schedule_lifecycle::run(&app).await
        }),
        Round::new("forgetting what is known of layers that are gone", FACTS_EVERY, app, |app| async move {
            layer_facts::forget_unneeded(&app).await
        }),
        Round::new("scheduling updates of advisories", ADVISORIES_EVERY, scanning, |app| async move {
            update_advisories::schedule(&app).await
        }),
    ]
}

/// Keeps space back again that was used, when there is room.
async fn keep_space_back(app: &Registry) -> Result<(), StoreError> {
    let Some(ballast) = app.ballast.clone() else { return Ok(()) };
    let refilled = runtime::tasks::spawn_blocking(move || ballast.refill()).await;
    refilled.map(drop).map_err(|error| StoreError::new(StoreErrorKind::Other, "it ended early").with_source(error))
}
