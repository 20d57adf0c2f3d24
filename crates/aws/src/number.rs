//! Numbers of the Query protocol, which carries them as text.

use std::fmt;
use std::num::{IntErrorKind, ParseIntError};

use serde::{Deserialize, Deserializer};

/// A number of a form. One that does not fit is as large as can be, which is out of every member's range, and still shown
/// as it was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormNumber {
    value: i64,
    text: String,
}

/// Digits that are shown of a number.
const SHOWN: usize = 100;

impl FormNumber {
    /// The number, or what is nearest to it.
    pub fn value(&self) -> i64 {
        self.value
    }
}

impl From<i64> for FormNumber {
    fn from(value: i64) -> Self {
        Self { value, text: value.to_string() }
    }
}

impl fmt::Display for FormNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Takes sign and leading zeros for what they are, and cuts what is too long to be shown.
fn beyond(value: i64, text: &str) -> FormNumber {
    let digits = text.trim_start_matches(['+', '-']).trim_start_matches('0');
    let sign = if value < 0 { "-" } else { "" };
    let shown = digits.get(..SHOWN).map_or_else(|| digits.to_owned(), |cut| format!("{cut}..."));
    FormNumber { value, text: format!("{sign}{shown}") }
}

/// Reads a number that a form carries as text. For `#[serde(default, deserialize_with = "aws::number_text")]`.
pub fn number_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<FormNumber>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let number = text.map(|text| {
        // What comes after too many digits is not looked at by `parse`.
        let is_number = text.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit());
        text.parse().map(i64::into).or_else(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow if is_number => Ok(beyond(i64::MAX, &text)),
            IntErrorKind::NegOverflow if is_number => Ok(beyond(i64::MIN, &text)),
            _ => Err(serde::de::Error::custom(format!("'{text}' is not a number"))),
        })
    });
    number.transpose()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers() {
        for (text, expected) in [
            ("7", Some((7, "7"))),
            ("-7", Some((-7, "-7"))),
            ("+007", Some((7, "7"))),
            ("9223372036854775807", Some((i64::MAX, "9223372036854775807"))),
            ("9223372036854775808", Some((i64::MAX, "9223372036854775808"))),
            ("+099999999999999999999", Some((i64::MAX, "99999999999999999999"))),
            ("-99999999999999999999", Some((i64::MIN, "-99999999999999999999"))),
            ("7x", None),
            ("99999999999999999999x", None),
            ("", None),
        ] {
            let read = number_text(json!(text)).ok().flatten();
            let read = read.as_ref().map(|number| (number.value(), number.to_string()));
            assert_eq!(read.as_ref().map(|(value, shown)| (*value, shown.as_str())), expected, "{text}");
        }
        assert_eq!(number_text(json!(null)).ok(), Some(None));
        let long = number_text(json!("9".repeat(100_000))).expect("a number").expect("one");
        assert!(long.to_string().len() < 2 * SHOWN && long.to_string().ends_with("99..."));
    }
}
