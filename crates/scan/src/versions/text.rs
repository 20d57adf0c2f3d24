//! Pieces of text that all schemes are made of: runs, numbers of any length, words in any case.

use std::cmp::Ordering;

/// Cuts the bytes off the front for which `belongs` holds.
pub fn take<'a>(rest: &mut &'a [u8], belongs: impl Fn(u8) -> bool) -> &'a [u8] {
    let end = rest.iter().position(|byte| !belongs(*byte)).unwrap_or(rest.len());
    let (taken, left) = rest.split_at(end);
    *rest = left;
    taken
}

/// Cuts the digits off the front.
pub fn take_digits<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    take(rest, |byte| byte.is_ascii_digit())
}

/// Whether the text begins with a digit.
pub fn begins_with_digit(text: &[u8]) -> bool {
    text.first().is_some_and(u8::is_ascii_digit)
}

/// A number of any length, ordered by its value; no digits are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number<'a> {
    length: usize,
    digits: &'a [u8],
}

impl<'a> Number<'a> {
    /// 0.
    pub const ZERO: Self = Self { length: 0, digits: &[] };

    /// The number that these digits write.
    pub fn new(digits: &'a [u8]) -> Self {
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        let digits = digits.get(zeros..).unwrap_or_default();
        Self { length: digits.len(), digits }
    }

    /// Whether it is 0.
    pub fn is_zero(self) -> bool {
        self.length == 0
    }
}

/// A word in which the case of ASCII letters does not count.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a>(pub &'a [u8]);

impl Word<'_> {
    /// Whether it is this one of lower-case letters.
    pub fn is(self, name: &str) -> bool {
        self.0.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether it is one of these of lower-case letters.
    pub fn is_one_of(self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is(name))
    }
}

impl Ord for Word<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.iter().map(u8::to_ascii_lowercase).cmp(other.0.iter().map(u8::to_ascii_lowercase))
    }
}

impl PartialOrd for Word<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Word<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Word<'_> {}

/// The order of two lists of which the shorter one goes on with `rest`, for ever.
pub fn compare_padded<T: Ord + Copy>(a: impl Iterator<Item = T>, b: impl Iterator<Item = T>, rest: T) -> Ordering {
    let (mut a, mut b) = (a.fuse(), b.fuse());
    loop {
        let (one, other) = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (one, other) => (one.unwrap_or(rest), other.unwrap_or(rest)),
        };
        if one != other {
            return one.cmp(&other);
        }
    }
}

/// The order of two texts of which some are no versions: these are below all that are, in the order of their bytes.
pub fn compare_read<'a, T>(
    a: &'a str,
    b: &'a str,
    read: impl Fn(&'a str) -> Option<T>,
    compare: impl FnOnce(&T, &T) -> Ordering,
) -> Ordering {
    match (read(a), read(b)) {
        (Some(a), Some(b)) => compare(&a, &b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => a.cmp(b),
    }
}
