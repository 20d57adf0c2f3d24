//! The element `Action` or `NotAction`.

use crate::Context;
use crate::held;
use crate::pattern::{Case, Match, Pattern, Syntax};
use crate::reading::Reading;

/// Which actions a statement is about. Names are case-insensitive, wildcards may stand anywhere, variables nowhere
/// (reference/access.md 5, "Action").
#[derive(Debug)]
pub(crate) struct Actions {
    pub(crate) negated: bool,
    patterns: Box<[Pattern]>,
}

impl Actions {
    pub(crate) fn new(negated: bool, values: &[String]) -> Self {
        let syntax = Syntax { wildcards: true, variables: false };
        Self { negated, patterns: values.iter().map(|value| Pattern::new(value, syntax)).collect() }
    }

    /// Whether every value is one of `actions`, spelled out.
    pub(crate) fn are_among(&self, actions: &[&str]) -> bool {
        let is_one = |pattern: &Pattern| {
            let text = pattern.plain_text();
            text.is_some_and(|text| actions.iter().any(|action| action.eq_ignore_ascii_case(text)))
        };
        !self.negated && self.patterns.iter().all(is_one)
    }

    /// What it takes of the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        held::list::<Pattern>(self.patterns.len()) + self.patterns.iter().map(Pattern::heap_bytes).sum::<usize>()
    }

    pub(crate) fn covers(&self, action: &str, context: &Context) -> bool {
        // Without variables there is nothing to read in more than one way.
        let reading = Reading::first(context);
        let matches = self.patterns.iter().map(|pattern| pattern.matches(action, Case::Insensitive, &reading));
        Match::any(matches).holds(self.negated)
    }
}
