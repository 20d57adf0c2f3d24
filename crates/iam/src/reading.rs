//! What a request can be taken to say where it names a key more than once, in different case.

use crate::{Context, Effect};

/// The most readings that are tried for one element of a statement. Who sends tags and may write a session's policy could
/// else make a few of them a million; past this a Deny holds, and an Allow does not.
const MOST_READINGS: usize = 256;

/// A context of which each key has the values that it has under one of its names.
#[derive(Clone, Debug)]
pub(crate) struct Reading<'a> {
    context: &'a Context,
    /// For the keys that have further names: which one counts. None for every other key.
    chosen: Vec<Choice<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Choice<'a> {
    /// In lower case.
    key: &'a str,
    /// How many names it has.
    names: usize,
    at: usize,
}

impl<'a> Reading<'a> {
    /// That in which each key has the values of its first name.
    pub(crate) const fn first(context: &'a Context) -> Self {
        Self { context, chosen: Vec::new() }
    }

    /// Whether an element of a statement, which reads `keys` (lower case), holds: in an Allow by every reading, in a Deny by
    /// any. Each element is asked for itself. That is the same for an Allow, and lets a Deny hold once more: where two of
    /// its elements are met by different readings.
    pub(crate) fn settle(
        context: &'a Context,
        effect: Effect,
        keys: impl Iterator<Item = &'a str>,
        holds: impl Fn(&Self) -> bool,
    ) -> bool {
        let mut reading = Self::first(context);
        if context.is_plain() {
            return holds(&reading);
        }
        let mut readings = 1_usize;
        for key in keys {
            let names = 1 + context.others(key).len();
            if names == 1 || reading.chosen.iter().any(|choice| choice.key == key) {
                continue;
            }
            readings = readings.saturating_mul(names);
            reading.chosen.push(Choice { key, names, at: 0 });
        }
        if readings > MOST_READINGS {
            return effect == Effect::Deny;
        }
        loop {
            let decides = match effect {
                Effect::Allow => false,
                Effect::Deny => true,
            };
            if holds(&reading) == decides {
                return decides;
            }
            if !reading.advance() {
                return !decides;
            }
        }
    }

    /// Goes on to the next reading; false after the last one.
    fn advance(&mut self) -> bool {
        for choice in &mut self.chosen {
            choice.at += 1;
            if choice.at < choice.names {
                return true;
            }
            choice.at = 0;
        }
        false
    }

    /// The values of a key (lower case), if it has any.
    pub(crate) fn get(&self, key: &str) -> Option<&'a [String]> {
        let chosen = self.chosen.iter().find(|choice| choice.key == key);
        match chosen.and_then(|choice| choice.at.checked_sub(1)) {
            Some(further) => self.context.others(key).get(further).map(Vec::as_slice),
            None => self.context.get_lower(key),
        }
    }

    /// The value of a key that has exactly one: only such a key can be a policy variable (IAM User Guide, "Policy
    /// elements: variables and tags").
    pub(crate) fn single(&self, key: &str) -> Option<&'a str> {
        match self.get(key) {
            Some([value]) => Some(value),
            _ => None,
        }
    }
}
