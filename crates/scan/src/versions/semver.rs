//! Semantic versions, and the schemes that differ from them in little: those of Go, NuGet and Bitnami.
//!
//! Advisories and packages are less strict than the specification: a `v` in front, numbers of any length, and any number of
//! them (missing ones are 0) are all read. What follows the numbers without a dash is a pre-release as well. Text that does
//! not begin with a number is below every version.

use std::cmp::Ordering;

use super::text::{Number, Word, begins_with_digit, compare_padded, compare_read, take, take_digits};

/// In what a scheme differs from semantic versions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// As the specification has it: npm, crates.io and others.
    Plain,
    /// `go` may stand in front, a pre-release without dash (`go1.21rc2`), and words behind a space that do not count.
    Go,
    /// The case of a pre-release does not count.
    NuGet,
    /// A number behind the last dash counts how often the package was built; it does not count here.
    Bitnami,
}

/// The order of two versions.
pub fn compare(a: &str, b: &str, flavour: Flavour) -> Ordering {
    let read = |text| Version::read(text, flavour);
    compare_read(a, b, read, |a, b| a.compare(b, flavour))
}

/// Whether the text is a version, if one reads it kindly.
pub fn is_version(text: &str, flavour: Flavour) -> bool {
    Version::read(text, flavour).is_some_and(|version| version.is_well_formed)
}

struct Version<'a> {
    /// Digits with dots between them.
    numbers: &'a [u8],
    /// Without the dash; empty if there is none.
    pre_release: &'a [u8],
    /// Whether words and numbers of the pre-release are identifiers of their own, as in `rc2` without a dash.
    is_run_together: bool,
    is_well_formed: bool,
}

impl<'a> Version<'a> {
    fn read(text: &'a str, flavour: Flavour) -> Option<Self> {
        let mut rest = text.as_bytes();
        if flavour == Flavour::Go {
            rest = rest.strip_prefix(b"go").unwrap_or(rest);
            rest = take(&mut rest, |byte| byte != b' ');
        }
        rest = rest.strip_prefix(b"=").unwrap_or(rest);
        rest = rest.strip_prefix(b"v").or_else(|| rest.strip_prefix(b"V")).unwrap_or(rest);
        if !begins_with_digit(rest) {
            return None;
        }
        let numbers = take_numbers(&mut rest);
        let is_well_formed =
            !rest.starts_with(b".") && rest.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-+_".contains(byte));
        let mut pre_release = take(&mut rest, |byte| byte != b'+');
        let has_dash = pre_release.starts_with(b"-");
        pre_release = pre_release.strip_prefix(b"-").unwrap_or(pre_release);
        if flavour == Flavour::Bitnami && has_dash {
            pre_release = without_revision(pre_release);
        }
        let is_run_together = flavour == Flavour::Go && !has_dash;
        Some(Self { numbers, pre_release, is_run_together, is_well_formed })
    }

    fn compare(&self, other: &Self, flavour: Flavour) -> Ordering {
        let numbers = |version: &Self| version.numbers.split(|byte| *byte == b'.').map(Number::new);
        compare_padded(numbers(self), numbers(other), Number::ZERO)
            .then_with(|| self.pre_release.is_empty().cmp(&other.pre_release.is_empty()))
            .then_with(|| self.identifiers(flavour).cmp(other.identifiers(flavour)))
    }

    fn identifiers(&self, flavour: Flavour) -> Identifiers<'a> {
        Identifiers {
            rest: Some(self.pre_release),
            is_run_together: self.is_run_together,
            is_case_blind: flavour == Flavour::NuGet,
        }
    }
}

/// Cuts digits with single dots between them off the front.
fn take_numbers<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let whole = *rest;
    take_digits(rest);
    while let [b'.', behind @ ..] = rest
        && begins_with_digit(behind)
    {
        *rest = behind;
        take_digits(rest);
    }
    whole.get(..whole.len() - rest.len()).unwrap_or_default()
}

/// A pre-release of Bitnami without the number behind its last dash, or the whole of it.
fn without_revision(pre_release: &[u8]) -> &[u8] {
    let digits = pre_release.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    match pre_release.get(..pre_release.len() - digits) {
        Some([]) => &[],
        Some([kept @ .., b'-']) if digits > 0 => kept,
        _ => pre_release,
    }
}

/// One identifier of a pre-release, in the order of the specification: numbers are before words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier<'a> {
    Number(Number<'a>),
    Text(&'a [u8]),
    CaseBlind(Word<'a>),
}

struct Identifiers<'a> {
    rest: Option<&'a [u8]>,
    is_run_together: bool,
    is_case_blind: bool,
}

impl<'a> Iterator for Identifiers<'a> {
    type Item = Identifier<'a>;

    fn next(&mut self) -> Option<Identifier<'a>> {
        let mut rest = self.rest?;
        let text = match (self.is_run_together, begins_with_digit(rest)) {
            (false, _) => take(&mut rest, |byte| byte != b'.'),
            (true, true) => take_digits(&mut rest),
            (true, false) => take(&mut rest, |byte| byte != b'.' && !byte.is_ascii_digit()),
        };
        self.rest = match rest {
            [] => None,
            [b'.', behind @ ..] => Some(behind),
            [_, ..] => Some(rest),
        };
        Some(if !text.is_empty() && text.iter().all(u8::is_ascii_digit) {
            Identifier::Number(Number::new(text))
        } else if self.is_case_blind {
            Identifier::CaseBlind(Word(text))
        } else {
            Identifier::Text(text)
        })
    }
}
