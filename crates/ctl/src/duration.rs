//! Lengths of time as people write them: `90d`, `12h`, `1h30m`.

use std::fmt::Write as _;
use std::str::FromStr;

/// A length of time of at least a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Duration {
    seconds: u64,
}

impl Duration {
    /// In seconds.
    pub fn seconds(self) -> u64 {
        self.seconds
    }
}

const FORM: &str = "write a number and s, m, h or d, such as 90d, 12h or 1h30m";

impl FromStr for Duration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut seconds: u64 = 0;
        let mut rest = text;
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let (number, after) = rest.split_at(digits);
            let Some(unit) = after.chars().next() else { return Err(format!("'{text}' ends without a unit: {FORM}")) };
            if number.is_empty() {
                return Err(format!("'{text}' has no number before '{unit}': {FORM}"));
            }
            let unit_seconds: u64 = match unit {
                's' => 1,
                'm' => 60,
                'h' => 3_600,
                'd' => 86_400,
                _ => return Err(format!("'{unit}' is no unit of time: {FORM}")),
            };
            let too_long = || format!("'{text}' is too long");
            let number: u64 = number.parse().map_err(|_| too_long())?;
            let part = number.checked_mul(unit_seconds).ok_or_else(too_long)?;
            // Servers count in signed numbers.
            seconds = seconds.checked_add(part).filter(|sum| i64::try_from(*sum).is_ok()).ok_or_else(too_long)?;
            rest = &after[unit.len_utf8()..];
        }
        if seconds == 0 { Err(format!("'{text}' is no time at all: {FORM}")) } else { Ok(Self { seconds }) }
    }
}

/// As short as it can be written exactly: `90d`, `36h`, `90m`.
pub(crate) fn shortest(seconds: u64) -> String {
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60)] {
        if seconds > 0 && seconds.is_multiple_of(length) {
            return format!("{}{unit}", seconds / length);
        }
    }
    format!("{seconds}s")
}

/// A length of time in its largest two units: `3d4h`, `5m10s`.
pub(crate) fn age(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let largest = units.iter().position(|(length, _)| seconds >= *length).unwrap_or(units.len() - 1);
    let mut rest = seconds;
    let mut text = String::new();
    for (length, unit) in units.iter().skip(largest).take(2) {
        let count = rest / length;
        rest %= length;
        if count > 0 || text.is_empty() {
            let _ = write!(text, "{count}{unit}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (61, "1m1s"), (120, "2m"), (3_700, "1h1m"), (90_000, "1d1h"), (864_000, "10d")]
        {
            assert_eq!(age(seconds), text);
        }
    }

    #[test]
    fn read() {
        for (text, seconds) in [("90d", 7_776_000), ("12h", 43_200), ("30m", 1_800), ("45s", 45), ("1h30m", 5_400)] {
            assert_eq!(text.parse(), Ok(Duration { seconds }), "{text}");
        }
        for (text, message) in [
            ("", "'' is no time at all: write a number and s, m, h or d, such as 90d, 12h or 1h30m"),
            ("0d", "'0d' is no time at all"),
            ("90", "'90' ends without a unit"),
            ("d", "'d' has no number before 'd'"),
            ("-1d", "'-1d' has no number before '-'"),
            ("9y", "'y' is no unit of time"),
            ("9é", "'é' is no unit of time"),
            ("99999999999999999999d", "is too long"),
            ("9999999999999999d", "is too long"),
        ] {
            let error = text.parse::<Duration>().expect_err(text);
            assert!(error.contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn written() {
        for (seconds, text) in [(7_776_000, "90d"), (129_600, "36h"), (5_400, "90m"), (61, "61s"), (0, "0s")] {
            assert_eq!(shortest(seconds), text);
        }
    }
}
