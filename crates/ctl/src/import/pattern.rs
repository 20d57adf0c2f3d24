//! Patterns for names and tags: `*` stands for any run of characters, both ends are anchored.

use std::fmt;
use std::str::FromStr;

/// A pattern, or a plain name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            Err("write a name, or a pattern such as team/*".to_owned())
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pattern {
    /// The name, if it stands for one alone.
    pub(super) fn exact(&self) -> Option<&str> {
        (!self.0.contains('*')).then_some(self.0.as_str())
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        // Taking each middle part at its first place leaves the most for what follows.
        for part in parts {
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

/// Whether one of the patterns matches; without patterns, everything does.
pub(super) fn is_wanted(patterns: &[Pattern], text: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching() {
        for (pattern, matching, others) in [
            ("team/app", &["team/app"][..], &["team/ap", "team/app2", ""][..]),
            ("team/*", &["team/", "team/a/b"], &["team", "steam/a"]),
            ("*", &["", "a"], &[]),
            ("v*.*-rc", &["v1.2-rc", "v.-rc"], &["v1-rc", "v1.2-rc1"]),
            ("a*a", &["aa", "aba"], &["a"]),
        ] {
            let pattern: Pattern = pattern.parse().expect("a pattern");
            assert!(matching.iter().all(|text| pattern.matches(text)), "{pattern}");
            assert!(!others.iter().any(|text| pattern.matches(text)), "{pattern}");
        }
        assert!("".parse::<Pattern>().is_err());
        assert!(is_wanted(&[], "anything"));
    }
}
