//! Versions of Maven artifacts: numbers and words between dots, dashes and edges of numbers.
//!
//! Maven itself keeps lists in lists, which it compares in a way that can run in a circle (`1-alpha` < `1` < `1.x.2` < `1-alpha`).
//! Here a version is one list of tokens, as in Maven's reference of the POM: what says nothing (`0`, `final`) is left out at
//! the end, before a dash and before a word that makes a version an early one. Every text has a place.

use std::cmp::Ordering;

use super::text::{Number, Word, begins_with_digit, take, take_digits};

/// Words that make a version an earlier one than without them, in their order.
const EARLY_WORDS: [&[&str]; 5] = [&["alpha"], &["beta"], &["milestone"], &["rc", "cr"], &["snapshot"]];
/// What these letters stand for directly before a digit.
const SHORT_WORDS: [&str; 3] = ["a", "b", "m"];
/// Words that say nothing.
const IDLE_WORDS: [&str; 3] = ["final", "ga", "release"];

/// The order of two versions.
pub fn compare(a: &str, b: &str) -> Ordering {
    Tokens::new(a).cmp(Tokens::new(b))
}

/// Whether the text can be a version. Maven refuses none, but there are expressions, ranges and sentences, and words such as
/// `unspecified` that tools write where they know no version.
pub fn is_version(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic() && !b"${}[](),<>\"'/\\".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

/// In Maven's order, wherever one version has this and the other has that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Token<'a> {
    EarlyWord(usize),
    End,
    ServicePack,
    Word(Word<'a>),
    /// A number behind a dash or a letter.
    Dashed(Number<'a>),
    Dotted(Number<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    Dot,
    Dash,
}

impl Separator {
    fn number(self, number: Number<'_>) -> Token<'_> {
        match self {
            Self::Dot => Token::Dotted(number),
            Self::Dash => Token::Dashed(number),
        }
    }
}

/// What stands between two separators. An edge of a number is as good as a dash.
struct Piece<'a> {
    before: Separator,
    /// What it says; nothing if it is idle.
    token: Option<Token<'a>>,
}

struct Pieces<'a> {
    rest: &'a [u8],
    /// What stands before the next piece, if there is one.
    separator: Option<Separator>,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let before = self.separator?;
        let token = if begins_with_digit(self.rest) {
            let number = Number::new(take_digits(&mut self.rest));
            (!number.is_zero()).then_some(before.number(number))
        } else {
            let word = take(&mut self.rest, |byte| !byte.is_ascii_digit() && byte != b'.' && byte != b'-');
            word_token(Word(word), begins_with_digit(self.rest))
        };
        self.separator = match self.rest {
            [] => None,
            [b'.', behind @ ..] => {
                self.rest = behind;
                Some(Separator::Dot)
            }
            [b'-', behind @ ..] => {
                self.rest = behind;
                Some(Separator::Dash)
            }
            [_, ..] => Some(Separator::Dash),
        };
        Some(Piece { before, token })
    }
}

fn word_token(word: Word<'_>, is_before_digit: bool) -> Option<Token<'_>> {
    let short = SHORT_WORDS.iter().position(|name| is_before_digit && word.is(name));
    let early = short.or_else(|| EARLY_WORDS.iter().position(|names| word.is_one_of(names)));
    match early {
        Some(rank) => Some(Token::EarlyWord(rank)),
        None if word.0.is_empty() || word.is_one_of(&IDLE_WORDS) => None,
        None if word.is("sp") => Some(Token::ServicePack),
        None => Some(Token::Word(word)),
    }
}

/// The tokens of a version without what says nothing, of which the last one is [`Token::End`].
struct Tokens<'a> {
    pieces: Pieces<'a>,
    is_at_end: bool,
    /// Zeros behind dots that are to be given out before `held`.
    zeros: usize,
    held: Option<Token<'a>>,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        let pieces = Pieces { rest: text.as_bytes(), separator: Some(Separator::Dot) };
        Self { pieces, is_at_end: false, zeros: 0, held: None }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        if self.zeros > 0 {
            self.zeros -= 1;
            return Some(Token::Dotted(Number::ZERO));
        }
        if let Some(token) = self.held.take() {
            return Some(token);
        }
        if self.is_at_end {
            return None;
        }
        // Idle pieces are read up to what decides whether they count; each piece is read once.
        let mut first_idle = None;
        let mut more_idle = 0_usize;
        for piece in self.pieces.by_ref() {
            match (piece.token, piece.before, first_idle) {
                (None, Separator::Dash, _) | (None, Separator::Dot, None) => {
                    (first_idle, more_idle) = (Some(piece.before), 0);
                }
                (None, Separator::Dot, Some(_)) => more_idle += 1,
                (Some(token), Separator::Dash, _) | (Some(token @ Token::EarlyWord(_)), Separator::Dot, _) => {
                    return Some(token);
                }
                (Some(token), Separator::Dot, None) => return Some(token),
                (Some(token), Separator::Dot, Some(first)) => {
                    (self.zeros, self.held) = (more_idle, Some(token));
                    return Some(first.number(Number::ZERO));
                }
            }
        }
        self.is_at_end = true;
        Some(Token::End)
    }
}
