//! Versions of Alpine and its kin: numbers, a letter, suffixes, a commit and a revision, as apk orders them.
//!
//! `1.2.3b_rc1_p2~0a1b2c-r4`. What does not go on in this way is before a version that ends there, and is compared as text;
//! but what begins with a dash where it cannot stand is all the same. Text that does not begin with a digit is below every
//! version.

use std::cmp::Ordering;

use super::text::{Number, begins_with_digit, take, take_digits};

/// Suffixes that stand before the version without them, in their order.
const EARLY_SUFFIXES: [&[u8]; 4] = [b"alpha", b"beta", b"pre", b"rc"];
/// Suffixes that stand after it, in their order.
const LATE_SUFFIXES: [&[u8]; 5] = [b"cvs", b"svn", b"git", b"hg", b"p"];

/// The order of two versions.
pub fn compare(a: &str, b: &str) -> Ordering {
    Tokens::new(a).cmp(Tokens::new(b))
}

/// Whether the text begins as a version does. What follows it is often none by apk's grammar (`1.9.5p2`), and has its place.
pub fn is_version(text: &str) -> bool {
    begins_with_digit(text.as_bytes()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// In the order of apk, wherever one version has this and the other has that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    EarlySuffix(usize),
    /// What is no part of a version.
    Rest(&'a [u8]),
    End,
    Revision(Number<'a>),
    Commit(&'a [u8]),
    SuffixNumber(Number<'a>),
    LateSuffix(usize),
    Letter(u8),
    /// A number behind a dot that begins with 0 is a decimal fraction: it is compared as text.
    Fraction(&'a [u8]),
    Part(Number<'a>),
    First(Number<'a>),
}

/// What was read last; only later kinds may follow, but for parts and suffixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Start,
    Part,
    Letter,
    Suffix,
    SuffixNumber,
    Commit,
    Revision,
    End,
}

/// The tokens of a version, of which the last one is [`Token::End`] or [`Token::Rest`].
struct Tokens<'a> {
    rest: &'a [u8],
    stage: Stage,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), stage: Stage::Start }
    }

    /// The token that may stand here, its stage, and what is behind it.
    fn read(&self) -> Option<(Token<'a>, Stage, &'a [u8])> {
        let mut rest = self.rest;
        match (self.stage, rest) {
            (Stage::Start, [b'0'..=b'9', ..]) => {
                let number = Number::new(take_digits(&mut rest));
                Some((Token::First(number), Stage::Part, rest))
            }
            (Stage::Part, [b'.', behind @ ..]) if begins_with_digit(behind) => {
                rest = behind;
                let digits = take_digits(&mut rest);
                let part =
                    if digits.starts_with(b"0") { Token::Fraction(digits) } else { Token::Part(Number::new(digits)) };
                Some((part, Stage::Part, rest))
            }
            (Stage::Part, [letter @ b'a'..=b'z', behind @ ..]) => Some((Token::Letter(*letter), Stage::Letter, behind)),
            (Stage::Suffix, [b'0'..=b'9', ..]) => {
                let number = Number::new(take_digits(&mut rest));
                Some((Token::SuffixNumber(number), Stage::SuffixNumber, rest))
            }
            (Stage::Part | Stage::Letter | Stage::Suffix | Stage::SuffixNumber, [b'_', behind @ ..]) => {
                rest = behind;
                let token = suffix(take(&mut rest, |byte| byte.is_ascii_lowercase()))?;
                Some((token, Stage::Suffix, rest))
            }
            (Stage::Part | Stage::Letter | Stage::Suffix | Stage::SuffixNumber, [b'~', behind @ ..]) => {
                rest = behind;
                let commit = take(&mut rest, |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
                (!commit.is_empty()).then_some((Token::Commit(commit), Stage::Commit, rest))
            }
            (stage, [b'-', b'r', behind @ ..]) if stage > Stage::Start && stage < Stage::Revision => {
                rest = behind;
                let number = Number::new(take_digits(&mut rest));
                let is_word = rest.first().is_some_and(u8::is_ascii_alphabetic);
                (!is_word).then_some((Token::Revision(number), Stage::Revision, rest))
            }
            _ => None,
        }
    }
}

fn suffix<'a>(name: &[u8]) -> Option<Token<'a>> {
    let rank = |names: &[&[u8]]| names.iter().position(|known| *known == name);
    rank(&EARLY_SUFFIXES).map(Token::EarlySuffix).or_else(|| rank(&LATE_SUFFIXES).map(Token::LateSuffix))
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if self.stage == Stage::End {
            return None;
        }
        if let Some((token, stage, rest)) = self.read() {
            (self.stage, self.rest) = (stage, rest);
            return Some(token);
        }
        let is_whole = self.rest.is_empty() && self.stage != Stage::Start;
        self.stage = Stage::End;
        Some(match self.rest {
            [] if is_whole => Token::End,
            [b'-', ..] => Token::Rest(b""),
            rest => Token::Rest(rest),
        })
    }
}
