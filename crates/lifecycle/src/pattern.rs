//! Patterns of tags: `*` stands for any text, everything else for itself.

use crate::PolicyError;

/// The most `*` in one pattern (reference/lifecycle.md 1).
pub const MAX_WILDCARDS: usize = 4;

/// One entry of `tagPatternList`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagPattern {
    text: String,
    /// What is before the first `*`; the whole text if there is none.
    start: String,
    /// What is between two `*`, without the empty ones.
    middle: Vec<String>,
    /// What is after the last `*`; none if there is no `*`.
    end: Option<String>,
}

impl TagPattern {
    /// Reads a pattern of at most [`MAX_WILDCARDS`] wildcards.
    pub fn new(text: &str) -> Result<Self, PolicyError> {
        let mut parts: Vec<String> = text.split('*').map(str::to_owned).collect();
        if parts.len() - 1 > MAX_WILDCARDS {
            return Err(PolicyError::TooManyWildcards { pattern: text.to_owned() });
        }
        let end = if parts.len() > 1 { parts.pop() } else { None };
        let start = parts.remove(0);
        parts.retain(|part| !part.is_empty());
        Ok(Self { text: text.to_owned(), start, middle: parts, end })
    }

    /// The pattern as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether the whole tag fits; letter case counts (reference/lifecycle.md 1).
    ///
    /// Linear: taking the first place of each part leaves the most room for the rest, so nothing is tried twice.
    pub fn matches(&self, tag: &str) -> bool {
        let Some(end) = &self.end else { return tag == self.start };
        let Some(mut rest) = tag.strip_prefix(self.start.as_str()).and_then(|rest| rest.strip_suffix(end.as_str()))
        else {
            return false;
        };
        for part in &self.middle {
            match rest.split_once(part.as_str()) {
                Some((_, after)) => rest = after,
                None => return false,
            }
        }
        true
    }
}
