//! What the operations on pull through cache rules share: checks of members, and the rule as they show it.

use access::action::Action;
use access::auth::authorize::{self, Need};
use access::secret_values::{self, MeantSecret};
use api::protocols::operation::Call;
use aws::Timestamp;
use oci::RepositoryPrefix;
use registry::cache::credentials;
use registry::cache::upstream_registry::UpstreamUrl;
use serde::Serialize;
use store::db::Tx;
use store::tables::pull_through_cache_rules::{self, PullThroughCacheRule, UpstreamKind};
use store::tables::registry_id::RegistryId;

use super::constraints::{self, NewerCheck};
use super::creation_templates;
use super::errors::EcrError;

/// reference/repositories-images.md 7: rules of a registry.
pub const MAX_RULES: i64 = 50;
const CREDENTIAL_PATTERN: &str =
    r"^arn:aws(-\w+)*:secretsmanager:[a-zA-Z0-9-:]+:secret:ecr\-pullthroughcache\/[a-zA-Z0-9\/_+=.@-]+$";

/// A prefix of repository names.
pub fn prefix(member: &'static str, text: &str) -> Result<RepositoryPrefix, EcrError> {
    NewerCheck::length(member, text, 2, 30)?;
    NewerCheck::parsed(member, text, RepositoryPrefix::PATTERN)
}

/// The ARN of a secret.
pub fn credential_arn(text: String) -> Result<String, EcrError> {
    const MEMBER: &str = "credentialArn";
    NewerCheck::length(MEMBER, &text, 50, 612)?;
    let is_secret = text.parse::<aws::Arn>().is_ok_and(|arn| {
        let name = arn.resource().strip_prefix("secret:ecr-pullthroughcache/").unwrap_or_default();
        arn.partition().starts_with("aws")
            && arn.service() == "secretsmanager"
            && !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/_+=.@-".contains(&byte))
    });
    NewerCheck::pattern(MEMBER, &text, CREDENTIAL_PATTERN, is_secret)?;
    Ok(text)
}

/// The ARN of a role of the registry's account.
pub fn custom_role_arn(call: &Call<'_>, text: String) -> Result<String, EcrError> {
    creation_templates::custom_role(call, &text)?;
    Ok(text)
}

/// What else than the operation itself the maker of a rule must be allowed: to read the secret that the rule sends to its
/// upstream, and to pass on its role. A secret of elsewhere is refused later, whoever asks.
pub fn needs_on_credentials(registry: &RegistryId, credential_arn: Option<&str>, role: Option<&str>) -> Vec<Need> {
    let mut needs = Vec::new();
    if let Some(id) = credential_arn.and_then(|arn| credentials::secret_of(registry, arn)) {
        needs.push(secret_values::need_to_read(id));
    }
    if let Some(role) = role {
        let service = "pullthroughcache.ecr.amazonaws.com";
        needs.push(Need::on(Action::IamPassRole, role.to_owned()).with("iam:PassedToService", [service]));
    }
    needs
}

/// The whole ARN of a secret that a rule is given, if the caller may read what has it and the rule may send it to its
/// upstream. A rule keeps no other: who makes a secret of the same name later would have it sent.
pub async fn pinned_credential(
    call: &Call<'_>,
    registry: &RegistryId,
    arn: String,
    upstream: &UpstreamUrl,
) -> Result<String, EcrError> {
    let app = call.app;
    let given = MeantSecret { arn, checked_at_ms: app.now_ms() };
    let pinned = credentials::pin(app, registry, &given).await?;
    if pinned != given.arn
        && let Some(id) = credentials::secret_of(registry, &pinned)
    {
        authorize::authorize(call.http, &call.caller, &secret_values::need_to_read(id)).await?;
    }
    let meant = MeantSecret { arn: pinned, ..given };
    credentials::check(app, registry, &meant, upstream).await?;
    Ok(meant.arn)
}

/// The registry of a call. Rules have no resource that another account's policy could open to the caller.
pub fn own_registry(call: &Call<'_>, registry_id: Option<&str>) -> Result<RegistryId, EcrError> {
    let registry = constraints::registry(call, registry_id)?;
    if registry.account != call.caller.account {
        return Err(EcrError::parameter("registryId", "must be the account of the caller"));
    }
    Ok(registry)
}

/// The rule for a prefix, or the error that names it.
pub fn require(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    prefix: &RepositoryPrefix,
) -> Result<PullThroughCacheRule, EcrError> {
    pull_through_cache_rules::find(tx, registry, prefix)?
        .ok_or_else(|| EcrError::PullThroughCacheRuleNotFound(prefix.clone(), registry.clone()))
}

/// A rule as operations show it. Each shows some of the members.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The names that it is for.
    pub ecr_repository_prefix: String,
    /// The account.
    pub registry_id: String,
    /// Its upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_registry_url: Option<String>,
    /// Creation time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Time of the last change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<Timestamp>,
    /// The kind of the upstream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_registry: Option<&'static str>,
    /// The secret to log in with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credential_arn: Option<String>,
    /// The role to log in as.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub custom_role_arn: Option<String>,
    /// What stands in the upstream's names in place of the prefix; only if it was given, as Terraform expects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_repository_prefix: Option<String>,
}

impl Rule {
    /// With every member that it has.
    pub fn whole(rule: PullThroughCacheRule) -> Self {
        Self {
            ecr_repository_prefix: rule.prefix.to_string(),
            registry_id: rule.registry.account.to_string(),
            upstream_registry_url: Some(rule.upstream_url),
            created_at: Some(Timestamp::from_ms(rule.created_at_ms)),
            updated_at: Some(Timestamp::from_ms(rule.updated_at_ms)),
            upstream_registry: rule.upstream_registry.map(UpstreamKind::as_str),
            credential_arn: rule.credential_arn,
            custom_role_arn: rule.custom_role_arn,
            upstream_repository_prefix: rule.upstream_prefix.map(|prefix| prefix.to_string()),
        }
    }
}
