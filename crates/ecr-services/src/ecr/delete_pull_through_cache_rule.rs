//! DeletePullThroughCacheRule: stops filling repositories. Those that are there stay, with the images in them.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryPrefix;
use serde::Deserialize;
use store::tables::pull_through_cache_rules;
use store::tables::registry_id::RegistryId;

use super::constraints::NewerCheck;
use super::errors::EcrError;
use super::pull_through_cache_rules::{self as rules, Rule};

/// Deletes a pull through cache rule; the repositories that it filled stay.
pub struct DeletePullThroughCacheRule;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    ecr_repository_prefix: Option<String>,
    registry_id: Option<String>,
}

impl Operation for DeletePullThroughCacheRule {
    const NAME: &'static str = "DeletePullThroughCacheRule";
    const ACTION: Action = Action::EcrDeletePullThroughCacheRule;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Rule;
    type Checked = (RegistryId, RepositoryPrefix);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let registry = rules::own_registry(call, input.registry_id.as_deref())?;
        let prefix = NewerCheck::required("ecrRepositoryPrefix", input.ecr_repository_prefix)?;
        Ok((registry, rules::prefix("ecrRepositoryPrefix", &prefix)?))
    }

    fn needs(_: &Call<'_>, _: &Self::Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (registry, prefix): Self::Checked) -> Result<Rule, EcrError> {
        let deleted = call.app.db.make_room(move |tx| {
            let rule = rules::require(tx, &registry, &prefix)?;
            pull_through_cache_rules::delete(tx, &registry, &prefix)?;
            Ok::<_, EcrError>(rule)
        });
        Ok(Rule { updated_at: None, upstream_registry: None, ..Rule::whole(deleted.await?) })
    }
}
