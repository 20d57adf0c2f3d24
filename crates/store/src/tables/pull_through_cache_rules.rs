//! Pull through cache rules: which repositories of a registry are filled from which upstream registry.

use oci::{RepositoryName, RepositoryPrefix};

use super::prefixes::PrefixTable;
use super::registry_id::RegistryId;
use super::repositories::RepositoryRef;
use super::{parse_column, parse_shown};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::stored_enum::stored_enum;

stored_enum! {
    /// A kind of upstream registry (ECR: `UpstreamRegistry`), in the order of the API model.
    pub enum UpstreamKind {
        /// Another private ECR registry.
        Ecr = "ecr",
        /// public.ecr.aws
        EcrPublic = "ecr-public",
        /// quay.io
        Quay = "quay",
        /// registry.k8s.io
        K8s = "k8s",
        /// registry-1.docker.io
        DockerHub = "docker-hub",
        /// ghcr.io
        GithubContainerRegistry = "github-container-registry",
        /// `<name>.azurecr.io`
        AzureContainerRegistry = "azure-container-registry",
        /// registry.gitlab.com
        GitlabContainerRegistry = "gitlab-container-registry",
        /// cgr.dev
        Chainguard = "chainguard",
    }
}

impl UpstreamKind {
    /// Whether ECR takes a rule for it only with a secret to log in with.
    pub const fn needs_credentials(self) -> bool {
        match self {
            Self::Ecr | Self::EcrPublic | Self::Quay | Self::K8s => false,
            Self::DockerHub
            | Self::GithubContainerRegistry
            | Self::AzureContainerRegistry
            | Self::GitlabContainerRegistry
            | Self::Chainguard => true,
        }
    }
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullThroughCacheRule {
    /// Its registry.
    pub registry: RegistryId,
    /// The names that it is for; unique in the registry but for a slash at its end.
    pub prefix: RepositoryPrefix,
    /// The upstream registry, as it was given.
    pub upstream_url: String,
    /// ECR's name of the upstream's kind (`quay`, `docker-hub`, …); none for one that ECR does not know, or
    /// if what is stored of it is damaged. It is only shown: images come from `upstream_url`.
    pub upstream_registry: Option<UpstreamKind>,
    /// What stands in the upstream's names in place of `prefix`; none and `ROOT` are nothing, and shown as given.
    pub upstream_prefix: Option<RepositoryPrefix>,
    /// The secret to log in with, by its ARN.
    pub credential_arn: Option<String>,
    /// The role that ECR would log in as; kept and shown.
    pub custom_role_arn: Option<String>,
    /// Creation time.
    pub created_at_ms: i64,
    /// Time of the last change.
    pub updated_at_ms: i64,
}

impl PullThroughCacheRule {
    /// The upstream's name of a repository that the rule covers; none if that cannot be one.
    pub fn upstream_name(&self, local: &RepositoryName) -> Option<RepositoryName> {
        replace_prefix(local, Some(&self.prefix), self.upstream_prefix.as_ref())
    }

    /// The name here of an upstream's repository; none if the rule does not reach it.
    pub fn local_name(&self, upstream: &RepositoryName) -> Option<RepositoryName> {
        replace_prefix(upstream, self.upstream_prefix.as_ref(), Some(&self.prefix))
    }
}

/// reference/replication-cache-templates.md 2, 'Name mapping'.
fn replace_prefix(
    name: &RepositoryName,
    from: Option<&RepositoryPrefix>,
    to: Option<&RepositoryPrefix>,
) -> Option<RepositoryName> {
    let is_part = |prefix: &&RepositoryPrefix| !prefix.is_root();
    let rest = match from.filter(is_part) {
        Some(from) if from.covers(name) => &name.as_str()[from.key().len() + 1..],
        Some(_) => return None,
        None => name.as_str(),
    };
    match to.filter(is_part) {
        Some(to) => format!("{}/{rest}", to.key()).parse().ok(),
        None => rest.parse().ok(),
    }
}

const COLUMNS: &str = "account_id, region, prefix, upstream_url, upstream_registry, upstream_prefix, credential_arn, \
                       custom_role_arn, created_at_ms, updated_at_ms";
const TABLE: PrefixTable = PrefixTable { name: "pull_through_cache_rules", columns: COLUMNS };

fn from_row(row: &Row) -> Result<PullThroughCacheRule, StoreError> {
    let text = |at| Ok::<_, StoreError>(row.opt_text(at)?.map(str::to_owned));
    Ok(PullThroughCacheRule {
        registry: RegistryId {
            account: parse_column(row.text(0)?, "pull_through_cache_rules.account_id")?,
            region: parse_column(row.text(1)?, "pull_through_cache_rules.region")?,
        },
        prefix: parse_column(row.text(2)?, "pull_through_cache_rules.prefix")?,
        upstream_url: row.text(3)?.to_owned(),
        upstream_registry: parse_shown(
            row,
            4,
            "pull_through_cache_rules",
            "pull_through_cache_rules.upstream_registry",
        )?,
        upstream_prefix: row
            .opt_text(5)?
            .map(|text| parse_column(text, "pull_through_cache_rules.upstream_prefix"))
            .transpose()?,
        credential_arn: text(6)?,
        custom_role_arn: text(7)?,
        created_at_ms: row.int(8)?,
        updated_at_ms: row.int(9)?,
    })
}

/// Adds a rule; `false` if there is one for the prefix.
pub fn insert(tx: &mut dyn Tx, new: &PullThroughCacheRule) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        &format!(
            "INSERT INTO pull_through_cache_rules ({COLUMNS}, prefix_key) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
             ON CONFLICT (account_id, region, prefix_key) DO NOTHING"
        ),
        &[
            new.registry.account.as_str().into(),
            new.registry.region.as_str().into(),
            new.prefix.as_str().into(),
            new.upstream_url.as_str().into(),
            new.upstream_registry.map(UpstreamKind::as_str).into(),
            new.upstream_prefix.as_ref().map(RepositoryPrefix::as_str).into(),
            new.credential_arn.as_deref().into(),
            new.custom_role_arn.as_deref().into(),
            new.created_at_ms.into(),
            new.updated_at_ms.into(),
            new.prefix.key().into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Changes how a rule logs in at its upstream.
pub fn set_credentials(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    prefix: &RepositoryPrefix,
    credential_arn: Option<&str>,
    custom_role_arn: Option<&str>,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE pull_through_cache_rules SET credential_arn = $1, custom_role_arn = $2, updated_at_ms = $3 \
         WHERE account_id = $4 AND region = $5 AND prefix_key = $6",
        &[
            credential_arn.into(),
            custom_role_arn.into(),
            now_ms.into(),
            registry.account.as_str().into(),
            registry.region.as_str().into(),
            prefix.key().into(),
        ],
    )?;
    Ok(())
}

/// The rule for a prefix.
pub fn find(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    prefix: &RepositoryPrefix,
) -> Result<Option<PullThroughCacheRule>, StoreError> {
    TABLE.find(tx, registry, prefix)?.as_ref().map(from_row).transpose()
}

/// The rule that a repository of this name is filled by: the one with the longest prefix, and `ROOT` only if no other
/// covers the name (reference/replication-cache-templates.md 2).
pub fn find_for(tx: &mut dyn Tx, repository: &RepositoryRef) -> Result<Option<PullThroughCacheRule>, StoreError> {
    TABLE.covering(tx, repository)?.first().map(from_row).transpose()
}

/// Up to `limit` rules in the order of their prefixes' keys, from the first after `after` (an empty text: the first).
pub fn list(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    after: &str,
    limit: usize,
) -> Result<Vec<PullThroughCacheRule>, StoreError> {
    TABLE.list(tx, registry, after, limit, from_row)
}

/// How many rules a registry has.
pub fn count(tx: &mut dyn Tx, registry: &RegistryId) -> Result<i64, StoreError> {
    TABLE.count(tx, registry)
}

/// Removes the rule for a prefix; `false` if there is none.
pub fn delete(tx: &mut dyn Tx, registry: &RegistryId, prefix: &RepositoryPrefix) -> Result<bool, StoreError> {
    TABLE.delete(tx, registry, prefix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_map_both_ways() {
        for (prefix, upstream_prefix, local, upstream) in [
            ("ecr-public", "ROOT", "ecr-public/my-app/i", "my-app/i"),
            ("ROOT", "ROOT", "my-app/i", "my-app/i"),
            ("team-a", "team-a", "team-a/x/i", "team-a/x/i"),
            ("my-app", "upstream-app", "my-app/i", "upstream-app/i"),
            ("hub/", "library/", "hub/alpine", "library/alpine"),
        ] {
            let rule = PullThroughCacheRule {
                registry: RegistryId {
                    account: "123456789012".parse().expect("an account"),
                    region: "us-east-1".parse().expect("a region"),
                },
                prefix: prefix.parse().expect("a prefix"),
                upstream_url: "quay.io".to_owned(),
                upstream_registry: None,
                upstream_prefix: Some(upstream_prefix.parse().expect("a prefix")),
                credential_arn: None,
                custom_role_arn: None,
                created_at_ms: 0,
                updated_at_ms: 0,
            };
            let (local, upstream) = (local.parse().expect("a name"), upstream.parse().expect("a name"));
            assert_eq!(rule.upstream_name(&local).as_ref(), Some(&upstream), "{prefix}");
            assert_eq!(rule.local_name(&upstream).as_ref(), Some(&local), "{prefix}");
            if !rule.prefix.is_root() {
                assert_eq!(rule.upstream_name(&"other/x".parse().expect("a name")), None);
            }
        }
    }
}
