//! Reading the forms of the Query protocol.

use std::collections::{BTreeMap, HashSet};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// More fields than any action takes; bounds the work of one request.
const MAX_FIELDS: usize = 2_000;

/// A decoded form.
#[derive(Clone, Debug, Default)]
pub struct QueryForm(Vec<(String, String)>);

/// Deeper than any action's input.
const MAX_DEPTH: usize = 12;

/// A field on its way to JSON.
#[derive(Default)]
struct Node {
    text: Option<String>,
    members: BTreeMap<String, Node>,
}

impl Node {
    fn into_object(self) -> Value {
        Value::Object(self.members.into_iter().map(|(name, node)| (name, node.into_value())).collect())
    }

    fn into_value(mut self) -> Value {
        if self.members.is_empty() {
            return self.text.map_or(Value::Null, Value::String);
        }
        match self.members.remove("member") {
            Some(list) if self.members.is_empty() => {
                let mut entries: Vec<(u32, Value)> = list
                    .members
                    .into_iter()
                    .filter_map(|(number, node)| Some((number.parse().ok()?, node.into_value())))
                    .collect();
                entries.sort_by_key(|(number, _)| *number);
                Value::Array(entries.into_iter().map(|(_, value)| value).collect())
            }
            Some(member) => {
                self.members.insert("member".to_owned(), member);
                self.into_object()
            }
            None => self.into_object(),
        }
    }
}

/// Reads a truth value that a form carries as text. For `#[serde(default, deserialize_with = "aws::bool_text")]`.
pub fn bool_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| match text.to_ascii_lowercase().as_str() {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(serde::de::Error::custom(format!("'{text}' is neither true nor false"))),
    })
    .transpose()
}

/// A form cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Too many fields.
    #[error("the request has more than {MAX_FIELDS} fields")]
    TooManyFields,
    /// A field's name has too many parts.
    #[error("a field's name has more than {MAX_DEPTH} parts")]
    TooDeep,
    /// Not text.
    #[error("the request's fields are not UTF-8 text")]
    NotText,
    /// A field is there twice: two readers could each believe another one.
    #[error("the field '{0}' is given more than once")]
    Repeated(String),
}

fn decode(bytes: &[u8]) -> Result<String, QueryError> {
    let spaced: Vec<u8> = bytes.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect();
    percent_encoding::percent_decode(&spaced)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| QueryError::NotText)
}

impl QueryForm {
    /// Writes a form.
    pub fn encode<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
        let encode = |text: &'a str| utf8_percent_encode(text, NON_ALPHANUMERIC);
        let pairs = fields.into_iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }

    /// Reads a form body or query string, in which every name is there once.
    pub fn parse(form: &[u8]) -> Result<Self, QueryError> {
        let mut fields: Vec<(String, String)> = Vec::new();
        for pair in form.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
            if fields.len() == MAX_FIELDS {
                return Err(QueryError::TooManyFields);
            }
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            fields.push((decode(&pair[..at])?, decode(pair.get(at + 1..).unwrap_or_default())?));
        }
        let mut names = HashSet::with_capacity(fields.len());
        if let Some((name, _)) = fields.iter().find(|(name, _)| !names.insert(name.as_str())) {
            const SHOWN: usize = 100;
            return Err(QueryError::Repeated(name.chars().take(SHOWN).collect()));
        }
        Ok(Self(fields))
    }

    /// The form as the JSON that it stands for: `Tags.member.1.Key=a` is `{"Tags": [{"Key": "a"}]}`. Every value is a
    /// text, and a list has its entries in the order of their numbers.
    pub fn to_json(&self) -> Result<Value, QueryError> {
        let mut root = Node::default();
        for (name, value) in self.0.iter().filter(|(name, _)| name != "Action" && name != "Version") {
            let mut node = &mut root;
            for (depth, part) in name.split('.').enumerate() {
                if depth == MAX_DEPTH {
                    return Err(QueryError::TooDeep);
                }
                node = node.members.entry(part.to_owned()).or_default();
            }
            node.text = Some(value.clone());
        }
        root.text = None;
        Ok(root.into_object())
    }

    /// A field's value.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_fields() {
        let form = b"Action=X&Version=1&Tags.member.2.Key=b&Tags.member.10.Key=c&Tags.member.1.Key=a&Name=n&A.B=1";
        let json = QueryForm::parse(form).expect("valid").to_json().expect("valid");
        let expected = serde_json::json!(
            {"Tags": [{"Key": "a"}, {"Key": "b"}, {"Key": "c"}], "Name": "n", "A": {"B": "1"}}
        );
        assert_eq!(json, expected);
        let deep = format!("{}=1", "a.".repeat(MAX_DEPTH + 1));
        assert_eq!(QueryForm::parse(deep.as_bytes()).expect("valid").to_json().err(), Some(QueryError::TooDeep));
    }

    #[test]
    fn written_forms_read_back() {
        let fields = [("Action", "X"), ("a b", "c&d=é+%")];
        let form = QueryForm::parse(QueryForm::encode(fields).as_bytes()).expect("valid");
        assert!(fields.iter().all(|(name, value)| form.get(name) == Some(value)));
    }

    #[test]
    fn fields() {
        let form = QueryForm::parse(b"Action=X&a+b=c%20d&&flag&e=1=2").expect("valid");
        for (name, value) in [("Action", "X"), ("a b", "c d"), ("flag", ""), ("e", "1=2")] {
            assert_eq!(form.get(name), Some(value), "{name}");
        }
        assert_eq!(QueryForm::parse(b"a=%ff").err(), Some(QueryError::NotText));
        assert_eq!(QueryForm::parse(&b"a&".repeat(MAX_FIELDS + 1)).err(), Some(QueryError::TooManyFields));
        for twice in ["a=1&a=1", "a=1&b=2&%61=3", "Action=X&A.B=1&A.B=", "flag&flag"] {
            let error = QueryForm::parse(twice.as_bytes()).expect_err(twice);
            assert!(matches!(&error, QueryError::Repeated(name) if twice.contains(name.as_str())), "{twice}: {error}");
        }
    }
}
