//! Resource tags (reference/repositories-images.md 6): their shape and their rules.

use serde::{Deserialize, Serialize};

use super::constraints::required;
use super::errors::EcrError;

/// A repository can have so many.
pub const MAX_TAGS: usize = 50;

/// `Tag`: the one shape of the model with capital members.
#[derive(Serialize, Deserialize)]
pub struct ResourceTag {
    #[serde(rename = "Key")]
    key: Option<String>,
    #[serde(rename = "Value")]
    value: Option<String>,
}

impl ResourceTag {
    /// A stored tag.
    pub fn new(key: String, value: String) -> Self {
        Self { key: Some(key), value: Some(value) }
    }
}

/// Checks a list of tags: at most 50, keys of 1 to 128 characters, values of up to 256, no key twice, and none that
/// begins with `aws:`.
pub fn check(tags: Option<Vec<ResourceTag>>) -> Result<Vec<(String, String)>, EcrError> {
    let mut checked: Vec<(String, String)> = Vec::new();
    for tag in tags.unwrap_or_default() {
        let key = required("tags.member.Key", tag.key)?;
        let value = required("tags.member.Value", tag.value)?;
        check_key(&key)?;
        if value.chars().count() > 256 {
            return Err(EcrError::InvalidTag(format!("The value of tag '{key}' must be at most 256 characters long")));
        }
        if value.contains('\0') {
            return Err(EcrError::InvalidTag(format!("The value of tag '{key}' must not hold a NUL character")));
        }
        if checked.iter().any(|(known, _)| *known == key) {
            return Err(EcrError::InvalidTag(format!("The tag key '{key}' is given more than once")));
        }
        checked.push((key, value));
        if checked.len() > MAX_TAGS {
            return Err(EcrError::TooManyTags);
        }
    }
    Ok(checked)
}

/// Checks one key.
pub fn check_key(key: &str) -> Result<(), EcrError> {
    let length = key.chars().count();
    if !(1..=128).contains(&length) {
        return Err(EcrError::InvalidTag("A tag key must be 1 to 128 characters long".to_owned()));
    }
    if key.contains('\0') {
        return Err(EcrError::InvalidTag("A tag key must not hold a NUL character".to_owned()));
    }
    if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
        return Err(EcrError::InvalidTag(format!("The tag key '{key}' must not begin with 'aws:', which is reserved")));
    }
    Ok(())
}
