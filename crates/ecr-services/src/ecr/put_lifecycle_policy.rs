//! PutLifecyclePolicy: gives a repository a lifecycle policy, which applies to the images that are there, too.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::lifecycle::run_lifecycle_policy::RunLifecyclePolicy;
use registry::images::repositories::require;
use runtime::jobs::job::enqueue;
use serde::{Deserialize, Serialize};
use store::tables::lifecycle_policies;
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check};
use super::errors::EcrError;
use super::shapes::RepositoryMembers;

/// Stores the lifecycle policy of a repository, and has a job run it now.
pub struct PutLifecyclePolicy;

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
}

impl Operation for PutLifecyclePolicy {
    const NAME: &'static str = "PutLifecyclePolicy";
    const ACTION: Action = Action::EcrPutLifecyclePolicy;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = (RepositoryRef, String);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let repository = input.repository.check(call)?;
        let text = Check::required("lifecyclePolicyText", input.lifecycle_policy_text)?;
        constraints::lifecycle_policy(&text)?;
        Ok((repository, text))
    }

    fn needs(_: &Call<'_>, (repository, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &repository.registry, repository.name.as_str())]
    }

    async fn run(call: &Call<'_>, (repository, text): Self::Checked) -> Result<Output, EcrError> {
        let app = call.app;
        let now_ms = app.now_ms();
        let output = Output {
            registry_id: repository.registry.account.to_string(),
            repository_name: repository.name.to_string(),
            lifecycle_policy_text: text.clone(),
        };
        let put = app.db.write(move |tx| {
            let stored = require(tx, &repository)?;
            lifecycle_policies::upsert(tx, stored.id, &text, now_ms)?;
            Ok::<_, EcrError>(enqueue(tx, &RunLifecyclePolicy { repository_id: stored.id }, now_ms, now_ms)?)
        });
        put.await?;
        app.wake_jobs.wake();
        Ok(output)
    }
}
