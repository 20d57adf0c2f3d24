//! Dates as people read them, with their zone.

use jiff::Timestamp;
use serde_json::Value;

fn shown(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A date of the Query protocol for people; as it came if it is none.
pub(crate) fn of_iso8601(text: &str) -> String {
    text.parse().map_or_else(|_| text.to_owned(), shown)
}

/// Epoch seconds as ISO 8601, which scripts read.
pub(crate) fn iso8601(epoch_seconds: f64) -> String {
    aws::time::iso8601((epoch_seconds * 1_000.0) as i64)
}

/// Writes the times of an answer, which are the numbers whose names end so, as scripts read them.
pub(crate) fn in_answer(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members.iter_mut() {
                match member.as_f64().filter(|_| name.ends_with("At")) {
                    Some(time) => *member = iso8601(time).into(),
                    None => in_answer(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(in_answer),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both() {
        assert_eq!(of_iso8601("2026-11-21T01:35:02Z"), "2026-11-21 01:35:02 UTC");
        assert_eq!(of_iso8601("N/A"), "N/A");
        assert_eq!(iso8601(1_795_224_902.9), "2026-11-21T01:35:02Z");
    }
}
