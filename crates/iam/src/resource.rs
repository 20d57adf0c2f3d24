//! The element `Resource` or `NotResource`.

use crate::Context;
use crate::arn::ArnPattern;
use crate::pattern::Match;

/// What the resource of a request is called when its action has none (access.md 1).
pub(crate) const NO_RESOURCE: &str = "*";

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

    pub(crate) fn covers(&self, resource: &str, context: &Context) -> bool {
        let matches = self.patterns.iter().map(|pattern| {
            // Actions without a resource are allowed by `"Resource": "*"` alone, not by `arn:aws:ecr:*` (access.md 1).
            if resource == NO_RESOURCE { pattern.is_anything().into() } else { pattern.matches(resource, context) }
        });
        Match::any(matches).holds(self.negated)
    }
}
