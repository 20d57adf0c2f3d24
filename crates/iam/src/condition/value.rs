//! The values that a condition compares with, read once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Comparison, Network, Test, read_time};
use crate::Context;
use crate::arn::ArnPattern;
use crate::pattern::{Case, Match, Pattern, Syntax};

/// A value of the policy, read as its operator wants it.
#[derive(Debug)]
pub(super) enum Expected {
    Text(Pattern, Case),
    Arn(ArnPattern),
    Number(Comparison, Number),
    Time(Comparison, i128),
    Bool(bool),
    Binary(Vec<u8>),
    Address(Network),
}

impl Expected {
    /// None if the operator can make nothing of the text.
    pub(super) fn new(test: Test, value: &str, variables: bool) -> Option<Self> {
        let pattern = |wildcards| Pattern::new(value, Syntax { wildcards, variables });
        Some(match test {
            Test::StringEquals => Self::Text(pattern(false), Case::Sensitive),
            Test::StringEqualsIgnoreCase => Self::Text(pattern(false), Case::Insensitive),
            Test::StringLike => Self::Text(pattern(true), Case::Sensitive),
            Test::Arn => Self::Arn(ArnPattern::new(value, variables)),
            Test::Numeric(comparison) => Self::Number(comparison, read_number(value)?),
            Test::Date(comparison) => Self::Time(comparison, read_time(value)?),
            Test::Bool | Test::Null => Self::Bool(read_bool(value)?),
            Test::Binary => Self::Binary(STANDARD.decode(value).ok()?),
            Test::IpAddress => Self::Address(value.parse().ok()?),
        })
    }

    pub(super) fn variables(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Text(pattern, _) => Box::new(pattern.variables()),
            Self::Arn(pattern) => Box::new(pattern.variables()),
            Self::Number(..) | Self::Time(..) | Self::Bool(_) | Self::Binary(_) | Self::Address(_) => {
                Box::new(std::iter::empty())
            }
        }
    }

    pub(super) fn is_bool(&self, value: bool) -> bool {
        matches!(self, Self::Bool(expected) if *expected == value)
    }

    /// Compares with a value of the request; one that is of another type matches nothing.
    pub(super) fn matches(&self, actual: &str, context: &Context) -> Match {
        match self {
            Self::Text(pattern, case) => pattern.matches(actual, *case, context),
            Self::Arn(pattern) => pattern.matches(actual, context),
            Self::Number(comparison, expected) => {
                read_number(actual).is_some_and(|actual| comparison.holds(&actual, expected)).into()
            }
            Self::Time(comparison, expected) => {
                read_time(actual).is_some_and(|actual| comparison.holds(&actual, expected)).into()
            }
            Self::Bool(expected) => (read_bool(actual) == Some(*expected)).into(),
            Self::Binary(expected) => STANDARD.decode(actual).is_ok_and(|actual| actual == *expected).into(),
            Self::Address(network) => actual.parse().is_ok_and(|address| network.contains(address)).into(),
        }
    }
}

/// An integer or a decimal; integers compare exactly.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Number {
    Integer(i64),
    Decimal(f64),
}

impl Number {
    fn decimal(self) -> f64 {
        match self {
            Self::Integer(integer) => integer as f64,
            Self::Decimal(decimal) => decimal,
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.partial_cmp(other) == Some(std::cmp::Ordering::Equal)
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        match (self, other) {
            (Self::Integer(left), Self::Integer(right)) => left.partial_cmp(right),
            (left, right) => left.decimal().partial_cmp(&right.decimal()),
        }
    }
}

/// Reads an integer or decimal number.
pub(crate) fn read_number(text: &str) -> Option<Number> {
    if let Ok(integer) = text.parse() {
        return Some(Number::Integer(integer));
    }
    // Rust would read `inf` and `nan` too.
    let is_decimal = text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
    text.parse().ok().filter(|number: &f64| is_decimal && number.is_finite()).map(Number::Decimal)
}

/// Reads `true` or `false`, in any case.
pub(crate) fn read_bool(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}
