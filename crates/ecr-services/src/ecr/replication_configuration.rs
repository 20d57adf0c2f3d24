//! The shapes of a replication configuration, and its rules on the wire (reference/replication-cache-templates.md 1).

use std::collections::HashSet;

use aws::Region;
use registry::replication::rules::{self, EVERYTHING, Rules};
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;

use super::constraints::{self, Check};
use super::errors::EcrError;

/// Limits of the documentation (reference/repositories-images.md 7: 'replication'); the model's are wider.
const MAX_RULES: usize = 10;
const MAX_DESTINATIONS: usize = 25;
/// The model's.
const MAX_DESTINATIONS_OF_RULE: usize = 100;
const MAX_FILTERS: usize = 100;
const FILTER_TYPE: &str = "PREFIX_MATCH";
const FILTER_PATTERN: &str = "^(?:[a-z0-9]+(?:[._-][a-z0-9]*)*/)*[a-z0-9]*(?:[._-][a-z0-9]*)*$";
const REGION_PATTERN: &str = "[0-9a-z-]{2,25}";

/// The configuration.
#[derive(Debug, Deserialize, Serialize)]
pub struct ReplicationConfiguration {
    rules: Option<Vec<Rule>>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    destinations: Option<Vec<Destination>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    repository_filters: Option<Vec<Filter>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delete_replication: Option<DeleteReplication>,
}

/// A destination.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Destination {
    region: Option<String>,
    registry_id: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    filter: Option<String>,
    filter_type: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct DeleteReplication {
    enabled: Option<bool>,
}

impl From<&RegistryId> for Destination {
    fn from(registry: &RegistryId) -> Self {
        Self { region: Some(registry.region.to_string()), registry_id: Some(registry.account.to_string()) }
    }
}

impl Destination {
    /// The registry that it is.
    pub fn check(self) -> Result<RegistryId, EcrError> {
        let region = Check::required("region", self.region)?;
        Check::length("region", &region, 2, 25)?;
        let region: Region = Check::parsed("region", &region, REGION_PATTERN)?;
        let account = constraints::account("registryId", &Check::required("registryId", self.registry_id)?)?;
        Ok(RegistryId { account, region })
    }
}

impl Filter {
    fn check(self) -> Result<String, EcrError> {
        let kind = Check::required("filterType", self.filter_type)?;
        Check::one_of("filterType", &kind, &[FILTER_TYPE], |name| name)?;
        let filter = Check::required("filter", self.filter)?;
        if filter == EVERYTHING {
            return Ok(filter);
        }
        Check::length("filter", &filter, 2, 256)?;
        Check::pattern("filter", &filter, FILTER_PATTERN, is_filter(&filter))?;
        Ok(filter)
    }
}

/// Whether a text fits [`FILTER_PATTERN`]: a path whose whole components begin with a letter or digit; the last one may
/// be cut off anywhere.
fn is_filter(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_component = |part: &str| part.bytes().all(|byte| is_plain(byte) || b"._-".contains(&byte));
    let mut parts = text.split('/');
    let last = parts.next_back().unwrap_or_default();
    is_component(last) && parts.all(|part| part.bytes().next().is_some_and(is_plain) && is_component(part))
}

impl Rule {
    fn check(self, own: &RegistryId) -> Result<rules::Rule, EcrError> {
        let given = Check::list("destinations", self.destinations, 1, MAX_DESTINATIONS_OF_RULE)?;
        let mut destinations = Vec::new();
        for destination in given {
            let registry = destination.check()?;
            if registry == *own {
                return Err(EcrError::parameter(
                    "replicationConfiguration",
                    "Replication destination cannot be the same as the source registry",
                ));
            }
            // Not from one partition of AWS to another.
            if registry.region.partition() != own.region.partition() {
                return Err(EcrError::parameter(
                    "replicationConfiguration",
                    "Replication destination must be in the same partition as the source registry",
                ));
            }
            destinations.push(rules::Destination::from(&registry));
        }
        let prefixes = match self.repository_filters {
            None => None,
            Some(filters) => Some(
                Check::list("repositoryFilters", Some(filters), 1, MAX_FILTERS)?
                    .into_iter()
                    .map(Filter::check)
                    .collect::<Result<_, _>>()?,
            ),
        };
        let deletes = self
            .delete_replication
            .map(|delete| Check::required("deleteReplication.enabled", delete.enabled))
            .transpose()?;
        Ok(rules::Rule { destinations, prefixes, deletes })
    }
}

impl ReplicationConfiguration {
    /// The rules of the registry `own`.
    pub fn check(self, own: &RegistryId) -> Result<Rules, EcrError> {
        let rules = Check::list("rules", self.rules, 0, MAX_RULES)?;
        let rules = rules.into_iter().map(|rule| rule.check(own)).collect::<Result<Vec<_>, _>>()?;
        let destinations: HashSet<_> = rules.iter().flat_map(|rule| &rule.destinations).collect();
        if destinations.len() > MAX_DESTINATIONS {
            return Err(EcrError::parameter(
                "replicationConfiguration",
                format!("Rules can have at most {MAX_DESTINATIONS} unique destinations together"),
            ));
        }
        Ok(Rules(rules))
    }
}

impl From<&Rules> for ReplicationConfiguration {
    fn from(rules: &Rules) -> Self {
        let filter =
            |prefix: &String| Filter { filter: Some(prefix.clone()), filter_type: Some(FILTER_TYPE.to_owned()) };
        let rule = |rule: &rules::Rule| Rule {
            destinations: Some(rule.destinations.iter().map(|to| Destination::from(&to.registry())).collect()),
            repository_filters: rule.prefixes.as_ref().map(|prefixes| prefixes.iter().map(filter).collect()),
            delete_replication: rule.deletes.map(|enabled| DeleteReplication { enabled: Some(enabled) }),
        };
        Self { rules: Some(rules.0.iter().map(rule).collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::is_filter;

    #[test]
    fn filters() {
        for (filter, expected) in [
            ("prod", true),
            ("prod-", true),
            ("a/b", true),
            ("a/", true),
            ("a..b/c", true),
            ("-a", true),
            ("-a/b", false),
            ("/a", false),
            ("a//b", false),
            ("Prod", false),
            ("pro*", false),
        ] {
            assert_eq!(is_filter(filter), expected, "{filter}");
        }
    }
}
