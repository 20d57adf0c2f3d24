//! ValidatePullThroughCacheRule: whether a rule's upstream lets the cache in.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryPrefix;
use registry::Registry;
use registry::cache;
use registry::cache::credentials::CredentialsError;
use serde::{Deserialize, Serialize};
use store::tables::pull_through_cache_rules::PullThroughCacheRule;
use store::tables::registry_id::RegistryId;

use super::constraints::NewerCheck;
use super::errors::EcrError;
use super::pull_through_cache_rules::{self as rules, Rule};

/// Signs in at a rule's upstream with the rule's secret, if it has one, and tells whether that worked.
pub struct ValidatePullThroughCacheRule;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    ecr_repository_prefix: Option<String>,
    registry_id: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    #[serde(flatten)]
    rule: Rule,
    is_valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

impl Operation for ValidatePullThroughCacheRule {
    const NAME: &'static str = "ValidatePullThroughCacheRule";
    const ACTION: Action = Action::EcrValidatePullThroughCacheRule;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
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

    async fn run(call: &Call<'_>, (registry, prefix): Self::Checked) -> Result<Output, EcrError> {
        let rule = call.app.db.read_point(move |tx| rules::require(tx, &registry, &prefix)).await?;
        let failure = failure(call.app, &rule).await?;
        let rule = Rule { created_at: None, updated_at: None, upstream_registry: None, ..Rule::whole(rule) };
        Ok(Output { rule, is_valid: failure.is_none(), failure })
    }
}

/// Why the upstream does not let us in. A rule without a secret has nothing that could be wrong
/// (reference/replication-cache-templates.md 2).
async fn failure(app: &Registry, rule: &PullThroughCacheRule) -> Result<Option<String>, EcrError> {
    if rule.credential_arn.is_none() {
        return Ok(None);
    }
    // No repository is asked for, only the registry itself.
    let name = "library/none".parse().expect("a repository name");
    let upstream = match cache::upstream_of(app, rule, name).await {
        Ok(upstream) => upstream,
        Err(CredentialsError::Store(error)) => return Err(error.into()),
        Err(error) => return Ok(Some(error.to_string())),
    };
    Ok(app.cache.upstream.log_in(&upstream, app.now_ms()).await.err().map(|failure| failure.to_string()))
}
