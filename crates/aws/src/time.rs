//! The texts that times have in AWS protocols.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// `YYYYMMDDTHHMMSSZ`, as signatures name times.
pub fn amz_date(epoch_ms: i64) -> String {
    format(epoch_ms, "%Y%m%dT%H%M%SZ")
}

/// `2026-11-21T01:35:02Z`, as Query answers name times.
pub fn iso8601(epoch_ms: i64) -> String {
    format(epoch_ms, "%Y-%m-%dT%H:%M:%SZ")
}

fn format(epoch_ms: i64, pattern: &str) -> String {
    Timestamp::from_millisecond(epoch_ms)
        .ok()
        .and_then(|time| strtime::format(pattern, &time.to_zoned(TimeZone::UTC)).ok())
        .unwrap_or_default()
}

/// Reads `YYYYMMDDTHHMMSSZ`.
pub fn parse_amz_date(text: &str) -> Option<i64> {
    if text.len() != 16 || !text.ends_with('Z') {
        return None;
    }
    let civil = DateTime::strptime("%Y%m%dT%H%M%S", &text[..15]).ok()?;
    let ms = civil.to_zoned(TimeZone::UTC).ok()?.timestamp().as_millisecond();
    // `strptime` also takes blanks, signs and leap seconds, of which the time is another text.
    (amz_date(ms) == text).then_some(ms)
}

/// A time or a day as feeds write them, `2026-11-21T01:35:02.5Z` or `2026-11-21`.
pub fn parse_iso8601(text: &str) -> Option<i64> {
    let text = text.trim();
    let time = text.parse::<Timestamp>().ok().or_else(|| {
        let day: jiff::civil::Date = text.get(..10).filter(|_| text.len() == 10)?.parse().ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    });
    time.map(Timestamp::as_millisecond)
}

/// Reads a `Date` header (RFC 7231).
pub fn parse_http_date(text: &str) -> Option<i64> {
    jiff::fmt::rfc2822::parse(text).ok().map(|time| time.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_as_feeds_write_them() {
        for (text, ms) in [
            ("2026-11-21", Some(1_795_219_200_000)),
            ("2026-11-21T01:35:02Z", Some(1_795_224_902_000)),
            (" 2026-11-21T01:35:02.5Z ", Some(1_795_224_902_500)),
            ("2026-11-21T03:35:02+02:00", Some(1_795_224_902_000)),
            ("2026-11-21T01:35:02", None),
            ("2026-13-01", None),
            ("21 November", None),
            ("", None),
        ] {
            assert_eq!(parse_iso8601(text), ms, "{text}");
        }
    }

    #[test]
    fn round_trip() {
        let ms = 1_440_938_160_000;
        assert_eq!(amz_date(ms), "20150830T123600Z");
        assert_eq!(iso8601(ms), "2015-08-30T12:36:00Z");
        assert_eq!(parse_amz_date("20150830T123600Z"), Some(ms));
        assert_eq!(parse_http_date("Sun, 30 Aug 2015 12:36:00 GMT"), Some(ms));
        for bad in [
            "",
            "20150830T123600",
            "20151330T123600Z",
            "2015-08-30T12:3Z",
            "éééééééé",
            " 0150830T123600Z",
            "20150830T 23600Z",
            "+0150830T123600Z",
            "20150830T123660Z",
        ] {
            assert_eq!(parse_amz_date(bad), None, "{bad}");
        }
    }
}
