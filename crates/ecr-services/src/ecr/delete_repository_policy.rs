//! DeleteRepositoryPolicy: takes the policy of a repository away.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::repositories::require;
use store::tables::repositories::RepositoryRef;
use store::tables::repository_policies;

use super::errors::EcrError;
use super::shapes::{RepositoryMembers, RepositoryPolicy};

/// Deletes the policy of a repository, and answers with it.
pub struct DeleteRepositoryPolicy;

impl Operation for DeleteRepositoryPolicy {
    const NAME: &'static str = "DeleteRepositoryPolicy";
    const ACTION: Action = Action::EcrDeleteRepositoryPolicy;
    const READ_ONLY: bool = false;
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
        let deleted = call.app.db.make_room(move |tx| {
            let policy = RepositoryPolicy::require(tx, &repository)?;
            let stored = require(tx, &repository)?;
            repository_policies::set(tx, stored.id, None)?;
            Ok(policy)
        });
        deleted.await
    }
}
