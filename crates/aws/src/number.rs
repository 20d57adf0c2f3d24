//! Numbers of the Query protocol, which carries them as text.

use std::num::{IntErrorKind, ParseIntError};

use serde::{Deserialize, Deserializer};

/// Reads a number that a form carries as text. For `#[serde(default, deserialize_with = "aws::number_text")]`.
///
/// A number beyond what fits is as large as can be: it is out of every member's range, and the answer is to say that.
pub fn number_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    let number = text.map(|text| {
        text.parse().or_else(|error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => Ok(i64::MAX),
            IntErrorKind::NegOverflow => Ok(i64::MIN),
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
            ("7", Some(7)),
            ("-7", Some(-7)),
            ("9223372036854775808", Some(i64::MAX)),
            ("99999999999999999999", Some(i64::MAX)),
            ("-99999999999999999999", Some(i64::MIN)),
            ("7x", None),
            ("", None),
        ] {
            assert_eq!(number_text(json!(text)).ok().flatten(), expected, "{text}");
        }
        assert_eq!(number_text(json!(null)).ok(), Some(None));
    }
}
