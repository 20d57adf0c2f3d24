//! The element `Action` or `NotAction`.

use crate::Context;
use crate::pattern::{Case, Match, Pattern, Syntax};

/// Which actions a statement is about. Names are case-insensitive, wildcards may stand anywhere, variables nowhere
/// (access.md 5, "Action").
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

    pub(crate) fn covers(&self, action: &str, context: &Context) -> bool {
        let matches = self.patterns.iter().map(|pattern| pattern.matches(action, Case::Insensitive, context));
        Match::any(matches).holds(self.negated)
    }
}
