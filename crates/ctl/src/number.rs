//! Whole numbers among the arguments, refused in words that tell what is needed.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// A reader of whole numbers of a range.
pub(crate) fn within<N>(range: RangeInclusive<N>) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: FromStr + PartialOrd + Display + Bounded + Send + Sync + Clone + 'static,
{
    move |text| {
        text.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (first, last) = (range.start(), range.end());
            if *last == N::LAST {
                format!("a whole number of at least {first} is needed")
            } else {
                format!("a whole number from {first} to {last} is needed")
            }
        })
    }
}

/// A reader of whole numbers that are at least so much.
pub(crate) fn at_least<N>(first: N) -> impl Fn(&str) -> Result<N, String> + Clone + Send + Sync + 'static
where
    N: FromStr + PartialOrd + Display + Bounded + Send + Sync + Clone + 'static,
{
    within(first..=N::LAST)
}

/// A kind of number that ends somewhere.
pub(crate) trait Bounded {
    /// The largest one.
    const LAST: Self;
}

impl Bounded for u16 {
    const LAST: Self = Self::MAX;
}

impl Bounded for u32 {
    const LAST: Self = Self::MAX;
}

impl Bounded for u64 {
    const LAST: Self = Self::MAX;
}

impl Bounded for i64 {
    const LAST: Self = Self::MAX;
}

impl Bounded for usize {
    const LAST: Self = Self::MAX;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_needed_is_said() {
        let timeout = within(1_u64..=600);
        assert_eq!((timeout("1"), timeout("600")), (Ok(1), Ok(600)));
        for text in ["0", "601", "abc", "-1", "", "1.5", "99999999999999999999"] {
            assert_eq!(timeout(text), Err("a whole number from 1 to 600 is needed".to_owned()), "{text}");
            if text != "601" {
                let said = at_least(1_usize)(text);
                assert_eq!(said, Err("a whole number of at least 1 is needed".to_owned()), "{text}");
            }
        }
        assert_eq!(at_least(1_i64)("5"), Ok(5));
    }
}
