//! RunLifecyclePolicy: lets the lifecycle policy of a repository run now. It runs as a job;
//! DescribeLifecyclePolicies tells how far it is.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::lifecycle::run_lifecycle_policy::RunLifecyclePolicy as RunJob;
use registry::images::repositories::require;
use runtime::jobs::job::enqueue;
use serde::{Deserialize, Serialize};
use store::tables::lifecycle_policies;
use store::tables::repositories::RepositoryRef;

use super::constraints;
use super::errors::WharfError;

/// Has a job run the lifecycle policy of a repository now.
pub struct RunLifecyclePolicy;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
}

impl Operation for RunLifecyclePolicy {
    const NAME: &'static str = "RunLifecyclePolicy";
    const ACTION: Action = Action::WharfRunLifecyclePolicy;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = RepositoryRef;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<RepositoryRef, WharfError> {
        constraints::repository(call, input.registry_id.as_deref(), input.repository_name.as_deref())
    }

    fn needs(_: &Call<'_>, place: &RepositoryRef) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &place.registry, place.name.as_str())]
    }

    async fn run(call: &Call<'_>, place: RepositoryRef) -> Result<Output, WharfError> {
        let app = call.app;
        let now_ms = app.now_ms();
        let noted = app.db.write(move |tx| {
            let repository = require(tx, &place)?;
            if lifecycle_policies::find(tx, repository.id)?.is_none() {
                return Err(WharfError::LifecyclePolicyNotFound(place.clone()));
            }
            enqueue(tx, &RunJob { repository_id: repository.id }, now_ms, now_ms)?;
            Ok(Output { registry_id: place.registry.account.to_string(), repository_name: place.name.to_string() })
        });
        let output = noted.await?;
        app.wake_jobs.wake();
        Ok(output)
    }
}
