//! The element `Condition` (reference/access.md 5; IAM User Guide, "Condition operators").

mod address;
mod number;
mod operator;
mod time;
mod value;

pub(crate) use address::Network;
use number::Number;
pub(crate) use number::read_number;
pub(crate) use operator::{Comparison, Operator, Quantifier, Test};
pub(crate) use time::{is_legacy_date, read_time};
pub(crate) use value::read_bool;

use crate::held;
use crate::pattern::Match;
use crate::reading::Reading;
use crate::{Context, Effect};
use value::Expected;

/// One operator on one key.
#[derive(Debug)]
pub(crate) struct Condition {
    operator: Operator,
    /// In lower case.
    pub(crate) key: String,
    /// As the policy spells it.
    pub(crate) written_key: String,
    /// Alternatives. A value that could not be read is left out: it can never be met.
    expected: Vec<Expected>,
}

impl Condition {
    pub(crate) fn new(operator: Operator, key: &str, values: &[String], variables: bool) -> Self {
        let expected = values.iter().filter_map(|value| Expected::new(operator.test, value, variables)).collect();
        Self { operator, key: key.to_lowercase(), written_key: key.to_owned(), expected }
    }

    /// The keys of the policy variables among its values.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &str> {
        self.expected.iter().flat_map(Expected::variables)
    }

    /// What it takes of the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        let of_values: usize = self.expected.iter().map(Expected::heap_bytes).sum();
        let keys = held::string(&self.key) + held::string(&self.written_key);
        held::list::<Expected>(self.expected.capacity()) + of_values + keys
    }

    /// Whether the request meets it, in a statement of that effect.
    pub(crate) fn holds(&self, context: &Context, effect: Effect) -> bool {
        let keys = std::iter::once(self.key.as_str()).chain(self.variables());
        Reading::settle(context, effect, keys, |reading| self.holds_by(reading))
    }

    fn holds_by(&self, reading: &Reading<'_>) -> bool {
        let actual = reading.get(&self.key);
        let Operator { test, negated, quantifier, if_exists } = self.operator;
        if test == Test::Null {
            // "true" asks for the key to be absent.
            return self.expected.iter().any(|expected| expected.is_bool(actual.is_none()));
        }
        let Some(actual) = actual else {
            return if_exists
                || match quantifier {
                    Quantifier::None => negated,
                    // Vacuously true (reference/access.md 5).
                    Quantifier::ForAllValues => true,
                    Quantifier::ForAnyValue => false,
                };
        };
        let one = |actual: &String| Match::any(self.expected.iter().map(|expected| expected.matches(actual, reading)));
        match quantifier {
            // Several values without a quantifier: any may match; for the negated operators none may (NOR).
            Quantifier::None => Match::any(actual.iter().map(one)).holds(negated),
            Quantifier::ForAnyValue => actual.iter().any(|value| one(value).holds(negated)),
            Quantifier::ForAllValues => actual.iter().all(|value| one(value).holds(negated)),
        }
    }
}
