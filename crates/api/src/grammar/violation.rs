//! What a member does not satisfy, in the words that AWS's models have for it.

use std::fmt;

/// What a length or a number must lie between; both ends are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds<N> {
    /// The smallest.
    pub min: N,
    /// The largest.
    pub max: N,
}

/// What a member does not satisfy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Violation<'a> {
    /// It must be there.
    Missing,
    /// A text has fewer characters.
    TooShort(Bounds<usize>),
    /// A text has more characters.
    TooLong(Bounds<usize>),
    /// A list has fewer entries.
    TooFew(Bounds<usize>),
    /// A list has more entries.
    TooMany(Bounds<usize>),
    /// A number is smaller.
    TooSmall(Bounds<i64>),
    /// A number is larger.
    TooLarge(Bounds<i64>),
    /// A text does not satisfy the regular expression.
    Pattern(&'a str),
    /// A text is none of these.
    NotOneOf(&'a [&'static str]),
}

/// As most services word it.
impl fmt::Display for Violation<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("Member must not be null"),
            Self::TooShort(bounds) | Self::TooFew(bounds) => {
                write!(f, "Member must have length greater than or equal to {}", bounds.min)
            }
            Self::TooLong(bounds) | Self::TooMany(bounds) => {
                write!(f, "Member must have length less than or equal to {}", bounds.max)
            }
            Self::TooSmall(bounds) => write!(f, "Member must have value greater than or equal to {}", bounds.min),
            Self::TooLarge(bounds) => write!(f, "Member must have value less than or equal to {}", bounds.max),
            Self::Pattern(pattern) => write!(f, "Member must satisfy regular expression pattern: {pattern}"),
            Self::NotOneOf(values) => write!(f, "Member must satisfy enum value set: [{}]", values.join(", ")),
        }
    }
}
