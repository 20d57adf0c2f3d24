//! Prefixes of repository names, as creation templates and pull-through cache rules are made for.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::RepositoryName;
use crate::repository_name::is_component;

/// What stands for every repository that no other prefix covers.
const ROOT: &str = "ROOT";

/// The leading parts of repository names, whole parts between slashes only; or `ROOT`.
///
/// A slash at the end means nothing (reference/replication-cache-templates.md 3: 'an assumed slash'): it is kept for
/// showing, and two prefixes that differ in it alone are equal.
#[derive(Clone, Debug)]
pub struct RepositoryPrefix(Arc<str>);

/// Why a text is no prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryPrefixError {
    /// Empty.
    #[error("too short")]
    TooShort,
    /// Longer than [`RepositoryPrefix::MAX`].
    #[error("too long")]
    TooLong,
    /// Does not match [`RepositoryPrefix::PATTERN`].
    #[error("must satisfy regular expression pattern: {}", RepositoryPrefix::PATTERN)]
    Pattern,
}

impl RepositoryPrefix {
    /// The rule, as the API model has it.
    pub const PATTERN: &str = r"^([a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*\/?|ROOT)$";
    /// Most characters.
    pub const MAX: usize = 256;

    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Without the slash at the end: what makes two prefixes the same. `ROOT` stays as it is, no name has capitals.
    pub fn key(&self) -> &str {
        self.0.strip_suffix('/').unwrap_or(&self.0)
    }

    /// Whether it stands for all that no other prefix covers.
    pub fn is_root(&self) -> bool {
        &*self.0 == ROOT
    }

    /// Whether the name lies under the prefix: `prod` covers `prod/x`, and neither `prod` nor `production/x`.
    pub fn covers(&self, name: &RepositoryName) -> bool {
        self.is_root() || name.as_str().strip_prefix(self.key()).is_some_and(|rest| rest.starts_with('/'))
    }
}

impl PartialEq for RepositoryPrefix {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for RepositoryPrefix {}

impl FromStr for RepositoryPrefix {
    type Err = RepositoryPrefixError;

    fn from_str(text: &str) -> Result<Self, RepositoryPrefixError> {
        if text.is_empty() {
            return Err(RepositoryPrefixError::TooShort);
        }
        if text.len() > Self::MAX {
            return Err(RepositoryPrefixError::TooLong);
        }
        let prefix = Self(text.into());
        if !prefix.is_root() && !prefix.key().as_bytes().split(|byte| *byte == b'/').all(is_component) {
            return Err(RepositoryPrefixError::Pattern);
        }
        Ok(prefix)
    }
}

impl fmt::Display for RepositoryPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn which_texts_are_prefixes() {
        let longest = "a".repeat(256);
        for text in ["a", "ROOT", "prod", "prod/", "team-a/x.y/", "0/1", longest.as_str()] {
            assert!(text.parse::<RepositoryPrefix>().is_ok(), "{text}");
        }
        for (text, error) in [
            ("", RepositoryPrefixError::TooShort),
            (&format!("{longest}a"), RepositoryPrefixError::TooLong),
            ("/", RepositoryPrefixError::Pattern),
            ("/a", RepositoryPrefixError::Pattern),
            ("a//", RepositoryPrefixError::Pattern),
            ("a//b", RepositoryPrefixError::Pattern),
            ("ROOT/", RepositoryPrefixError::Pattern),
            ("Root", RepositoryPrefixError::Pattern),
            ("a-", RepositoryPrefixError::Pattern),
            ("*", RepositoryPrefixError::Pattern),
        ] {
            assert_eq!(text.parse::<RepositoryPrefix>(), Err(error), "{text}");
        }
    }

    #[test]
    fn what_a_prefix_covers() {
        for (prefix, name, expected) in [
            ("prod", "prod/x", true),
            ("prod/", "prod/x/y", true),
            ("prod", "prod", false),
            ("prod", "production/x", false),
            ("prod/x", "prod/x", false),
            ("prod/x", "prod/x/y", true),
            ("prod/x/y", "prod/x", false),
            ("ROOT", "anything", true),
        ] {
            let prefix: RepositoryPrefix = prefix.parse().expect("a prefix");
            assert_eq!(prefix.covers(&name.parse().expect("a name")), expected, "{prefix} {name}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(text: String) {
            let _ = text.parse::<RepositoryPrefix>();
        }

        #[test]
        fn names_make_prefixes_and_a_last_slash_means_nothing(name in "[a-z0-9]{1,5}(/[a-z0-9]{1,5}){0,3}") {
            let plain: RepositoryPrefix = name.parse().expect("a prefix");
            let slashed: RepositoryPrefix = format!("{name}/").parse().expect("a prefix");
            prop_assert_eq!(&plain, &slashed);
            let inside: RepositoryName = format!("{name}/x").parse().expect("a name");
            prop_assert!(plain.covers(&inside) && slashed.covers(&inside));
        }
    }
}
