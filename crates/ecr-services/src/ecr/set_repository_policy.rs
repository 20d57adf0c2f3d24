//! SetRepositoryPolicy: says who may do what with a repository (reference/access.md 4).

use access::action::Action;
use access::auth::authorize::{self, Need};
use api::protocols::operation::{Call, Operation};
use registry::images::repositories::require;
use serde::Deserialize;
use store::tables::repositories::RepositoryRef;
use store::tables::repository_policies;

use super::constraints::{self, Check};
use super::errors::EcrError;
use super::shapes::{RepositoryMembers, RepositoryPolicy};

/// Stores the policy of a repository, unless it would keep the caller from setting another one and is not forced.
pub struct SetRepositoryPolicy;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    #[serde(flatten)]
    repository: RepositoryMembers,
    policy_text: Option<String>,
    force: Option<bool>,
}

/// The input, validated.
pub struct Checked {
    repository: RepositoryRef,
    policy_text: String,
    policy: iam::Policy,
    is_forced: bool,
}

impl Operation for SetRepositoryPolicy {
    const NAME: &'static str = "SetRepositoryPolicy";
    const ACTION: Action = Action::EcrSetRepositoryPolicy;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = RepositoryPolicy;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let repository = input.repository.check(call)?;
        let policy_text = Check::required("policyText", input.policy_text)?;
        let policy = constraints::policy(call, iam::PolicyKind::Repository, &policy_text)?;
        Ok(Checked { repository, policy_text, policy, is_forced: input.force.unwrap_or(false) })
    }

    fn needs(_: &Call<'_>, Checked { repository, .. }: &Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &repository.registry, repository.name.as_str())]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<RepositoryPolicy, EcrError> {
        let Checked { repository, policy_text, policy, is_forced } = checked;
        let place = repository.clone();
        call.app.db.read_point(move |tx| require(tx, &place)).await?;
        let again = Need::on_repository(Self::ACTION, &repository.registry, repository.name.as_str());
        if !is_forced && !authorize::would_allow(call.http, &call.caller, &again, policy).await? {
            let text = "This policy would keep you from setting another one; with force it is set all the same";
            return Err(EcrError::parameter("PolicyText", text));
        }
        let output = RepositoryPolicy::new(&repository, policy_text.clone());
        let set = call.app.db.write(move |tx| {
            let stored = require(tx, &repository)?;
            Ok::<_, EcrError>(repository_policies::set(tx, stored.id, Some(&policy_text))?)
        });
        set.await?;
        Ok(output)
    }
}
