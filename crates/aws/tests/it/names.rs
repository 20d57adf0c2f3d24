//! Names of accounts, regions, keys and resources, changed; and how texts of others are shown.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use aws::visible::{is_hidden, shown, shown_json};
use aws::{AccessKeyId, AccountId, Arn, Region};
use mutate::Form;
use regex::Regex;
use serde_json::Value;

const NAMES: [&str; 7] = [
    "arn:aws:ecr:us-east-1:123456789012:repository/team/app",
    "arn:aws-us-gov:iam::123456789012:role/ci/Builder",
    "arn:aws:sts::123456789012:assumed-role/Builder/run-1",
    "123456789012",
    "us-gov-west-1",
    "AKIAIOSFODNN7EXAMPLE",
    "cn-north-1",
];

fn read<T: FromStr + Display + PartialEq + Debug>(text: &str) -> Option<T> {
    let name = text.parse::<T>().ok()?;
    assert_eq!(name.to_string(), text);
    Some(name)
}

#[test]
fn names() {
    let rule = |pattern: &str| Regex::new(pattern).expect("a pattern");
    let (of_account, of_region) = (rule("^[0-9]{12}$"), rule("^[a-z][a-z0-9-]{0,31}$"));
    let (of_key, of_arn) = (rule("^[a-zA-Z0-9_]{16,128}$"), rule("(?s)^arn:[^:]+:[^:]+:[^:]*:[^:]*:.+$"));
    mutate::texts(Form::Text, &NAMES, 6_000, |text| {
        assert_eq!(read::<AccountId>(text).is_some(), of_account.is_match(text), "{text}");
        assert_eq!(read::<Region>(text).is_some(), of_region.is_match(text), "{text}");
        assert_eq!(read::<AccessKeyId>(text).is_some(), of_key.is_match(text), "{text}");
        let arn = read::<Arn>(text);
        assert_eq!(arn.is_some(), of_arn.is_match(text), "{text}");
        if let Some(arn) = arn {
            assert!(
                [arn.partition(), arn.service(), arn.region(), arn.account()].iter().all(|part| !part.contains(':'))
            );
        }
    });
}

#[test]
fn what_is_shown_hides_nothing() {
    let texts = ["repository team/app\nof 123456789012", "a\u{202e}b\u{200b}c\u{e0041}", r#"{"a":["é\u0000","日本"]}"#];
    mutate::texts(Form::Json, &texts, 6_000, |text| {
        let visible = shown(text);
        assert!(!visible.chars().any(|character| is_hidden(character) && character != '\n'), "{visible}");
        assert_eq!(shown(&visible), visible);
        if let Ok(value) = serde_json::from_str::<Value>(text) {
            let json = value.to_string();
            let visible = shown_json(&json);
            assert!(!visible.chars().any(is_hidden), "{visible}");
            let read = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
            assert_eq!(read(&visible), read(&json));
        }
    });
}
