//! The element `Action` or `NotAction`.

use crate::Context;
use crate::pattern::{Case, Match, Pattern, Syntax};
use crate::reading::Reading;

/// Which actions a statement is about. Names are case-insensitive, wildcards may stand anywhere, variables nowhere
/// (reference/access.md 5, "Action").
#[derive(Debug)]
pub(crate) struct Actions {
    pub(crate) negated: bool,
    patterns: Box<[Pattern]>,
    texts: Box<[String]>,
}

impl Actions {
    pub(crate) fn new(negated: bool, values: &[String]) -> Self {
        let syntax = Syntax { wildcards: true, variables: false };
        Self {
            negated,
            patterns: values.iter().map(|value| Pattern::new(value, syntax)).collect(),
            texts: values.into(),
        }
    }

    /// Whether every value is one of `actions`, spelled out.
    pub(crate) fn are_among(&self, actions: &[&str]) -> bool {
        !self.negated && self.texts.iter().all(|text| actions.iter().any(|action| action.eq_ignore_ascii_case(text)))
    }

    pub(crate) fn covers(&self, action: &str, context: &Context) -> bool {
        // Without variables there is nothing to read in more than one way.
        let reading = Reading::first(context);
        let matches = self.patterns.iter().map(|pattern| pattern.matches(action, Case::Insensitive, &reading));
        Match::any(matches).holds(self.negated)
    }
}
