//! Points in time: ISO 8601 in the W3C profile, or seconds since 1970 (IAM User Guide, "Date condition operators").

use jiff::civil::DateTime;
use jiff::tz::Offset;

const NANOSECONDS: i128 = 1_000_000_000;

/// Reads a date or a date with time, or an epoch time in seconds; nanoseconds since 1970. A missing part is its least
/// value; a time without offset is in UTC.
pub(crate) fn read_time(text: &str) -> Option<i128> {
    if let Ok(seconds) = text.parse::<i64>()
        && !is_year(text)
    {
        return Some(i128::from(seconds) * NANOSECONDS);
    }
    let upper = text.to_ascii_uppercase();
    let (date, time) = match upper.split_once('T') {
        Some((date, time)) => (date, Some(time)),
        None => (upper.as_str(), None),
    };
    let mut fields = date.split('-');
    let year = digits(fields.next()?, 4)?;
    let month = fields.next().map_or(Some(1), |month| digits(month, 2))?;
    let day = fields.next().map_or(Some(1), |day| digits(day, 2))?;
    if fields.next().is_some() {
        return None;
    }
    let (clock, offset) = split_offset(time.unwrap_or("00:00"))?;
    let mut fields = clock.split(':');
    let hour = digits(fields.next()?, 2)?;
    let minute = digits(fields.next()?, 2)?;
    let (second, nanosecond) = match fields.next() {
        Some(second) => split_fraction(second)?,
        None => (0, 0),
    };
    if fields.next().is_some() {
        return None;
    }
    let civil = DateTime::new(
        year.try_into().ok()?,
        month.try_into().ok()?,
        day.try_into().ok()?,
        hour.try_into().ok()?,
        minute.try_into().ok()?,
        second.try_into().ok()?,
        nanosecond,
    );
    let timestamp = Offset::from_seconds(offset).ok()?.to_timestamp(civil.ok()?).ok()?;
    Some(timestamp.as_nanosecond())
}

/// Four digits are a year, not a moment in the first three hours of 1970.
fn is_year(text: &str) -> bool {
    text.len() == 4 && !text.starts_with('-')
}

fn digits(text: &str, length: usize) -> Option<i32> {
    let is_number = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// The clock, and the seconds east of Greenwich.
fn split_offset(time: &str) -> Option<(&str, i32)> {
    if let Some(clock) = time.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(at) = time.find(['+', '-']) else {
        return Some((time, 0));
    };
    let (clock, offset) = time.split_at(at);
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = match offset[1..].split_once(':') {
        Some(parts) => parts,
        None if offset.len() == 5 && offset.is_ascii() => offset[1..].split_at(2),
        None => (&offset[1..], "00"),
    };
    Some((clock, sign * (digits(hours, 2)? * 3600 + digits(minutes, 2)? * 60)))
}

fn split_fraction(second: &str) -> Option<(i32, i32)> {
    let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
    let is_fraction = (1..=9).contains(&fraction.len()) && fraction.bytes().all(|byte| byte.is_ascii_digit());
    let nanosecond = if is_fraction { format!("{fraction:0<9}").parse().ok()? } else { return None };
    Some((digits(second, 2)?, nanosecond))
}

/// Whether IAM takes the text as a date when it checks a policy. It is more lenient than reading: what cannot be read
/// then matches nothing (reference/access.md 8).
pub(crate) fn is_legacy_date(text: &str) -> bool {
    if read_time(text).is_some_and(|nanoseconds| nanoseconds >= 0 || text.contains(['T', 't'])) {
        return true;
    }
    let lower = text.to_ascii_lowercase();
    if !lower.contains(['t', '-']) {
        return lower.parse::<i64>().is_ok_and(|seconds| seconds >= 0);
    }
    let in_range = |text: &str, least: i64, most: i64| {
        text.trim().parse::<i64>().is_ok_and(|number| (least..=most).contains(&number))
    };
    let (date, time) = lower.split_once('t').unwrap_or((&lower, ""));
    let (sign, unsigned) = date.strip_prefix('-').map_or(("", date), |unsigned| ("-", unsigned));
    let fields: Vec<&str> = unsigned.split('-').collect();
    let is_date = in_range(&format!("{sign}{}", fields[0]), -292_275_054, 292_278_993)
        && fields.get(1).is_none_or(|month| in_range(month, 1, 12))
        && fields.get(2).is_none_or(|day| in_range(day, 1, 31))
        && fields.len() <= 3;
    let clock: Vec<&str> = time.split(':').collect();
    let is_time = (clock[0].is_empty() || in_range(clock[0], 0, 23))
        && clock.get(1).is_none_or(|minute| in_range(minute, 0, 59))
        && clock.get(2).is_none_or(|second| {
            let (second, zone) = if let Some((second, rest)) = second.split_once('z') {
                (second, rest.is_empty())
            } else if let Some((second, hours)) = second.split_once('+') {
                let minutes = clock.get(3);
                let is_minutes = minutes.is_none_or(|minutes| minutes.len() == 2 && in_range(minutes, 0, 59));
                (second, hours.len() == 2 && in_range(hours, 0, 23) && is_minutes)
            } else {
                (*second, true)
            };
            let (whole, fraction) = second.split_once('.').unwrap_or((second, "0"));
            zone && in_range(whole, 0, 59) && in_range(fraction, 0, 999_999_999)
        });
    is_date && is_time
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2024-03-01T12:30:45Z", 1_709_296_245),
            ("2024-03-01t12:30:45z", 1_709_296_245),
            ("2024-03-01T12:30:45+01:30", 1_709_290_845),
            ("2024-03-01T12:30:45-0130", 1_709_301_645),
            ("2024-03-01T12:30Z", 1_709_296_200),
            ("2024-03-01T12:30:45", 1_709_296_245),
            ("2024-03-01", 1_709_251_200),
            ("2024-03", 1_709_251_200),
            ("2024", 1_704_067_200),
            ("1709296245", 1_709_296_245),
            ("-1", -1),
        ] {
            assert_eq!(read_time(text), Some(seconds * NANOSECONDS), "{text}");
        }
        assert_eq!(read_time("1970-01-01T00:00:00.5Z"), Some(NANOSECONDS / 2));
        for text in ["", "T", "2024-13-01", "2024-03-32", "2024-3-1", "2024-03-01T25:00Z", "soon", "20-01-01-01"] {
            assert_eq!(read_time(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_read_is_a_legacy_date() {
        for text in ["2024-03-01T12:30:45Z", "2024-03-01T12:30:45.123+01:30", "2024-03", "1709296245", "-292275054"] {
            assert!(is_legacy_date(text), "{text}");
        }
        for text in ["", "2024-13", "2024-01-32", "2024-01-01T24", "2024-01-01T10:60", "soon", "1.5", "2024-01-01-01"] {
            assert!(!is_legacy_date(text), "{text}");
        }
    }
}
