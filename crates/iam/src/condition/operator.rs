//! The names of condition operators.

/// A condition operator with its prefix and suffix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) test: Test,
    pub(crate) negated: bool,
    pub(crate) quantifier: Quantifier,
    pub(crate) if_exists: bool,
}

/// What is compared, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Test {
    StringEquals,
    StringEqualsIgnoreCase,
    StringLike,
    Numeric(Comparison),
    Date(Comparison),
    Bool,
    Binary,
    IpAddress,
    /// `ArnEquals` and `ArnLike` are one (IAM User Guide, "ARN condition operators").
    Arn,
    Null,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comparison {
    Equals,
    LessThan,
    LessThanEquals,
    GreaterThan,
    GreaterThanEquals,
}

/// How several values of a key in the request count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantifier {
    None,
    ForAllValues,
    ForAnyValue,
}

impl Comparison {
    /// Whether the value of the request stands so to that of the policy.
    pub(crate) fn holds<T: PartialOrd>(self, actual: &T, expected: &T) -> bool {
        match self {
            Self::Equals => actual == expected,
            Self::LessThan => actual < expected,
            Self::LessThanEquals => actual <= expected,
            Self::GreaterThan => actual > expected,
            Self::GreaterThanEquals => actual >= expected,
        }
    }

    /// Reads the part of a name after `Numeric` or `Date`; true for the negated form.
    fn parse(name: &str) -> Option<(Self, bool)> {
        Some(match name {
            "Equals" => (Self::Equals, false),
            "NotEquals" => (Self::Equals, true),
            "LessThan" => (Self::LessThan, false),
            "LessThanEquals" => (Self::LessThanEquals, false),
            "GreaterThan" => (Self::GreaterThan, false),
            "GreaterThanEquals" => (Self::GreaterThanEquals, false),
            _ => return None,
        })
    }
}

impl Operator {
    /// Reads `[ForAllValues:|ForAnyValue:]Name[IfExists]`.
    pub(crate) fn parse(full_name: &str) -> Option<Self> {
        let (quantifier, name) = if let Some(name) = full_name.strip_prefix("ForAllValues:") {
            (Quantifier::ForAllValues, name)
        } else if let Some(name) = full_name.strip_prefix("ForAnyValue:") {
            (Quantifier::ForAnyValue, name)
        } else {
            (Quantifier::None, full_name)
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (test, negated) = match name {
            "StringEquals" => (Test::StringEquals, false),
            "StringNotEquals" => (Test::StringEquals, true),
            "StringEqualsIgnoreCase" => (Test::StringEqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (Test::StringEqualsIgnoreCase, true),
            "StringLike" => (Test::StringLike, false),
            "StringNotLike" => (Test::StringLike, true),
            "Bool" => (Test::Bool, false),
            "BinaryEquals" => (Test::Binary, false),
            "IpAddress" => (Test::IpAddress, false),
            "NotIpAddress" => (Test::IpAddress, true),
            "ArnEquals" | "ArnLike" => (Test::Arn, false),
            "ArnNotEquals" | "ArnNotLike" => (Test::Arn, true),
            // To ask whether a key is absent only if it is there asks nothing.
            "Null" if !if_exists && quantifier == Quantifier::None => (Test::Null, false),
            _ => {
                if let Some(comparison) = name.strip_prefix("Numeric") {
                    let (comparison, negated) = Comparison::parse(comparison)?;
                    (Test::Numeric(comparison), negated)
                } else {
                    let (comparison, negated) = Comparison::parse(name.strip_prefix("Date")?)?;
                    (Test::Date(comparison), negated)
                }
            }
        };
        Some(Self { test, negated, quantifier, if_exists })
    }
}
