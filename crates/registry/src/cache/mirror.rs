//! The transparent mirror: a request that says which registry its name belongs to (`?ns=docker.io`, as containerd's
//! hosts.toml has it) is one for the repository that a rule fills from there.

use oci::RepositoryName;
use runtime::boxed;
use runtime::config_error::ConfigError;
use runtime::start_error::StartError;
use store::error::StoreError;
use store::tables::pull_through_cache_rules::{self, PullThroughCacheRule};
use store::tables::registry_id::RegistryId;

use super::settings::registry_host;
use super::upstream_registry::UpstreamUrl;
use crate::Registry;

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
#[boxed]
pub async fn find(
    app: &Registry,
    registry: &RegistryId,
    upstream: &str,
    name: &RepositoryName,
) -> Result<Mirrored, StoreError> {
    let registry = registry.clone();
    let rules = app.db.read(move |tx| pull_through_cache_rules::list(tx, &registry, "", ALL_RULES)).await?;
    if rules.is_empty() {
        return Ok(Mirrored::Nothing);
    }
    let upstream = upstream.to_ascii_lowercase();
    let length = |rule: &PullThroughCacheRule| {
        rule.upstream_prefix.as_ref().filter(|prefix| !prefix.is_root()).map_or(0, |prefix| prefix.key().len())
    };
    let mut best: Option<(PullThroughCacheRule, RepositoryName)> = None;
    for rule in rules.iter().cloned() {
        let is_upstream = rule
            .upstream_url
            .parse::<UpstreamUrl>()
            .is_ok_and(|url| registry_host(url.authority()) == registry_host(&upstream));
        // The repository here is another rule's if that covers it more closely: it is not filled from the upstream that
        // was asked for.
        let is_filled = |local: &RepositoryName| covering(&rules, local) == Some(&rule);
        if let Some(local) = rule.local_name(name).filter(|local| is_upstream && is_filled(local))
            && best.as_ref().is_none_or(|(known, _)| length(known) < length(&rule))
        {
            best = Some((rule, local));
        }
    }
    Ok(best.map_or(Mirrored::Elsewhere, |(rule, local)| Mirrored::Here(rule, local)))
}

/// The rule that fills a repository; as [`pull_through_cache_rules::find_for`] finds it.
fn covering<'r>(rules: &'r [PullThroughCacheRule], name: &RepositoryName) -> Option<&'r PullThroughCacheRule> {
    let length = |rule: &&PullThroughCacheRule| if rule.prefix.is_root() { 0 } else { rule.prefix.key().len() };
    rules.iter().filter(|rule| rule.prefix.covers(name)).max_by_key(length)
}

/// Whether whoever comes could pull everything of a registry by a rule, were it made: `ROOT` covers every name.
pub fn is_open_root(settings: &MirrorSettings, rule: &PullThroughCacheRule) -> bool {
    let host = rule.upstream_url.parse::<UpstreamUrl>();
    rule.prefix.is_root()
        && host.is_ok_and(|host| settings.registry_for(host.authority()).is_some_and(|open| *open == rule.registry))
}

/// Refuses to start with a rule that [`is_open_root`].
#[boxed]
pub async fn require_no_open_root(app: &Registry) -> Result<(), StartError> {
    let Some(registry) = app.cache.mirror.anonymous.clone() else { return Ok(()) };
    let rules = app.db.read(move |tx| pull_through_cache_rules::list(tx, &registry, "", ALL_RULES)).await?;
    match rules.iter().find(|rule| is_open_root(&app.cache.mirror, rule)) {
        None => Ok(()),
        Some(rule) => Err(ConfigError(format!(
            "mirror.anonymous: the registry {} has the pull through cache rule ROOT for {}, which would open every \
             repository to everybody. Start with mirror.anonymous = false, or with mirror.registries that do not name {}, \
             and put a rule with a prefix in its place",
            rule.registry, rule.upstream_url, rule.upstream_url
        ))
        .into()),
    }
}
