//! Versions of Ruby gems: numbers and words in any separation; a word makes a version an early one.
//!
//! Text that does not begin with a number is below every version. A platform (`-x86_64-linux`) is no part of a version.

use std::cmp::Ordering;

use super::text::{Number, begins_with_digit, compare_padded, compare_read, take, take_digits};

/// What RubyGems takes a dash for.
const DASH: &[u8] = b"pre";
/// What the platform of a gem begins with, which no early version does.
const PLATFORMS: [&str; 22] = [
    "aarch64",
    "arm",
    "arm64",
    "i386",
    "i486",
    "i586",
    "i686",
    "java",
    "jruby",
    "mingw32",
    "mswin32",
    "mswin64",
    "powerpc",
    "ppc64le",
    "riscv64",
    "s390x",
    "sparc",
    "universal",
    "wasm32",
    "x64",
    "x86",
    "x86_64",
];

/// The order of two versions.
pub fn compare(a: &str, b: &str) -> Ordering {
    compare_read(a, b, read, |a, b| compare_padded(Segments::new(a), Segments::new(b), Segment::ZERO))
}

/// Whether the text is a version.
pub fn is_version(text: &str) -> bool {
    read(text).is_some_and(|text| text.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(byte)))
}

/// The version without its platform.
fn read(text: &str) -> Option<&[u8]> {
    Some(without_platform(text).as_bytes()).filter(|text| begins_with_digit(text))
}

fn without_platform(text: &str) -> &str {
    match text.split_once('-') {
        Some((version, platform)) if platform.split('-').next().is_some_and(|name| PLATFORMS.contains(&name)) => {
            version
        }
        Some(_) | None => text,
    }
}

/// In the order of RubyGems; a version that ends goes on with zeros.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Segment<'a> {
    Word(&'a [u8]),
    Number(Number<'a>),
}

impl Segment<'_> {
    const ZERO: Self = Self::Number(Number::ZERO);
}

/// The segments of a version, without the zeros at the end of the numbers that it begins with: `1.0.rc` is `1.rc`.
struct Segments<'a> {
    rest: &'a [u8],
    /// Whether there has been no word so far.
    is_head: bool,
    /// Zeros to be given out before `held`.
    zeros: usize,
    held: Option<Segment<'a>>,
}

impl<'a> Segments<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self { rest: text, is_head: true, zeros: 0, held: None }
    }

    fn next_written(&mut self) -> Option<Segment<'a>> {
        take(&mut self.rest, |byte| !byte.is_ascii_alphanumeric() && byte != b'-');
        match self.rest {
            [] => None,
            [b'-', behind @ ..] => {
                self.rest = behind;
                Some(Segment::Word(DASH))
            }
            [b'0'..=b'9', ..] => Some(Segment::Number(Number::new(take_digits(&mut self.rest)))),
            [_, ..] => Some(Segment::Word(take(&mut self.rest, |byte| byte.is_ascii_alphabetic()))),
        }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        if self.zeros == 0 {
            if let Some(segment) = self.held.take() {
                return Some(segment);
            }
            let mut segment = self.next_written()?;
            while self.is_head && segment == Segment::ZERO {
                self.zeros += 1;
                segment = self.next_written()?;
            }
            if self.is_head && matches!(segment, Segment::Word(_)) {
                (self.is_head, self.zeros) = (false, 0);
            }
            if self.zeros == 0 {
                return Some(segment);
            }
            self.held = Some(segment);
        }
        self.zeros -= 1;
        Some(Segment::ZERO)
    }
}
