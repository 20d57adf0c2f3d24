//! The element `Resource` or `NotResource`.

use crate::Context;
use crate::arn::ArnPattern;
use crate::pattern::Match;

/// Which resources a statement is about.
#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) negated: bool,
    patterns: Box<[ArnPattern]>,
}

impl Resources {
    pub(crate) fn new(negated: bool, values: &[String], variables: bool) -> Self {
        Self { negated, patterns: values.iter().map(|value| ArnPattern::new(value, variables)).collect() }
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.patterns.iter().flat_map(ArnPattern::variables)
    }

    /// Whether the statement is about the resource of a request. `*`, which stands for none, has one part, so that
    /// `"Resource": "*"` alone covers it, and not `arn:aws:ecr:*` (access.md 1).
    pub(crate) fn covers(&self, resource: &str, context: &Context) -> bool {
        Match::any(self.patterns.iter().map(|pattern| pattern.matches(resource, context))).holds(self.negated)
    }
}
