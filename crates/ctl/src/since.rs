//! Points in time as people write them: `2h` for two hours ago, a date, or a date with a time.

use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;

use crate::duration::Duration;

/// A point in time, perhaps relative to now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// So long ago.
    Ago(Duration),
    /// At this time, in epoch milliseconds.
    At(i64),
}

impl Since {
    /// In epoch seconds, as operations take it.
    pub(crate) fn epoch_seconds(self, now_ms: i64) -> f64 {
        let ms = match self {
            Self::Ago(duration) => now_ms.saturating_sub_unsigned(duration.seconds().saturating_mul(1_000)),
            Self::At(ms) => ms,
        };
        ms.max(0) as f64 / 1_000.0
    }
}

impl FromStr for Since {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let of_utc = |time: DateTime| time.to_zoned(TimeZone::UTC).map(|time| time.timestamp());
        let time = text
            .parse::<Timestamp>()
            .or_else(|_| text.parse::<Date>().and_then(|date| of_utc(date.to_datetime(jiff::civil::Time::midnight()))));
        // A date is also read as one with a time, so the time without a zone comes last, and only if it has one.
        match (time, text.parse::<Duration>()) {
            (_, Ok(duration)) => Ok(Self::Ago(duration)),
            (Ok(time), Err(_)) if text.len() <= 10 || text.ends_with('Z') || text[10..].contains(['+', '-']) => {
                Ok(Self::At(time.as_millisecond()))
            }
            _ => Err(format!("'{text}' is no time: write 2h or 3d (ago), 2026-11-21, or 2026-11-21T08:00:00Z")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read() {
        const NOW_MS: i64 = 1_795_224_902_000;
        for (text, seconds) in [
            ("2h", 1_795_217_702.0),
            ("2026-11-21", 1_795_219_200.0),
            ("2026-11-21T01:35:02Z", 1_795_224_902.0),
            ("2026-11-21T02:35:02.5+01:00", 1_795_224_902.5),
            ("99999d", 0.0),
        ] {
            assert_eq!(text.parse::<Since>().map(|since| since.epoch_seconds(NOW_MS)), Ok(seconds), "{text}");
        }
        for text in ["", "yesterday", "2026-11-21T01:35:02", "2026-13-01", "2026-11-2éé"] {
            assert!(text.parse::<Since>().is_err(), "{text}");
        }
    }
}
