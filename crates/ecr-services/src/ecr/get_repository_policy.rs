//! GetRepositoryPolicy: the policy of a repository, as it was given.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use store::tables::repositories::RepositoryRef;

use super::errors::EcrError;
use super::shapes::{RepositoryMembers, RepositoryPolicy};

/// Reads the policy of a repository, as it was given.
pub struct GetRepositoryPolicy;

impl Operation for GetRepositoryPolicy {
    const NAME: &'static str = "GetRepositoryPolicy";
    const ACTION: Action = Action::EcrGetRepositoryPolicy;
    const READ_ONLY: bool = true;
    type Input = RepositoryMembers;
    type Output = RepositoryPolicy;
    type Checked = RepositoryRef;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: RepositoryMembers) -> Result<RepositoryRef, EcrError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, repository: &RepositoryRef) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &repository.registry, repository.name.as_str())]
    }

    async fn run(call: &Call<'_>, repository: RepositoryRef) -> Result<RepositoryPolicy, EcrError> {
        call.app.db.read_point(move |tx| RepositoryPolicy::require(tx, &repository)).await
    }
}
