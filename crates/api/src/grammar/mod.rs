//! The request grammar: what services demand of members, checked once for all of them. How a service words what it refuses
//! is its own: it implements [`Wording`], and its operations check by [`Check`] of that.

mod tags;
#[cfg(test)]
mod tests;
mod violation;

use std::marker::PhantomData;
use std::str::FromStr;

use aws::FormNumber;

pub use tags::{MAX_TAGS, TAG_CHARACTERS, Tag, TagPart, TagViolation, TagWording, has_tag_characters};
pub use violation::{Bounds, Violation};

/// How a service words what it refuses.
pub trait Wording {
    /// The service's error.
    type Error;

    /// The answer to a member that does not satisfy something. The value is what was given, where it is one text or number.
    fn refuse(member: &str, value: Option<&str>, violation: Violation<'_>) -> Self::Error;
}

/// The checks, with the words of one service. Each takes the member's name as the service's messages spell it.
#[derive(Debug)]
pub struct Check<W>(PhantomData<W>);

impl<W: Wording> Check<W> {
    /// A member that must be there.
    pub fn required<T>(member: &str, value: Option<T>) -> Result<T, W::Error> {
        value.ok_or_else(|| W::refuse(member, None, Violation::Missing))
    }

    /// The length of a text, in characters.
    pub fn length(member: &str, text: &str, min: usize, max: usize) -> Result<(), W::Error> {
        let (length, bounds) = (text.chars().take(max.saturating_add(1)).count(), Bounds { min, max });
        if length < min {
            return Err(W::refuse(member, Some(text), Violation::TooShort(bounds)));
        }
        if length > max {
            return Err(W::refuse(member, Some(text), Violation::TooLong(bounds)));
        }
        Ok(())
    }

    /// The length of a list, which must be there.
    pub fn list<T>(member: &str, list: Option<Vec<T>>, min: usize, max: usize) -> Result<Vec<T>, W::Error> {
        let list = Self::required(member, list)?;
        Self::count(member, list.len(), min, max)?;
        Ok(list)
    }

    /// How many entries a list has.
    pub fn count(member: &str, count: usize, min: usize, max: usize) -> Result<(), W::Error> {
        let bounds = Bounds { min, max };
        if count < min {
            return Err(W::refuse(member, None, Violation::TooFew(bounds)));
        }
        if count > max {
            return Err(W::refuse(member, None, Violation::TooMany(bounds)));
        }
        Ok(())
    }

    /// A number between bounds.
    pub fn number(member: &str, number: impl Into<FormNumber>, min: i64, max: i64) -> Result<i64, W::Error> {
        let (number, bounds) = (number.into(), Bounds { min, max });
        let refuse = |violation| Err(W::refuse(member, Some(&number.to_string()), violation));
        match number.value() {
            value if value < min => refuse(Violation::TooSmall(bounds)),
            value if value > max => refuse(Violation::TooLarge(bounds)),
            value => Ok(value),
        }
    }

    /// A text that a regular expression must fit; whether it does is known.
    pub fn pattern(member: &str, text: &str, pattern: &str, fits: bool) -> Result<(), W::Error> {
        if fits { Ok(()) } else { Err(W::refuse(member, Some(text), Violation::Pattern(pattern))) }
    }

    /// A text that is read as something, which is what the regular expression fits.
    pub fn parsed<T: FromStr>(member: &str, text: &str, pattern: &str) -> Result<T, W::Error> {
        text.parse().map_err(|_| W::refuse(member, Some(text), Violation::Pattern(pattern)))
    }

    /// One of some values, by its name.
    pub fn one_of<T: Copy>(
        member: &str,
        text: &str,
        values: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Result<T, W::Error> {
        values.iter().copied().find(|value| name(*value) == text).ok_or_else(|| {
            let names: Vec<_> = values.iter().map(|value| name(*value)).collect();
            W::refuse(member, Some(text), Violation::NotOneOf(&names))
        })
    }
}
