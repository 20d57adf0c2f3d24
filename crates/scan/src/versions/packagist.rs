//! Versions of PHP packages, as Composer normalises and PHP's `version_compare` orders them.
//!
//! Composer fills up to four numbers with zeros, so zeros at the end of the first numbers do not count; nor does what is
//! behind a `+`. Branches (`dev-main`) and other text that does not begin with a number are below every version.

use std::cmp::Ordering;

use super::text::{Number, Word, begins_with_digit, compare_padded, compare_read, take, take_digits};

/// The order of two versions.
pub fn compare(a: &str, b: &str) -> Ordering {
    compare_read(a, b, read, |a, b| {
        compare_padded(numbers(a), numbers(b), Number::ZERO)
            .then_with(|| parts(a).skip_while(Part::is_number).cmp(parts(b).skip_while(Part::is_number)))
    })
}

/// Whether the text is a version, and no branch: `1.x-dev` is one.
pub fn is_version(text: &str) -> bool {
    read(text).is_some_and(|text| {
        text.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte))
            && !parts(text).any(|part| matches!(part, Part::Unknown(_)))
    })
}

/// The version without `v` and without what is behind a `+`.
fn read(text: &str) -> Option<&[u8]> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let text = text.split_once('+').map_or(text, |(version, _)| version);
    Some(text.as_bytes()).filter(|text| begins_with_digit(text))
}

/// The numbers that a version begins with.
fn numbers(text: &[u8]) -> impl Iterator<Item = Number<'_>> {
    parts(text).map_while(|part| match part {
        Part::Number(number) => Some(number),
        Part::Unknown(_) | Part::Dev | Part::Alpha | Part::Beta | Part::Candidate | Part::End | Part::Patch => None,
    })
}

fn parts(text: &[u8]) -> Parts<'_> {
    Parts { rest: text, is_at_end: false }
}

/// In the order of `version_compare`, wherever one version has this and the other has that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part<'a> {
    Unknown(Word<'a>),
    Dev,
    Alpha,
    Beta,
    Candidate,
    End,
    Number(Number<'a>),
    Patch,
}

impl<'a> Part<'a> {
    /// What a word says; `stable` says nothing.
    fn of_word(word: Word<'a>) -> Option<Self> {
        if word.is("stable") {
            return None;
        }
        Some(if word.is("dev") {
            Self::Dev
        } else if word.is_one_of(&["alpha", "a"]) {
            Self::Alpha
        } else if word.is_one_of(&["beta", "b"]) {
            Self::Beta
        } else if word.is("rc") {
            Self::Candidate
        } else if word.is_one_of(&["p", "pl", "patch", "post"]) {
            Self::Patch
        } else {
            Self::Unknown(word)
        })
    }

    fn is_number(&self) -> bool {
        matches!(self, Self::Number(_))
    }
}

/// The parts of a version, of which the last one is [`Part::End`].
struct Parts<'a> {
    rest: &'a [u8],
    is_at_end: bool,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let is_separator = |byte: u8| b".-_+# ".contains(&byte);
        while !self.is_at_end {
            take(&mut self.rest, is_separator);
            if self.rest.is_empty() {
                self.is_at_end = true;
                return Some(Part::End);
            }
            if begins_with_digit(self.rest) {
                return Some(Part::Number(Number::new(take_digits(&mut self.rest))));
            }
            let word = take(&mut self.rest, |byte| !byte.is_ascii_digit() && !is_separator(byte));
            if let Some(part) = Part::of_word(Word(word)) {
                return Some(part);
            }
        }
        None
    }
}
