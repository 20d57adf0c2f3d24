//! DeleteLifecyclePolicy: takes the lifecycle policy of a repository away. What it has not done yet, it never does.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::repositories::require;
use store::tables::repositories::RepositoryRef;
use store::tables::{lifecycle_policies, lifecycle_runs};

use super::errors::EcrError;
use super::shapes::{LifecyclePolicy, RepositoryMembers};

/// Deletes the lifecycle policy of a repository and the record of when it ran, and answers with the policy.
pub struct DeleteLifecyclePolicy;

impl Operation for DeleteLifecyclePolicy {
    const NAME: &'static str = "DeleteLifecyclePolicy";
    const ACTION: Action = Action::EcrDeleteLifecyclePolicy;
    const READ_ONLY: bool = false;
    type Input = RepositoryMembers;
    type Output = LifecyclePolicy;
    type Checked = RepositoryRef;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: RepositoryMembers) -> Result<RepositoryRef, EcrError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, repository: &RepositoryRef) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &repository.registry, repository.name.as_str())]
    }

    async fn run(call: &Call<'_>, repository: RepositoryRef) -> Result<LifecyclePolicy, EcrError> {
        let deleted = call.app.db.make_room(move |tx| {
            let stored = require(tx, &repository)?;
            let policy = lifecycle_policies::delete(tx, stored.id)?;
            let policy = policy.ok_or_else(|| EcrError::LifecyclePolicyNotFound(repository.clone()))?;
            lifecycle_runs::delete(tx, stored.id)?;
            Ok(LifecyclePolicy::new(&repository, policy))
        });
        deleted.await
    }
}
