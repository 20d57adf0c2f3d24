//! UpdatePullThroughCacheRule: changes what a rule logs in with at its upstream.

use access::action::Action;
use access::auth::authorize::Need;
use access::secret_values::MeantSecret;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryPrefix;
use registry::cache::{self, credentials};
use serde::Deserialize;
use store::tables::pull_through_cache_rules;
use store::tables::registry_id::RegistryId;

use super::constraints::NewerCheck;
use super::errors::EcrError;
use super::pull_through_cache_rules::{self as rules, Rule};

/// Changes the secret or the role with which a pull through cache rule signs in at its upstream.
pub struct UpdatePullThroughCacheRule;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    ecr_repository_prefix: Option<String>,
    registry_id: Option<String>,
    credential_arn: Option<String>,
    custom_role_arn: Option<String>,
}

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    prefix: RepositoryPrefix,
    credential_arn: Option<String>,
    custom_role_arn: Option<String>,
}

impl Operation for UpdatePullThroughCacheRule {
    const NAME: &'static str = "UpdatePullThroughCacheRule";
    const ACTION: Action = Action::EcrUpdatePullThroughCacheRule;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Rule;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let registry = rules::own_registry(call, input.registry_id.as_deref())?;
        let prefix = NewerCheck::required("ecrRepositoryPrefix", input.ecr_repository_prefix)?;
        let prefix = rules::prefix("ecrRepositoryPrefix", &prefix)?;
        let credential_arn = input.credential_arn.map(rules::credential_arn).transpose()?;
        let custom_role_arn = input.custom_role_arn.map(|text| rules::custom_role_arn(call, text)).transpose()?;
        if credential_arn.is_none() && custom_role_arn.is_none() {
            return Err(EcrError::NoCredentialToUpdate);
        }
        Ok(Checked { registry, prefix, credential_arn, custom_role_arn })
    }

    fn needs(_: &Call<'_>, Checked { registry, credential_arn, custom_role_arn, .. }: &Checked) -> Vec<Need> {
        let mut needs = vec![Need::anywhere(Self::ACTION)];
        needs.extend(rules::needs_on_credentials(registry, credential_arn.as_deref(), custom_role_arn.as_deref()));
        needs
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Rule, EcrError> {
        let app = call.app;
        let Checked { registry, prefix, credential_arn, custom_role_arn } = checked;
        let (of_registry, of_prefix) = (registry.clone(), prefix.clone());
        let rule = app.db.read_point(move |tx| rules::require(tx, &of_registry, &of_prefix)).await?;
        let credential_arn = match (credential_arn, rule.credential_arn.clone()) {
            (Some(arn), _) => {
                let upstream = cache::upstream_url(&rule).map_err(EcrError::from)?;
                Some(rules::pinned_credential(call, &registry, arn, &upstream).await?)
            }
            // What an older Wharf stored may be a name alone, which from now on would stand for what has it today.
            (None, Some(arn)) => {
                let meant = MeantSecret { arn, checked_at_ms: rule.updated_at_ms };
                Some(credentials::pin(app, &registry, &meant).await?)
            }
            (None, None) => None,
        };
        let now_ms = app.now_ms();
        let updated = app.db.write(move |tx| {
            let stored = rules::require(tx, &registry, &prefix)?;
            // A secret is for the upstream that it was checked for, not for that of a rule that was made anew meanwhile.
            if stored.upstream_url != rule.upstream_url {
                return Err(EcrError::PullThroughCacheRuleNotFound(prefix.clone(), registry.clone()));
            }
            let credential_arn = credential_arn.as_deref().or(stored.credential_arn.as_deref());
            let custom_role_arn = custom_role_arn.as_deref().or(stored.custom_role_arn.as_deref());
            pull_through_cache_rules::set_credentials(tx, &registry, &prefix, credential_arn, custom_role_arn, now_ms)?;
            rules::require(tx, &registry, &prefix)
        });
        let whole = Rule::whole(updated.await?);
        Ok(Rule { created_at: None, upstream_registry: None, upstream_registry_url: None, ..whole })
    }
}
