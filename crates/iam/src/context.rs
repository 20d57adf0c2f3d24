//! The request context: what conditions and policy variables can read.

use std::collections::HashMap;

/// Condition keys and their values. Key names are case-insensitive (access.md 5, "Condition").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    values: HashMap<String, Vec<String>>,
}

impl Context {
    /// Gives a key one value, in place of what it had.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(key.to_lowercase(), vec![value.into()]);
    }

    /// Gives a key several values, in place of what it had. Without any the key counts as absent.
    pub fn set_all<V: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = V>) {
        self.values.insert(key.to_lowercase(), values.into_iter().map(Into::into).collect());
    }

    /// The values of a key, if it has any.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.get_lower(&key.to_lowercase())
    }

    /// As [`Context::get`], for a name that is in lower case already.
    pub(crate) fn get_lower(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(Vec::as_slice).filter(|values| !values.is_empty())
    }

    /// The value of a key that has exactly one: only such a key can be a policy variable (IAM User Guide, "Policy
    /// elements: variables and tags").
    pub(crate) fn single(&self, key: &str) -> Option<&str> {
        match self.get_lower(key) {
            Some([value]) => Some(value),
            _ => None,
        }
    }

    /// Every key that has a value, in lower case, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.iter().filter(|(_, values)| !values.is_empty()).map(|(key, _)| key.as_str())
    }
}
