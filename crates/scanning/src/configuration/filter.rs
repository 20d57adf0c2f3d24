//! Filters of repositories' names: a part of the name, or with `*` all of it.

use std::fmt;
use std::str::FromStr;

use oci::RepositoryName;
use serde::{Deserialize, Serialize};

/// What a filter must look like, as ECR's model says it.
pub const FILTER_PATTERN: &str = r"^[a-z0-9*](?:[._\-/a-z0-9*]?[a-z0-9*]+)*$";
/// Characters of a filter.
pub const MAX_FILTER_LENGTH: usize = 255;

/// A filter that fits [`FILTER_PATTERN`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter(String);

/// A text that is no filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no filter of repositories' names")]
pub struct NoFilter;

impl FromStr for Filter {
    type Err = NoFilter;

    fn from_str(text: &str) -> Result<Self, NoFilter> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for Filter {
    type Error = NoFilter;

    fn try_from(text: String) -> Result<Self, NoFilter> {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'*';
        let is_separator = |byte: u8| b"._-/".contains(&byte);
        let bytes = text.as_bytes();
        let are_known = bytes.iter().all(|&byte| is_plain(byte) || is_separator(byte));
        // A separator stands between others, and alone.
        let are_parted = bytes.first().copied().is_some_and(is_plain)
            && bytes.last().copied().is_some_and(is_plain)
            && !bytes.windows(2).any(|pair| pair.iter().copied().all(is_separator));
        if are_known && are_parted && bytes.len() <= MAX_FILTER_LENGTH { Ok(Self(text)) } else { Err(NoFilter) }
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.0
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Filter {
    /// As it was put.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it takes a repository.
    pub fn takes(&self, name: &RepositoryName) -> bool {
        let (filter, mut rest) = (self.0.as_str(), name.as_str());
        let Some((begin, more)) = filter.split_once('*') else { return rest.contains(filter) };
        let (middle, end) = more.rsplit_once('*').unwrap_or(("", more));
        let Some(inner) = rest.strip_prefix(begin).and_then(|rest| rest.strip_suffix(end)) else { return false };
        rest = inner;
        // Each part as early as it can be leaves most to those after it.
        for part in middle.split('*') {
            let Some((_, after)) = rest.split_once(part) else { return false };
            rest = after;
        }
        true
    }
}
