//! GetLifecyclePolicy: the lifecycle policy of a repository as it was given, and when it was last evaluated.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::repositories::require;
use store::tables::lifecycle_policies;
use store::tables::repositories::RepositoryRef;

use super::errors::EcrError;
use super::shapes::{LifecyclePolicy, RepositoryMembers};

/// Reads the lifecycle policy of a repository, as it was given, and when it was last evaluated.
pub struct GetLifecyclePolicy;

impl Operation for GetLifecyclePolicy {
    const NAME: &'static str = "GetLifecyclePolicy";
    const ACTION: Action = Action::EcrGetLifecyclePolicy;
    const READ_ONLY: bool = true;
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
        let found = call.app.db.read_point(move |tx| {
            let stored = require(tx, &repository)?;
            let policy = lifecycle_policies::find(tx, stored.id)?;
            let policy = policy.ok_or_else(|| EcrError::LifecyclePolicyNotFound(repository.clone()))?;
            Ok(LifecyclePolicy::new(&repository, policy))
        });
        found.await
    }
}
