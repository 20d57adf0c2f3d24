//! Numbers that conditions compare: decimal, and exact however large or fine they are.

use std::cmp::Ordering;

use crate::held;

/// The longest exponent that is read; no value of a request has one near it.
const MAX_EXPONENT_DIGITS: usize = 9;

/// `0.DIGITS` times ten to the power of `magnitude`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Number {
    is_negative: bool,
    /// Without zeros at either end; empty for zero.
    digits: String,
    magnitude: i64,
}

impl Number {
    /// What it takes of the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        held::string(&self.digits)
    }

    fn cmp_size(&self, other: &Self) -> Ordering {
        match (self.digits.is_empty(), other.digits.is_empty()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
            // Fractions without zeros at their ends are in the order of their texts.
            (false, false) => self.magnitude.cmp(&other.magnitude).then_with(|| self.digits.cmp(&other.digits)),
        }
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.is_negative, other.is_negative) {
            (false, false) => self.cmp_size(other),
            (true, true) => other.cmp_size(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Takes the sign off.
fn signed(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn are_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Reads an integer or decimal number, with or without an exponent.
pub(crate) fn read_number(text: &str) -> Option<Number> {
    let (is_negative, rest) = signed(text);
    let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => {
            let (is_negative, digits) = signed(exponent);
            let digits = Some(digits).filter(|digits| !digits.is_empty() && are_digits(digits))?;
            let digits = digits.trim_start_matches('0');
            if digits.len() > MAX_EXPONENT_DIGITS {
                return None;
            }
            let exponent: i64 = if digits.is_empty() { 0 } else { digits.parse().ok()? };
            (mantissa, if is_negative { -exponent } else { exponent })
        }
        None => (rest, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() || !are_digits(whole) || !are_digits(fraction) {
        return None;
    }
    let all = [whole, fraction].concat();
    let without_zeros = all.trim_start_matches('0');
    let digits = without_zeros.trim_end_matches('0').to_owned();
    let leading_zeros = i64::try_from(all.len() - without_zeros.len()).ok()?;
    let magnitude = i64::try_from(whole.len()).ok()? - leading_zeros + exponent;
    Some(if digits.is_empty() {
        Number { is_negative: false, digits, magnitude: 0 }
    } else {
        Number { is_negative, digits, magnitude }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_their_order() {
        let ordered = [
            "-1e30",
            "-18446744073709551616",
            "-10",
            "-9.5",
            "-1",
            "-0.001",
            "0",
            "1e-30",
            "0.0009",
            "0.001",
            "0.1",
            "0.12",
            "0.2",
            "1",
            "1.5",
            "2",
            "10",
            "11",
            "9007199254740992",
            "9007199254740993",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "18446744073709551616.5",
            "340282366920938463463374607431768211456",
            "1e400",
        ];
        let numbers = ordered.map(|text| read_number(text).expect(text));
        for (at, one) in numbers.iter().enumerate() {
            for (other_at, other) in numbers.iter().enumerate() {
                assert_eq!(one.cmp(other), at.cmp(&other_at), "{} {}", ordered[at], ordered[other_at]);
            }
        }
    }

    #[test]
    fn one_number_in_several_spellings() {
        for (one, other) in [
            ("0", "-0.000e5"),
            ("+5", "5."),
            (".5", "0.50"),
            ("1E3", "1000.0"),
            ("12e-1", "1.2"),
            ("007", "7"),
            ("100000000000000000000", "1e20"),
            ("0.00012e+0004", "1.2"),
        ] {
            assert_eq!(read_number(one), read_number(other), "{one} {other}");
            assert!(read_number(one).is_some(), "{one}");
        }
    }

    #[test]
    fn what_is_no_number() {
        for text in [
            "",
            "-",
            ".",
            "e5",
            "1e",
            "1e+",
            "+-1",
            "1.2.3",
            "1 ",
            " 1",
            "inf",
            "NaN",
            "0x10",
            "1_0",
            "1e9999999999",
            "٣",
        ] {
            assert_eq!(read_number(text), None, "{text}");
        }
    }
}
