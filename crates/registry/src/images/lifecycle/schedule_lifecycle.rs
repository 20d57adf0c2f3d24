//! Lets lifecycle policies run again and again, and forgets the results of old previews. Every node looks; what one
//! takes, the others do not see.

use std::time::Duration;

use runtime::boxed;
use runtime::jobs::job::enqueue;
use store::error::StoreError;
use store::tables::{lifecycle_policies, lifecycle_previews};

use super::PREVIEW_LIFETIME_MS;
use super::run_lifecycle_policy::RunLifecyclePolicy;
use crate::Registry;

/// How often a node looks for policies that are due.
pub const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Policies that one transaction takes.
const POLICIES_AT_ONCE: usize = 100;
/// Results of previews that one transaction removes.
const RESULTS_AT_ONCE: usize = 500;

/// One round.
#[boxed]
pub async fn run(app: &Registry) -> Result<(), StoreError> {
    let now_ms = app.now_ms();
    // Rather a little early than late: 'at least once every 24 hours' (reference/lifecycle.md 5).
    let before_ms = now_ms - app.limits.lifecycle_interval_ms + 2 * LOOK_EVERY.as_millis() as i64;
    loop {
        let taken = app.db.make_room(move |tx| {
            let taken = lifecycle_policies::take_due(tx, before_ms, now_ms, POLICIES_AT_ONCE)?;
            for repository_id in &taken {
                enqueue(tx, &RunLifecyclePolicy { repository_id: *repository_id }, now_ms, now_ms)?;
            }
            Ok::<_, StoreError>(taken.len())
        });
        let taken = taken.await?;
        if taken > 0 {
            app.wake_jobs.wake();
        }
        if taken < POLICIES_AT_ONCE {
            break;
        }
    }
    let before_ms = now_ms - PREVIEW_LIFETIME_MS;
    while app.db.make_room(move |tx| lifecycle_previews::expire_one(tx, before_ms, RESULTS_AT_ONCE)).await? {}
    Ok(())
}
