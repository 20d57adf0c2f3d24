//! CreatePullThroughCacheRule: fills repositories under a prefix from an upstream registry.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryPrefix;
use registry::cache::mirror::is_open_root;
use registry::cache::upstream_registry::{UpstreamUrl, kind_of_host};
use serde::Deserialize;
use store::tables::pull_through_cache_rules::{self, PullThroughCacheRule, UpstreamKind};
use store::tables::registry_id::RegistryId;

use super::constraints::NewerCheck;
use super::errors::EcrError;
use super::pull_through_cache_rules::{self as rules, MAX_RULES, Rule};

/// Stores a rule by which repositories under a prefix are filled from an upstream registry.
pub struct CreatePullThroughCacheRule;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    ecr_repository_prefix: Option<String>,
    upstream_registry_url: Option<String>,
    registry_id: Option<String>,
    upstream_registry: Option<String>,
    credential_arn: Option<String>,
    custom_role_arn: Option<String>,
    upstream_repository_prefix: Option<String>,
}

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    prefix: RepositoryPrefix,
    upstream: UpstreamUrl,
    upstream_url: String,
    kind: Option<UpstreamKind>,
    upstream_prefix: Option<RepositoryPrefix>,
    credential_arn: Option<String>,
    custom_role_arn: Option<String>,
}

impl Operation for CreatePullThroughCacheRule {
    const NAME: &'static str = "CreatePullThroughCacheRule";
    const ACTION: Action = Action::EcrCreatePullThroughCacheRule;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Rule;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let registry = rules::own_registry(call, input.registry_id.as_deref())?;
        let prefix = NewerCheck::required("ecrRepositoryPrefix", input.ecr_repository_prefix)?;
        let prefix = rules::prefix("ecrRepositoryPrefix", &prefix)?;
        let upstream_url = NewerCheck::required("upstreamRegistryUrl", input.upstream_registry_url)?;
        let upstream_prefix = input.upstream_repository_prefix.as_deref();
        let upstream_prefix =
            upstream_prefix.map(|text| rules::prefix("upstreamRepositoryPrefix", text)).transpose()?;
        if prefix.is_root() && upstream_prefix.as_ref().is_some_and(|prefix| !prefix.is_root()) {
            let rule = "must be ROOT when ecrRepositoryPrefix is ROOT";
            return Err(EcrError::parameter("upstreamRepositoryPrefix", rule));
        }
        let credential_arn = input.credential_arn.map(rules::credential_arn).transpose()?;
        let custom_role_arn = input.custom_role_arn.map(|text| rules::custom_role_arn(call, text)).transpose()?;
        let (kind, upstream) = kind(call, &upstream_url, input.upstream_registry.as_deref())?;
        let needs_secret = kind.is_some_and(UpstreamKind::needs_credentials);
        // Whoever says where an upstream is reached, or lets any be reached, knows whether it wants a login.
        let settings = &call.app.cache.settings;
        let is_open = settings.allow_any_upstream || settings.has_endpoint(&upstream_url);
        if needs_secret && credential_arn.is_none() && !is_open {
            return Err(EcrError::UnsupportedUpstreamRegistry(
                "The specified upstream registry requires authentication. Specify a valid Secrets Manager ARN in the \
                 credentialArn parameter."
                    .to_owned(),
            ));
        }
        // terraform-provider-aws, PR 41933: another account lets in a role alone. Wharf takes none, and logs in with a secret.
        let is_anothers = upstream.ecr_account().is_some_and(|account| account != registry.account.as_str());
        if is_anothers && custom_role_arn.is_none() && credential_arn.is_none() && !is_open {
            let rule = "must be given for an ECR registry of another account";
            return Err(EcrError::parameter("customRoleArn", rule));
        }
        Ok(Checked { registry, prefix, upstream, upstream_url, kind, upstream_prefix, credential_arn, custom_role_arn })
    }

    fn needs(_: &Call<'_>, Checked { registry, credential_arn, custom_role_arn, .. }: &Checked) -> Vec<Need> {
        let mut needs = vec![Need::anywhere(Self::ACTION)];
        needs.extend(rules::needs_on_credentials(registry, credential_arn.as_deref(), custom_role_arn.as_deref()));
        needs
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Rule, EcrError> {
        let app = call.app;
        let credential_arn = match checked.credential_arn {
            Some(arn) => Some(rules::pinned_credential(call, &checked.registry, arn, &checked.upstream).await?),
            None => None,
        };
        let now_ms = app.now_ms();
        let rule = PullThroughCacheRule {
            registry: checked.registry,
            prefix: checked.prefix,
            upstream_url: checked.upstream_url,
            upstream_registry: checked.kind,
            upstream_prefix: checked.upstream_prefix,
            credential_arn,
            custom_role_arn: checked.custom_role_arn,
            created_at_ms: now_ms,
            updated_at_ms: now_ms,
        };
        if is_open_root(&app.cache.mirror, &rule) {
            let text = "must not be ROOT: this server lets everybody pull through the rules of this registry \
                        (mirror.anonymous), and ROOT covers every repository";
            return Err(EcrError::parameter("ecrRepositoryPrefix", text));
        }
        let created = rule.clone();
        app.db
            .write(move |tx| {
                if !pull_through_cache_rules::insert(tx, &rule)? {
                    return Err(EcrError::PullThroughCacheRuleAlreadyExists(
                        rule.prefix.clone(),
                        rule.registry.clone(),
                    ));
                }
                if pull_through_cache_rules::count(tx, &rule.registry)? > MAX_RULES {
                    return Err(EcrError::TooManyPullThroughCacheRules(MAX_RULES));
                }
                Ok(())
            })
            .await?;
        Ok(Rule { updated_at: None, ..Rule::whole(created) })
    }
}

/// The kind of an upstream, if ECR knows it; otherwise the upstream must be allowed by the configuration.
fn kind(call: &Call<'_>, url: &str, named: Option<&str>) -> Result<(Option<UpstreamKind>, UpstreamUrl), EcrError> {
    let settings = &call.app.cache.settings;
    let unsupported =
        || EcrError::UnsupportedUpstreamRegistry(format!("The upstream registry '{url}' is not supported."));
    let named = match named {
        None => None,
        Some(text) => Some(NewerCheck::one_of("upstreamRegistry", text, &UpstreamKind::ALL, UpstreamKind::as_str)?),
    };
    let parsed: UpstreamUrl = url.parse().map_err(|_| unsupported())?;
    let kind = Some(&parsed).filter(|url| url.is_bare_host()).and_then(|url| kind_of_host(url.authority()));
    let is_listed = kind.is_some() && !url.contains('/');
    if !is_listed && !settings.allow_any_upstream {
        return Err(unsupported());
    }
    if parsed.is_plain() && !settings.allow_http {
        let text = format!(
            "The upstream registry '{url}' is not supported: this server reaches upstream registries with https alone."
        );
        return Err(EcrError::UnsupportedUpstreamRegistry(text));
    }
    if named.is_some() && kind.is_some() && named != kind {
        return Err(EcrError::parameter("upstreamRegistry", "must fit the upstreamRegistryUrl"));
    }
    Ok((kind.or(named), parsed))
}
