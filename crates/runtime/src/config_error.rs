//! What is wrong with a configuration, and what is looked at in several places of it.

use std::collections::HashSet;

/// Something in the configuration is wrong. Each line of the text is a fault, and names the key that it is about, first if it
/// can: by that it is found in the file.
#[derive(Clone, Debug, thiserror::Error)]
#[error("configuration: {0}")]
pub struct ConfigError(pub String);

impl ConfigError {
    /// All of several faults; good if there is none.
    pub fn all(errors: impl IntoIterator<Item = Self>) -> Result<(), Self> {
        let texts: Vec<String> = errors.into_iter().map(|error| error.0).collect();
        if texts.is_empty() { Ok(()) } else { Err(Self(texts.join("\n"))) }
    }

    /// All that is read, or all that is wrong.
    pub fn gather<T>(results: impl IntoIterator<Item = Result<T, Self>>) -> Result<Vec<T>, Self> {
        let (mut read, mut wrong) = (Vec::new(), Vec::new());
        for result in results {
            match result {
                Ok(value) => read.push(value),
                Err(error) => wrong.push(error),
            }
        }
        Self::all(wrong).map(|()| read)
    }
}

/// A value that an entry of a list must have. It has a default, so that what else is wrong with the entry is found as well.
pub fn present(key: &str, value: &str) -> Result<(), ConfigError> {
    if value.is_empty() { Err(ConfigError(format!("{key} is missing"))) } else { Ok(()) }
}

/// Each value that is there more than once. What is missing is none.
pub fn no_duplicates<'t>(key: &str, values: impl Iterator<Item = &'t String>) -> Result<(), ConfigError> {
    let mut seen = HashSet::new();
    let mut twice: Vec<&str> =
        values.filter(|value| !value.is_empty() && !seen.insert(*value)).map(String::as_str).collect();
    twice.dedup();
    if twice.is_empty() { Ok(()) } else { Err(ConfigError(format!("{key}: '{}' is there twice", twice.join("', '")))) }
}
