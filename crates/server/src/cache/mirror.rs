//! The transparent mirror: a request that says which registry its name belongs to (`?ns=docker.io`, as containerd's
//! hosts.toml has it) is one for the repository that a rule fills from there.

use std::sync::Arc;

use iam::{Attached, PolicyKind, Principal};
use oci::RepositoryName;
use serde_json::json;
use store::error::StoreError;
use store::tables::pull_through_cache_rules::{self, PullThroughCacheRule};
use store::tables::registry_id::RegistryId;

use super::settings::registry_host;
use super::upstream_registry::UpstreamUrl;
use crate::app::App;
use crate::auth::caller::{Caller, Credentials};

/// Everything that a pull through a mirror takes.
const ACTIONS: [&str; 5] = [
    "ecr:BatchGetImage",
    "ecr:GetDownloadUrlForLayer",
    "ecr:BatchCheckLayerAvailability",
    "ecr:BatchImportUpstreamImage",
    "ecr:CreateRepository",
];
/// More rules than a registry may have.
const ALL_RULES: usize = 1_000;

/// Who needs no token.
#[derive(Clone, Debug, Default)]
pub struct MirrorSettings {
    /// The registry whose rules are used for requests without a token; none if there are to be no such requests.
    pub anonymous: Option<RegistryId>,
    /// The registries that may be asked for without a token; empty for all that have a rule.
    pub registries: Vec<String>,
}

impl MirrorSettings {
    /// The registry whose rules a request without a token uses, if it may ask for `upstream`.
    pub fn registry_for(&self, upstream: &str) -> Option<&RegistryId> {
        let is_listed = self.registries.iter().any(|listed| registry_host(listed) == registry_host(upstream));
        self.anonymous.as_ref().filter(|_| is_listed || self.registries.is_empty())
    }
}

/// What a registry has for a repository of another one.
pub enum Mirrored {
    /// It mirrors nothing: it has no rule at all.
    Nothing,
    /// It has rules, and none leads there.
    Elsewhere,
    /// The rule that leads there, and the repository here that it fills.
    Here(PullThroughCacheRule, RepositoryName),
}

/// The repository here that stands for one of another registry, and the rule that fills it. Of several rules the one with
/// the longest prefix upstream goes first, and then the first by name.
pub async fn find(
    app: &App,
    registry: &RegistryId,
    upstream: &str,
    name: &RepositoryName,
) -> Result<Mirrored, StoreError> {
    let registry = registry.clone();
    let rules = app.db.read(move |tx| pull_through_cache_rules::list(tx, &registry, "", ALL_RULES)).await?;
    if rules.is_empty() {
        return Ok(Mirrored::Nothing);
    }
    let wanted = upstream.to_ascii_lowercase();
    let length = |rule: &PullThroughCacheRule| {
        rule.upstream_prefix.as_ref().filter(|prefix| !prefix.is_root()).map_or(0, |prefix| prefix.key().len())
    };
    let mut best: Option<(PullThroughCacheRule, RepositoryName)> = None;
    for rule in rules {
        let is_upstream = rule
            .upstream_url
            .parse::<UpstreamUrl>()
            .is_ok_and(|url| registry_host(url.authority()) == registry_host(&wanted));
        if let Some(local) = rule.local_name(name).filter(|_| is_upstream)
            && best.as_ref().is_none_or(|(known, _)| length(known) < length(&rule))
        {
            best = Some((rule, local));
        }
    }
    Ok(best.map_or(Mirrored::Elsewhere, |(rule, local)| Mirrored::Here(rule, local)))
}

/// Who a request without a token is: somebody who may pull what a rule fills, and nothing else.
pub fn anonymous(app: &App, registry: &RegistryId, rule: &PullThroughCacheRule) -> Option<Caller> {
    let pattern = if rule.prefix.is_root() { "*".to_owned() } else { format!("{}/*", rule.prefix.key()) };
    let document = json!({
        "Version": "2012-10-17",
        "Statement": {"Effect": "Allow", "Action": ACTIONS, "Resource": registry.repository_arn(&pattern)},
    });
    let policy = app.policies.read(PolicyKind::Identity, &document.to_string()).ok()?;
    Some(Caller {
        account: registry.account,
        region: registry.region.clone(),
        access_key_id: "mirror".to_owned(),
        credentials: Credentials::Root,
        principal: Arc::new(Principal::Root { account: registry.account.to_string() }),
        scope: Some(Arc::new(Attached { name: "mirror".to_owned(), policy })),
    })
}
