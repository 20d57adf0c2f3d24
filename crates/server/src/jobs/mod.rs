//! Background work of one node: jobs that follow from changes, and what is done again and again: storing pull times and
//! uses of keys, following what other nodes change, abandoning stale uploads, collecting garbage.

pub mod check_storage;
pub(crate) mod collect_garbage;
pub mod delete_kms_key;
pub mod follow_subject;
pub mod job;
pub mod move_blob;
pub mod preview_lifecycle_policy;
pub mod reseal;
pub mod restore_image;
pub mod rotate_kms_key;
pub mod run_lifecycle_policy;
pub(crate) mod schedule_lifecycle;
pub mod scrub_storage;
pub mod worker;
#[cfg(test)]
mod worker_tests;

use std::sync::Arc;
use std::time::Duration;

use store::error::{StoreError, StoreErrorKind};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use crate::app::App;
use crate::events;
use crate::shutdown::stopped;
use crate::work::Work;
use crate::{nodes, replication, root_keys};

/// Pull times and uses of keys are stored, and garbage is looked for, so often.
const PULL_TIMES_EVERY: Duration = Duration::from_secs(5);
const LAST_USES_EVERY: Duration = Duration::from_secs(5);
const PULL_EVENTS_EVERY: Duration = Duration::from_secs(1);
const FOLLOWED_EVENTS_EVERY: Duration = Duration::from_secs(60);
const BALLAST_EVERY: Duration = Duration::from_secs(10);
const GARBAGE_EVERY: Duration = Duration::from_secs(10);
const SCRUB_EVERY: Duration = Duration::from_secs(60);
const ROTATION_EVERY: Duration = Duration::from_secs(60);

/// Every kind of job.
pub const JOBS: &[job::Entry] = &[
    job::Entry::of::<collect_garbage::CollectGarbage>(),
    job::Entry::of::<check_storage::CheckStorage>(),
    job::Entry::of::<scrub_storage::ScrubStorage>(),
    job::Entry::of::<follow_subject::FollowSubject>(),
    job::Entry::of::<move_blob::MoveBlob>(),
    job::Entry::of::<delete_kms_key::DeleteKmsKey>(),
    job::Entry::of::<rotate_kms_key::RotateKmsKey>(),
    job::Entry::of::<reseal::Reseal>(),
    job::Entry::of::<restore_image::RestoreImage>(),
    job::Entry::of::<preview_lifecycle_policy::PreviewLifecyclePolicy>(),
    job::Entry::of::<run_lifecycle_policy::RunLifecyclePolicy>(),
    job::Entry::of::<replication::replicate::Replicate>(),
    job::Entry::of::<replication::backfill::Fill>(),
];

/// Works until `stop` turns true.
pub async fn run(app: Arc<App>, stop: watch::Receiver<bool>, work: Work) {
    tokio::join!(worker::run(Arc::clone(&app), stop.clone(), work), run_rounds(app, stop, work));
}

async fn run_rounds(app: Arc<App>, mut stop: watch::Receiver<bool>, work: Work) {
    let is_all = work == Work::All;
    let mut pull_times = interval(PULL_TIMES_EVERY);
    let mut last_uses = interval(LAST_USES_EVERY);
    let mut changes = interval(nodes::LOOK_EVERY);
    let mut rotation = interval(ROTATION_EVERY);
    let mut pull_events = interval(PULL_EVENTS_EVERY);
    let mut followed_events = interval(FOLLOWED_EVENTS_EVERY);
    let mut ballast = interval(BALLAST_EVERY);
    let mut garbage = interval(GARBAGE_EVERY);
    let mut scrub = interval(SCRUB_EVERY);
    let mut lifecycle = interval(schedule_lifecycle::LOOK_EVERY);
    pull_times.set_missed_tick_behavior(MissedTickBehavior::Delay);
    last_uses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    changes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    rotation.set_missed_tick_behavior(MissedTickBehavior::Delay);
    pull_events.set_missed_tick_behavior(MissedTickBehavior::Delay);
    followed_events.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ballast.set_missed_tick_behavior(MissedTickBehavior::Delay);
    garbage.set_missed_tick_behavior(MissedTickBehavior::Delay);
    scrub.set_missed_tick_behavior(MissedTickBehavior::Delay);
    lifecycle.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let (what, result) = tokio::select! {
            () = stopped(&mut stop) => return,
            _ = pull_times.tick(), if is_all => ("storing pull times", app.pull_times.flush(&app).await),
            _ = last_uses.tick(), if is_all => ("storing last uses of keys", app.last_uses.flush(&app.db).await),
            _ = changes.tick() => ("following changes of keys, identities and policies", app.follow_changes().await),
            _ = rotation.tick(), if is_all => ("rotating the root key", root_keys::rotate_if_due(&app).await),
            _ = pull_events.tick(), if is_all => ("storing events of pulls", app.events.flush_pulls(&app).await),
            _ = followed_events.tick(), if is_all => {
                ("forgetting events that were followed", events::forget_followed(&app).await)
            }
            _ = ballast.tick(), if is_all => ("keeping space back", keep_space_back(&app).await),
            _ = garbage.tick(), if is_all => ("scheduling the garbage collection", collect_garbage::schedule(&app).await),
            _ = scrub.tick(), if is_all => ("scheduling the scrub", scrub_storage::schedule(&app).await),
            _ = lifecycle.tick(), if is_all => ("scheduling lifecycle policies", schedule_lifecycle::run(&app).await),
        };
        if let Err(error) = result {
            tracing::error!("{what} failed, and is tried again later: {error}", error = crate::with_causes(&error));
        }
    }
}

/// Keeps space back again that was used, when there is room.
async fn keep_space_back(app: &App) -> Result<(), StoreError> {
    let Some(ballast) = app.ballast.clone() else { return Ok(()) };
    let kept = tokio::task::spawn_blocking(move || ballast.refill()).await;
    kept.map(drop).map_err(|error| StoreError::new(StoreErrorKind::Other, "it ended early").with_source(error))
}
