//! The job that makes a preview of a lifecycle policy.

use std::sync::Arc;

use access::audit::record_service_event;
use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::error::{StoreError, StoreErrorKind};
use store::tables::lifecycle_previews::{self, PreviewResult, PreviewStatus};
use store::tables::{lifecycle_policies, repositories};

use super::decision::{self, Decision, ImageAction, Planned, Unable};
use super::service_events::{self, PolicyEvents};
use crate::Registry;

/// Results that one transaction writes or removes.
const RESULTS_AT_ONCE: usize = 500;

/// Makes the preview that was started then.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PreviewLifecyclePolicy {
    /// The repository.
    pub repository_id: i64,
    /// Tells the preview from those before it.
    pub started_at_ms: i64,
}

impl Job for PreviewLifecyclePolicy {
    const KIND: &'static str = "preview_lifecycle_policy";

    fn key(&self) -> String {
        self.repository_id.to_string()
    }
}

impl Handle<Registry> for PreviewLifecyclePolicy {
    async fn run(self, app: Arc<Registry>, attempt: Attempt) -> Result<(), JobError> {
        let result = self.make(&app).await;
        if result.is_err() && attempt.is_last {
            self.finish(&app, PreviewStatus::Failed, (0, 0)).await?;
        }
        Ok(result?)
    }
}

impl PreviewLifecyclePolicy {
    async fn make(self, app: &Registry) -> Result<(), StoreError> {
        let Self { repository_id, started_at_ms } = self;
        // Those of the preview before, or of an attempt that was cut off.
        let remove =
            move || app.db.write(move |tx| lifecycle_previews::delete_results(tx, repository_id, RESULTS_AT_ONCE));
        while remove().await? > 0 {}
        app.pull_times.flush(app).await?;
        let now_ms = app.now_ms();
        let decided = app.db.read(move |tx| {
            let preview = lifecycle_previews::find(tx, repository_id)?.filter(|preview| {
                preview.status == PreviewStatus::InProgress && preview.started_at_ms == started_at_ms
            });
            let (Some(preview), Some(repository)) = (preview, repositories::find_by_id(tx, repository_id)?) else {
                return Ok(None);
            };
            let policy = super::parse(&preview.policy_text).map_err(|error| {
                StoreError::new(StoreErrorKind::Corrupt, "the lifecycle policy of a preview").with_source(error)
            })?;
            let last_evaluated_at_ms =
                lifecycle_policies::find(tx, repository_id)?.map_or(0, |policy| policy.last_evaluated_at_ms);
            let decision = decision::decide(tx, &repository, &preview.policy_text, &policy, now_ms)?;
            Ok(Some((repository, last_evaluated_at_ms, decision)))
        });
        let Some((repository, last_evaluated_at_ms, decision)) = decided.await? else { return Ok(()) };
        let Decision { policy_text, actions, failures, .. } = decision;
        let policy_events = PolicyEvents {
            name: service_events::DRY_RUN,
            repository: &repository,
            policy_text: &policy_text,
            last_evaluated_at_ms,
        };
        let count = |action| actions.iter().filter(|planned| planned.selected.action == action).count() as i64;
        let counts = (count(ImageAction::Expire), count(ImageAction::Transition));
        let actions = Arc::new(actions);
        for first in (0..actions.len()).step_by(RESULTS_AT_ONCE) {
            let actions = Arc::clone(&actions);
            let written = app.db.write(move |tx| {
                let some = actions.iter().enumerate().skip(first).take(RESULTS_AT_ONCE);
                some.into_iter().try_for_each(|(at, planned)| {
                    lifecycle_previews::insert_result(tx, repository_id, &result(at, planned)?)
                })
            });
            written.await?;
        }
        self.finish(app, PreviewStatus::Complete, counts).await?;
        if app.audit.wants(false) {
            record(app, &policy_events, &actions, &failures).await?;
        }
        Ok(())
    }

    async fn finish(self, app: &Registry, status: PreviewStatus, counts: (i64, i64)) -> Result<(), StoreError> {
        let Self { repository_id, started_at_ms } = self;
        let now_ms = app.now_ms();
        let finished = app
            .db
            .write(move |tx| lifecycle_previews::finish(tx, repository_id, started_at_ms, status, counts, now_ms));
        finished.await
    }
}

/// Tells CloudTrail of a preview, in portions that there is room for among the events that wait to be stored.
async fn record(
    app: &Registry,
    policy_events: &PolicyEvents<'_>,
    actions: &[Planned],
    failures: &[Unable],
) -> Result<(), StoreError> {
    if actions.is_empty() && failures.is_empty() {
        record_service_event(app, &policy_events.of_nothing()?);
    }
    for some in actions.chunks(RESULTS_AT_ONCE) {
        let some: Vec<Value> = some.iter().map(|planned| service_events::planned(&planned.selected)).collect();
        policy_events.of(&some, &[])?.iter().for_each(|event| record_service_event(app, event));
        app.audit.flush(&app.db).await?;
    }
    for some in failures.chunks(RESULTS_AT_ONCE) {
        let some: Vec<Value> = some.iter().map(service_events::unable).collect();
        policy_events.of(&[], &some)?.iter().for_each(|event| record_service_event(app, event));
        app.audit.flush(&app.db).await?;
    }
    Ok(())
}

fn result(at: usize, planned: &Planned) -> Result<PreviewResult, StoreError> {
    let result = serde_json::to_string(&planned.selected).map_err(|error| {
        StoreError::new(StoreErrorKind::Other, "a result of a preview cannot be stored").with_source(error)
    })?;
    Ok(PreviewResult {
        position: at as i64,
        image_digest: planned.selected.digest.clone(),
        is_tagged: !planned.selected.tags.is_empty(),
        result,
    })
}
