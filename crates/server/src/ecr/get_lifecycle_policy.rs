//! GetLifecyclePolicy: the lifecycle policy of a repository as it was given, and when it was last evaluated.

use store::tables::lifecycle_policies;

use super::errors::EcrError;
use super::shapes::{LifecyclePolicy, RepositoryMembers};
use crate::auth::authorize::Need;
use crate::aws_api::operation::{Call, Operation};
use crate::registry::repositories::require;
use store::tables::repositories::RepositoryRef;

/// Reads the lifecycle policy of a repository, as it was given, and when it was last evaluated.
pub struct GetLifecyclePolicy;

impl Operation for GetLifecyclePolicy {
    const NAME: &'static str = "GetLifecyclePolicy";
    const ACTION: &'static str = "ecr:GetLifecyclePolicy";
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
        let found = call.app().db.read_point(move |tx| {
            let stored = require(tx, &repository.registry, &repository.name)?;
            let policy = lifecycle_policies::find(tx, stored.id)?;
            let policy = policy.ok_or_else(|| EcrError::LifecyclePolicyNotFound(repository.clone()))?;
            Ok(LifecyclePolicy::new(&repository, policy))
        });
        found.await
    }
}
