//! Repository names, by ECR's rule (reference/repositories-images.md 1).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// The name of a repository in its registry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName(Arc<str>);

/// Why a text is no repository name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RepositoryNameError {
    /// Shorter than 2 characters.
    #[error("too short")]
    TooShort,
    /// Longer than 256 characters.
    #[error("too long")]
    TooLong,
    /// Does not match [`RepositoryName::PATTERN`].
    #[error("must satisfy regular expression '{}'", RepositoryName::PATTERN)]
    Pattern,
}

impl RepositoryName {
    /// The rule, as ECR's messages print it.
    pub const PATTERN: &str = r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*";
    /// Fewest characters.
    pub const MIN: usize = 2;
    /// Most characters.
    pub const MAX: usize = 256;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Whether one part between slashes matches `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`.
pub(crate) fn is_component(text: &[u8]) -> bool {
    let is_word = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut rest = text;
    loop {
        let word = rest.iter().take_while(|byte| is_word(byte)).count();
        if word == 0 {
            return false;
        }
        rest = &rest[word..];
        if rest.is_empty() {
            return true;
        }
        let separator = rest.iter().take_while(|byte| !is_word(byte)).count();
        let is_separator = match &rest[..separator] {
            b"." | b"_" | b"__" => true,
            dashes => dashes.iter().all(|byte| *byte == b'-'),
        };
        if !is_separator {
            return false;
        }
        rest = &rest[separator..];
    }
}

impl FromStr for RepositoryName {
    type Err = RepositoryNameError;

    fn from_str(text: &str) -> Result<Self, RepositoryNameError> {
        if text.len() < Self::MIN {
            return Err(RepositoryNameError::TooShort);
        }
        if text.len() > Self::MAX {
            return Err(RepositoryNameError::TooLong);
        }
        if !text.as_bytes().split(|byte| *byte == b'/').all(is_component) {
            return Err(RepositoryNameError::Pattern);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn table() {
        let longest = format!("a/{}", "b".repeat(254));
        for name in ["my-app", "a--b", "a__b", "a.b", "0a", "team/app/x-1", longest.as_str()] {
            assert!(name.parse::<RepositoryName>().is_ok(), "{name}");
        }
        for (name, error) in [
            ("a", RepositoryNameError::TooShort),
            ("", RepositoryNameError::TooShort),
            (&format!("{longest}b"), RepositoryNameError::TooLong),
            ("a___b", RepositoryNameError::Pattern),
            ("a..b", RepositoryNameError::Pattern),
            ("a._b", RepositoryNameError::Pattern),
            ("-a", RepositoryNameError::Pattern),
            ("a-", RepositoryNameError::Pattern),
            ("a//b", RepositoryNameError::Pattern),
            ("/ab", RepositoryNameError::Pattern),
            ("ab/", RepositoryNameError::Pattern),
            ("Ab", RepositoryNameError::Pattern),
            ("../etc", RepositoryNameError::Pattern),
            ("é!", RepositoryNameError::Pattern),
        ] {
            assert_eq!(name.parse::<RepositoryName>(), Err(error), "{name}");
        }
    }

    proptest! {
        #[test]
        fn names_made_by_the_rule_are_accepted(
            name in r"[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,3}(/[a-z0-9]{1,5}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}){1,3}"
        ) {
            prop_assert!(name.parse::<RepositoryName>().is_ok());
        }

        #[test]
        fn parsing_never_panics(text: String) {
            let _ = text.parse::<RepositoryName>();
        }
    }
}
