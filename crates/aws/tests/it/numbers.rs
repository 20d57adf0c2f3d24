//! Numbers, truth values and times, which are texts on the wire, changed.

use aws::{bool_text, number_text, time};
use mutate::Form;
use regex::Regex;
use serde_json::Value;

const NUMBERS: [&str; 6] = ["900", "-1", "+007", "9223372036854775807", "-9223372036854775808", "true"];
const TIMES: [&str; 5] = [
    "20261129T205847Z",
    "20150830T123600Z",
    "20240229T235959Z",
    "Sun, 30 Aug 2015 12:36:00 GMT",
    "Sun, 29 Nov 2026 20:58:47 +0000",
];

#[test]
fn numbers_and_truth_values() {
    let rule = Regex::new("^[+-]?[0-9]+$").expect("a pattern");
    mutate::texts(Form::Text, &NUMBERS, 8_000, |text| {
        let number = number_text(Value::from(text)).ok().flatten();
        assert_eq!(number.is_some(), rule.is_match(text), "{text}");
        if let Some(number) = number {
            let exact = text.parse::<i64>().ok();
            let nearest = if text.starts_with('-') { i64::MIN } else { i64::MAX };
            assert_eq!(number.value(), exact.unwrap_or(nearest), "{text}");
            // As it was sent, if that can be shown.
            let shown = number.to_string();
            assert!(shown.len() <= 110, "{shown}");
            assert_eq!(exact.is_some(), shown.parse::<i64>() == Ok(number.value()), "{text}: {shown}");
        }
        let is_true = bool_text(Value::from(text)).ok().flatten();
        assert_eq!(is_true == Some(true), text.eq_ignore_ascii_case("true"));
        assert_eq!(is_true == Some(false), text.eq_ignore_ascii_case("false"));
    });
}

#[test]
fn times() {
    let rule = Regex::new("^[0-9]{8}T[0-9]{6}Z$").expect("a pattern");
    mutate::texts(Form::Text, &TIMES, 8_000, |text| {
        if let Some(ms) = time::parse_amz_date(text) {
            assert!(rule.is_match(text), "{text}");
            assert_eq!(time::amz_date(ms), text);
        }
        if let Some(ms) = time::parse_http_date(text) {
            let written = time::amz_date(ms);
            assert_eq!(time::parse_amz_date(&written), Some(ms), "{text}: {written}");
        }
    });
}
