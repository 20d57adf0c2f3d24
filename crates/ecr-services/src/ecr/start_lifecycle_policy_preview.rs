//! StartLifecyclePolicyPreview: lets a preview be made of what a lifecycle policy would do.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::lifecycle::PREVIEW_DEADLINE_MS;
use registry::images::lifecycle::preview_lifecycle_policy::PreviewLifecyclePolicy;
use registry::images::repositories::require;
use runtime::jobs::job::enqueue;
use serde::{Deserialize, Serialize};
use store::tables::lifecycle_policies;
use store::tables::lifecycle_previews::{self, PreviewStatus};
use store::tables::repositories::RepositoryRef;

use super::constraints;
use super::errors::EcrError;
use super::shapes::RepositoryMembers;

/// Has a job find out what a lifecycle policy would do: the one that is given, or else the repository's own.
pub struct StartLifecyclePolicyPreview;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    #[serde(flatten)]
    repository: RepositoryMembers,
    lifecycle_policy_text: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    lifecycle_policy_text: String,
    status: &'static str,
}

impl Operation for StartLifecyclePolicyPreview {
    const NAME: &'static str = "StartLifecyclePolicyPreview";
    const ACTION: Action = Action::EcrStartLifecyclePolicyPreview;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = (RepositoryRef, Option<String>);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let repository = input.repository.check(call)?;
        if let Some(text) = &input.lifecycle_policy_text {
            constraints::lifecycle_policy(text)?;
        }
        Ok((repository, input.lifecycle_policy_text))
    }

    fn needs(_: &Call<'_>, (repository, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &repository.registry, repository.name.as_str())]
    }

    async fn run(call: &Call<'_>, (repository, text): Self::Checked) -> Result<Output, EcrError> {
        let app = call.app;
        let now_ms = app.now_ms();
        let started = app.db.write(move |tx| {
            let stored = require(tx, &repository)?;
            let policy_text = match &text {
                Some(text) => text.clone(),
                None => match lifecycle_policies::find(tx, stored.id)? {
                    Some(policy) => policy.text,
                    None => return Err(EcrError::LifecyclePolicyNotFound(repository.clone())),
                },
            };
            let is_running = lifecycle_previews::find(tx, stored.id)?.is_some_and(|preview| {
                preview.status == PreviewStatus::InProgress && now_ms - preview.started_at_ms < PREVIEW_DEADLINE_MS
            });
            if is_running {
                return Err(EcrError::LifecyclePolicyPreviewInProgress(repository.clone()));
            }
            lifecycle_previews::start(tx, stored.id, &policy_text, now_ms)?;
            let job = PreviewLifecyclePolicy { repository_id: stored.id, started_at_ms: now_ms };
            enqueue(tx, &job, now_ms, now_ms)?;
            Ok(Output {
                registry_id: repository.registry.account.to_string(),
                repository_name: repository.name.to_string(),
                lifecycle_policy_text: policy_text,
                status: PreviewStatus::InProgress.as_str(),
            })
        });
        let output = started.await?;
        app.wake_jobs.wake();
        Ok(output)
    }
}
