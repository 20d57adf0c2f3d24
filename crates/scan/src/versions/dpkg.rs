//! Versions of Debian and Ubuntu: `[epoch:]upstream[-revision]`, as dpkg orders them.
//!
//! Every text has a place: what is before the first colon is an epoch only if it is a number.

use std::cmp::Ordering;

use super::text::{Number, take, take_digits};

/// The order of two versions. A missing epoch is 0, and a missing revision is as good as `0`.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (Parts::read(a), Parts::read(b));
    a.epoch
        .cmp(&b.epoch)
        .then_with(|| compare_runs(a.upstream, b.upstream))
        .then_with(|| compare_runs(a.revision, b.revision))
}

/// Whether the text has only what dpkg allows in a version, and a digit among it.
pub fn is_version(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte))
        && text.bytes().any(|byte| byte.is_ascii_digit())
}

struct Parts<'a> {
    epoch: Number<'a>,
    upstream: &'a [u8],
    revision: &'a [u8],
}

impl<'a> Parts<'a> {
    fn read(text: &'a str) -> Self {
        let (epoch, version) = match text.split_once(':') {
            Some((epoch, version)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => (epoch, version),
            Some(_) | None => ("", text),
        };
        let (upstream, revision) = version.rsplit_once('-').unwrap_or((version, ""));
        Self { epoch: Number::new(epoch.as_bytes()), upstream: upstream.as_bytes(), revision: revision.as_bytes() }
    }
}

/// What is no number is compared with what is none, then a number with a number, and so on.
fn compare_runs(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let is_sign = |byte: u8| !byte.is_ascii_digit();
        let order = compare_signs(take(&mut a, is_sign), take(&mut b, is_sign))
            .then_with(|| Number::new(take_digits(&mut a)).cmp(&Number::new(take_digits(&mut b))));
        if order.is_ne() {
            return order;
        }
    }
    Ordering::Equal
}

fn compare_signs(a: &[u8], b: &[u8]) -> Ordering {
    let rank = |sign: Option<&u8>| match sign {
        Some(b'~') => -1,
        None => 0,
        Some(letter) if letter.is_ascii_alphabetic() => i32::from(*letter),
        Some(sign) => 256 + i32::from(*sign),
    };
    let mut orders = (0..a.len().max(b.len())).map(|at| rank(a.get(at)).cmp(&rank(b.get(at))));
    orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
}
