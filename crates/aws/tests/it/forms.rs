//! Forms of the Query protocol as botocore writes them, changed.

use aws::{QueryForm, from_form};
use mutate::Form;
use serde_json::Value;

use crate::shapes::FormInput;

const FORMS: [&str; 7] = [
    "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole%2Fci&RoleSessionName=run-1&DurationSeconds=900&PolicyArns.member.1.arn=arn%3Aaws%3Aiam%3A%3A123456789012%3Apolicy%2Fx&Tags.member.1.Key=team&Tags.member.1.Value=a+b%26c%3Dd%2F%C3%A9&TransitiveTagKeys.member.1=team",
    "Action=CreateRole&Version=2010-05-08&RoleName=r&Path=%2Fci%2F&AssumeRolePolicyDocument=%7B%22Version%22%3A%222012-10-17%22%7D&Tags.member.1.Key=k&Tags.member.1.Value=v&MaxSessionDuration=3600",
    "Action=SimulatePrincipalPolicy&Version=2010-05-08&ActionNames.member.1=ecr%3APutImage&ContextEntries.member.1.ContextKeyName=aws%3Ax&ContextEntries.member.1.ContextKeyValues.member.1=a&ContextEntries.member.1.ContextKeyValues.member.2=b&ContextEntries.member.2.ContextKeyName=y",
    "Action=CreatePolicyVersion&Version=2010-05-08&SetAsDefault=true&Tags=&TransitiveTagKeys=",
    "Action=GetCallerIdentity&Version=2011-06-15",
    "DurationSeconds=-00900&Tags.member.10.Key=c&Tags.member.2.Key=b",
    "",
];

/// More fields than that are refused, and so are names of more parts (`aws::query`).
const MAX_FIELDS: usize = 2_000;
const MAX_PARTS: usize = 12;

/// The fields of which a document is made.
fn fields(value: &Value, parts: &[String], into: &mut Vec<(String, String)>) {
    let below = |more: &[&str]| -> Vec<String> {
        parts.iter().cloned().chain(more.iter().copied().map(str::to_owned)).collect()
    };
    match value {
        Value::String(text) => into.push((parts.join("."), text.clone())),
        Value::Array(items) if items.is_empty() => into.push((parts.join("."), String::new())),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                fields(item, &below(&["member", &(at + 1).to_string()]), into);
            }
        }
        Value::Object(members) => {
            for (part, member) in members {
                fields(member, &below(&[part]), into);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => panic!("{value} is no text"),
    }
}

fn written(json: &Value) -> String {
    let mut all = Vec::new();
    fields(json, &[], &mut all);
    QueryForm::encode(all.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// A list without entries is written as an empty text.
fn without_empty_lists(value: Value) -> Value {
    match value {
        Value::Array(items) if items.is_empty() => Value::from(""),
        Value::Array(items) => items.into_iter().map(without_empty_lists).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(name, member)| (name, without_empty_lists(member))).collect()
        }
        plain @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) => plain,
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or_default(),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or_default(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[test]
fn forms() {
    mutate::inputs(Form::Text, &FORMS, 4_000, |input| {
        let form = match QueryForm::parse(input) {
            Ok(form) => form,
            Err(error) => {
                assert_eq!(QueryForm::parse(input).expect_err("as before"), error);
                // A name of a field is cut.
                assert!(error.to_string().len() <= 500, "{error}");
                return;
            }
        };
        let pairs = || input.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty());
        assert!(pairs().count() <= MAX_FIELDS);
        for name in pairs().map(|pair| pair.split(|byte| *byte == b'=').next().unwrap_or_default()) {
            if name.iter().all(u8::is_ascii_alphanumeric) {
                let name = std::str::from_utf8(name).expect("ASCII");
                assert!(form.get(name).is_some(), "{name}");
            }
        }
        let json = form.to_json();
        assert_eq!(form.to_json(), json);
        let Ok(json) = json else { return };
        assert!(depth(&json) <= MAX_PARTS + 1);
        // What it stands for is a form that stands for the same.
        let again = QueryForm::parse(written(&json).as_bytes()).expect("a form").to_json();
        assert_eq!(again.map(without_empty_lists), Ok(without_empty_lists(json.clone())));
        let read =
            |json: &Value| from_form::<FormInput>(json.to_string().as_bytes()).map_err(|error| error.to_string());
        let input = read(&json);
        assert_eq!(read(&json), input);
    });
}
