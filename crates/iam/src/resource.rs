//! The element `Resource` or `NotResource`.

use crate::arn::ArnPattern;
use crate::held;
use crate::pattern::Match;
use crate::reading::Reading;
use crate::{Context, Effect};

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

    /// What it takes of the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        held::list::<ArnPattern>(self.patterns.len()) + self.patterns.iter().map(ArnPattern::heap_bytes).sum::<usize>()
    }

    /// Whether a statement of that effect is about the resource of a request. `*`, which stands for none, has one part, so
    /// that
    /// `"Resource": "*"` alone covers it, and not `arn:aws:ecr:*` (reference/access.md 1).
    pub(crate) fn covers(&self, resource: &str, context: &Context, effect: Effect) -> bool {
        Reading::settle(context, effect, self.variables(), |reading| {
            Match::any(self.patterns.iter().map(|pattern| pattern.matches(resource, reading))).holds(self.negated)
        })
    }
}
