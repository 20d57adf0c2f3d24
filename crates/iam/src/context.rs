//! The request context: what conditions and policy variables can read.

use std::collections::HashMap;

/// Condition keys and their values. Key names are case-insensitive (reference/access.md 5, "Condition").
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Context {
    values: HashMap<String, Vec<String>>,
    /// What a key has under further names that differ from its own by case alone, as tags and the names of an encryption
    /// context may: see [`Context::set_each`].
    others: HashMap<String, Vec<Vec<String>>>,
}

impl Context {
    /// Gives a key one value, in place of what it had.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.set_each(key, vec![vec![value.into()]]);
    }

    /// Gives a key several values, in place of what it had. Without any the key counts as absent.
    pub fn set_all<V: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = V>) {
        self.set_each(key, vec![values.into_iter().map(Into::into).collect()]);
    }

    /// Gives a key the values that it has under each of several names that differ by case alone.
    ///
    /// Which of them a condition means nobody can say: IAM's guide says of tags that it matches one or the other, but not
    /// both. So that whoever chooses the names does not choose what is allowed, an Allow must be met by all of them, and a
    /// Deny by any: where the key is asked for, and where it is a policy variable.
    pub fn set_each(&mut self, key: &str, mut each: Vec<Vec<String>>) {
        each.retain(|values| !values.is_empty());
        each.dedup();
        let mut each = each.into_iter();
        let key = key.to_lowercase();
        self.values.insert(key.clone(), each.next().unwrap_or_default());
        if each.len() > 0 {
            self.others.insert(key, each.collect());
        } else {
            self.others.remove(&key);
        }
    }

    /// The values of a key, if it has any.
    pub fn get(&self, key: &str) -> Option<&[String]> {
        self.get_lower(&key.to_lowercase())
    }

    /// As [`Context::get`], for a name that is in lower case already.
    pub(crate) fn get_lower(&self, key: &str) -> Option<&[String]> {
        self.values.get(key).map(Vec::as_slice).filter(|values| !values.is_empty())
    }

    /// What the key has under its further names.
    pub(crate) fn others(&self, key: &str) -> &[Vec<String>] {
        self.others.get(key).map_or(&[], Vec::as_slice)
    }

    /// Whether no key has further names: then there is one reading.
    pub(crate) fn is_plain(&self) -> bool {
        self.others.is_empty()
    }

    /// Every key that has a value, in lower case, in no order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.values.iter().filter(|(_, values)| !values.is_empty()).map(|(key, _)| key.as_str())
    }
}
