//! Image tags, and the wildcard filters that ECR selects tags with.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A tag (OCI distribution specification: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(Arc<str>);

/// A text is no tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must satisfy regular expression '{}'", Tag::PATTERN)]
pub struct TagError;

impl Tag {
    /// The rule.
    pub const PATTERN: &str = "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}";

    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, TagError> {
        let bytes = text.as_bytes();
        let is_tag = bytes.len() <= 128
            && bytes.first().is_some_and(|first| is_word(*first))
            && bytes.iter().all(|byte| is_word(*byte) || b".-".contains(byte));
        if is_tag { Ok(Self(text.into())) } else { Err(TagError) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A wildcard filter on tags (reference/repositories-images.md 4, "Tag mutability"): `*` is any run, both ends are
/// anchored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagFilter(String);

/// A text is no tag filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must satisfy regular expression '^[0-9a-zA-Z._*-]{{1,128}}$' and hold at most 2 wildcards")]
pub struct TagFilterError;

impl FromStr for TagFilter {
    type Err = TagFilterError;

    fn from_str(text: &str) -> Result<Self, TagFilterError> {
        let is_filter = (1..=128).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._*-".contains(&byte))
            && text.bytes().filter(|byte| *byte == b'*').count() <= 2;
        if is_filter { Ok(Self(text.to_owned())) } else { Err(TagFilterError) }
    }
}

impl TagFilter {
    /// Whether the filter selects the tag.
    pub fn matches(&self, tag: &Tag) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = tag.as_str().strip_prefix(first) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        // Taking each middle part at its first place leaves the most for what follows.
        for part in parts {
            let Some(at) = rest.find(part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

impl fmt::Display for TagFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn tags() {
        for tag in ["latest", "v1.2.3", "_x", "A-b", &"a".repeat(128)] {
            assert!(tag.parse::<Tag>().is_ok(), "{tag}");
        }
        for tag in ["", ".a", "-a", "a b", "a/b", "a:b", &"a".repeat(129), "ü"] {
            assert!(tag.parse::<Tag>().is_err(), "{tag}");
        }
    }

    #[test]
    fn filters() {
        for (filter, tag, expected) in [
            ("latest", "latest", true),
            ("latest", "latest1", false),
            ("*", "anything", true),
            ("dev-*", "dev-", true),
            ("dev-*", "Dev-1", false),
            ("*-dev", "a-dev", true),
            ("*a*", "bab", true),
            ("a*b*", "axxb", true),
            ("ab*ba", "aba", false),
            ("a*b*a", "aba", true),
        ] {
            let filter: TagFilter = filter.parse().expect("a filter");
            assert_eq!(filter.matches(&tag.parse().expect("a tag")), expected, "{filter} on {tag}");
        }
        for filter in ["", "***", "a b", "a/b", &"a".repeat(129)] {
            assert!(filter.parse::<TagFilter>().is_err(), "{filter}");
        }
    }

    fn slow_match(filter: &[u8], tag: &[u8]) -> bool {
        match filter.split_first() {
            None => tag.is_empty(),
            Some((b'*', rest)) => (0..=tag.len()).any(|at| slow_match(rest, &tag[at..])),
            Some((byte, rest)) => tag.first() == Some(byte) && slow_match(rest, &tag[1..]),
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_backtracking(filter in "[ab]{0,3}\\*?[ab]{0,2}\\*?[ab]{0,2}", tag in "[ab]{1,8}") {
            prop_assume!(!filter.is_empty());
            let parsed: TagFilter = filter.parse().expect("made by the rule");
            let expected = slow_match(filter.as_bytes(), tag.as_bytes());
            prop_assert_eq!(parsed.matches(&tag.parse().expect("made by the rule")), expected);
        }
    }
}
