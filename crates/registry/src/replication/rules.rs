//! What is replicated where: the rules of a registry (reference/replication-cache-templates.md 1), and what the server's
//! configuration adds to them.

use aws::{AccountId, Region};
use oci::{RepositoryName, Tag, TagFilter};
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::registry_id::RegistryId;
use store::tables::replication_configurations;

/// The filter that takes every repository. An extension: ECR's filters are prefixes of two characters or more.
pub const EVERYTHING: &str = "*";

/// A destination of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Destination {
    /// Its region.
    pub region: Region,
    /// Its account.
    pub account: AccountId,
}

impl Destination {
    /// The registry that this is.
    pub fn registry(&self) -> RegistryId {
        RegistryId { account: self.account, region: self.region.clone() }
    }
}

impl From<&RegistryId> for Destination {
    fn from(registry: &RegistryId) -> Self {
        Self { region: registry.region.clone(), account: registry.account }
    }
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Where images go.
    pub destinations: Vec<Destination>,
    /// What the names of repositories begin with; none for every repository.
    pub prefixes: Option<Vec<String>>,
    /// Whether deletions go there too (ECR: `deleteReplication`), if that was said.
    pub deletes: Option<bool>,
}

impl Rule {
    /// Whether the rule is about a repository. A filter is a prefix of the name's text, not of its path.
    pub fn matches(&self, repository: &RepositoryName) -> bool {
        self.prefixes.as_ref().is_none_or(|prefixes| {
            prefixes.iter().any(|prefix| prefix == EVERYTHING || repository.as_str().starts_with(prefix.as_str()))
        })
    }
}

/// The rules of a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules(pub Vec<Rule>);

fn read<T: serde::de::DeserializeOwned>(column: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text)
        .map_err(|error| StoreError::new(StoreErrorKind::Corrupt, format!("column {column}")).with_source(error))
}

fn write<T: Serialize>(what: &'static str, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::new(StoreErrorKind::Other, format!("{what} cannot be stored")).with_source(error))
}

impl Rules {
    /// Those in force.
    pub fn find(tx: &mut dyn Tx, registry: &RegistryId) -> Result<Self, StoreError> {
        replication_configurations::find(tx, registry)?
            .map_or_else(|| Ok(Self::default()), |text| read("replication_configurations.rules", &text))
    }

    /// Puts these in force.
    pub fn store(&self, tx: &mut dyn Tx, registry: &RegistryId) -> Result<(), StoreError> {
        replication_configurations::upsert(tx, registry, &write("replication rules", self)?)
    }

    /// Each destination of a repository's images once, with whether deletions go there too.
    pub fn destinations_of(&self, repository: &RepositoryName) -> Vec<(RegistryId, bool)> {
        let mut found: Vec<(RegistryId, bool)> = Vec::new();
        for rule in self.0.iter().filter(|rule| rule.matches(repository)) {
            for destination in &rule.destinations {
                let (registry, deletes) = (destination.registry(), rule.deletes.unwrap_or(false));
                match found.iter_mut().find(|(known, _)| *known == registry) {
                    Some((_, known)) => *known |= deletes,
                    None => found.push((registry, deletes)),
                }
            }
        }
        found
    }

    /// Whether any rule has the destination.
    pub fn has_destination(&self, registry: &RegistryId) -> bool {
        self.0.iter().flat_map(|rule| &rule.destinations).any(|destination| destination.registry() == *registry)
    }
}

/// What the configuration adds to every rule. Stored at the start, since transactions decide by it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extensions {
    /// Whether destinations lose images that are deleted here.
    pub deletes: bool,
    /// Whether destinations lose tags that images lose here.
    pub tag_removals: bool,
    /// Only images with such a tag are replicated, with what they name and what refers to them; all if empty.
    pub tag_filters: Vec<String>,
}

impl Extensions {
    /// Those in force.
    pub fn find(tx: &mut dyn Tx) -> Result<Self, StoreError> {
        replication_configurations::find_extensions(tx)?
            .map_or_else(|| Ok(Self::default()), |text| read("replication_extensions.settings", &text))
    }

    /// Puts these in force, if they are not.
    pub fn store(&self, tx: &mut dyn Tx) -> Result<(), StoreError> {
        if Self::find(tx)? == *self {
            return Ok(());
        }
        replication_configurations::upsert_extensions(tx, &write("replication settings", self)?)
    }

    /// Whether images with this tag are replicated.
    pub fn takes_tag(&self, tag: &str) -> bool {
        let Ok(tag) = tag.parse::<Tag>() else { return false };
        self.tag_filters.is_empty()
            || self
                .tag_filters
                .iter()
                .any(|filter| filter.parse::<TagFilter>().is_ok_and(|filter| filter.matches(&tag)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(region: &str) -> Destination {
        let account = "123456789012".parse().expect("an account");
        Destination { region: region.parse().expect("a region"), account }
    }

    fn rule(prefixes: Option<&[&str]>, region: &str, deletes: Option<bool>) -> Rule {
        let prefixes = prefixes.map(|prefixes| prefixes.iter().map(|prefix| (*prefix).to_owned()).collect());
        Rule { destinations: vec![registry(region)], prefixes, deletes }
    }

    #[test]
    fn filters_are_prefixes_of_the_text() {
        for (prefixes, name, expected) in [
            (None, "anything/at-all", true),
            (Some(&["*"][..]), "anything/at-all", true),
            (Some(&["prod"]), "prod", true),
            (Some(&["prod"]), "prod-a", true),
            (Some(&["prod"]), "production/x", true),
            (Some(&["prod"]), "my/prod", false),
            (Some(&["prod-"]), "prod", false),
            (Some(&["a-", "b-"]), "b-1", true),
        ] {
            let name = name.parse().expect("a name");
            assert_eq!(rule(prefixes, "eu-west-1", None).matches(&name), expected, "{prefixes:?} {name}");
        }
    }

    #[test]
    fn a_destination_of_several_rules_is_one() {
        let rules = Rules(vec![
            rule(None, "eu-west-1", None),
            rule(Some(&["prod"]), "eu-west-1", Some(true)),
            rule(Some(&["other"]), "us-west-2", None),
        ]);
        let found = rules.destinations_of(&"prod-a".parse().expect("a name"));
        assert_eq!(found, [(registry("eu-west-1").registry(), true)]);
        let found = rules.destinations_of(&"dev".parse().expect("a name"));
        assert_eq!(found, [(registry("eu-west-1").registry(), false)]);
    }

    #[test]
    fn tags() {
        let filtered = Extensions { tag_filters: vec!["v*".to_owned()], ..Extensions::default() };
        assert!(filtered.takes_tag("v1") && !filtered.takes_tag("dev") && Extensions::default().takes_tag("dev"));
    }
}
