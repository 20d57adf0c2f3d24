//! The values that a condition compares with, read once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Comparison, Network, Number, Test, read_number, read_time};
use crate::arn::ArnPattern;
use crate::held;
use crate::pattern::{Case, Match, Pattern, Syntax};
use crate::reading::Reading;

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

    /// What it takes of the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        match self {
            Self::Text(pattern, _) => pattern.heap_bytes(),
            Self::Arn(pattern) => pattern.heap_bytes(),
            Self::Number(_, number) => number.heap_bytes(),
            Self::Binary(bytes) => held::list::<u8>(bytes.capacity()),
            Self::Time(..) | Self::Bool(_) | Self::Address(_) => 0,
        }
    }

    pub(super) fn is_bool(&self, value: bool) -> bool {
        matches!(self, Self::Bool(expected) if *expected == value)
    }

    /// Compares with a value of the request; one that is of another type matches nothing.
    pub(super) fn matches(&self, actual: &str, reading: &Reading<'_>) -> Match {
        match self {
            Self::Text(pattern, case) => pattern.matches(actual, *case, reading),
            Self::Arn(pattern) => pattern.matches(actual, reading),
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
