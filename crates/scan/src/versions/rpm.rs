//! Versions of rpm: `[epoch:]version[-release]`, each part of it as `rpmvercmp` orders it.
//!
//! Every text has a place: an epoch that is no number is compared as a version is.

use std::cmp::Ordering;

use super::text::{Number, take, take_digits};

/// The order of two versions. A missing epoch is 0, and a missing release is before every release.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::read(a), Parts::read(b));
    a.compare_without_release(&b).then_with(|| match (a.release, b.release) {
        (Some(a), Some(b)) => compare_part(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    })
}

/// The order of a version and of a bound that an advisory names. A bound without release stands for all releases.
pub fn compare_to_bound(version: &str, bound: &str) -> Ordering {
    let (version, bound) = (Parts::read(version), Parts::read(bound));
    version.compare_without_release(&bound).then_with(|| match (version.release, bound.release) {
        (Some(version), Some(bound)) => compare_part(version, bound),
        (None, Some(_)) => Ordering::Less,
        (_, None) => Ordering::Equal,
    })
}

/// The order of two versions, or of two releases, without anything else: `rpmvercmp`.
pub fn compare_part(a: &str, b: &str) -> Ordering {
    Tokens::new(a).cmp(Tokens::new(b))
}

/// Whether the text has only what rpm allows in a version, and a letter or digit among it.
pub fn is_version(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+~^:-".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_alphanumeric())
}

struct Parts<'a> {
    epoch: &'a str,
    version: &'a str,
    release: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Self {
        let (epoch, rest) = text.split_once(':').unwrap_or(("", text));
        let epoch = if epoch.is_empty() { "0" } else { epoch };
        match rest.rsplit_once('-') {
            Some((version, release)) => Self { epoch, version, release: Some(release) },
            None => Self { epoch, version: rest, release: None },
        }
    }

    fn compare_without_release(&self, other: &Self) -> Ordering {
        compare_part(self.epoch, other.epoch).then_with(|| compare_part(self.version, other.version))
    }
}

/// In the order of rpm, wherever one version has this and the other has that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    Tilde,
    End,
    Caret,
    Word(&'a [u8]),
    Number(Number<'a>),
}

/// The tokens of a part, of which the last one is [`Token::End`].
struct Tokens<'a> {
    rest: &'a [u8],
    is_at_end: bool,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), is_at_end: false }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if self.is_at_end {
            return None;
        }
        take(&mut self.rest, |byte| !byte.is_ascii_alphanumeric() && byte != b'~' && byte != b'^');
        let token = match self.rest {
            [] => {
                self.is_at_end = true;
                Token::End
            }
            [b'~', rest @ ..] => {
                self.rest = rest;
                Token::Tilde
            }
            [b'^', rest @ ..] => {
                self.rest = rest;
                Token::Caret
            }
            [b'0'..=b'9', ..] => Token::Number(Number::new(take_digits(&mut self.rest))),
            [_, ..] => Token::Word(take(&mut self.rest, |byte| byte.is_ascii_alphabetic())),
        };
        Some(token)
    }
}
