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
    fn into_object(self) -> Result<Value, QueryError> {
        let members = self.members.into_iter().map(|(name, node)| Ok((name, node.into_value()?)));
        members.collect::<Result<_, _>>().map(Value::Object)
    }

    fn into_value(mut self) -> Result<Value, QueryError> {
        if self.members.is_empty() {
            return Ok(self.text.map_or(Value::Null, Value::String));
        }
        match self.members.remove("member") {
            Some(list) if self.members.is_empty() && list.is_list() => list.into_list(),
            Some(member) => {
                self.members.insert("member".to_owned(), member);
                self.into_object()
            }
            None => self.into_object(),
        }
    }

    /// Whether it has entries, or is written as a list without any.
    fn is_list(&self) -> bool {
        !self.members.is_empty() || self.text.as_ref().is_none_or(String::is_empty)
    }

    /// The entries in the order of their numbers. Each counts: a policy or a tag that was left out unread would leave a
    /// session with more rights than its client asked for.
    fn into_list(self) -> Result<Value, QueryError> {
        let mut entries = BTreeMap::new();
        for (text, node) in self.members {
            let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
            let number: Option<u32> = text.parse().ok().filter(|_| is_number);
            let Some(number) = number else { return Err(QueryError::NoEntry(shown(&text))) };
            if entries.insert(number, node.into_value()?).is_some() {
                return Err(QueryError::Repeated(format!("member.{number}")));
            }
        }
        Ok(entries.into_values().collect())
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
    /// What follows `member` is no number.
    #[error("the entries of a list are numbered, as in 'member.1', but one is called 'member.{0}'")]
    NoEntry(String),
    /// A field is there twice: two readers could each believe another one.
    #[error("the field '{0}' is given more than once")]
    Repeated(String),
}

/// A field's name, or a part of it, as far as errors show it.
fn shown(name: &str) -> String {
    const SHOWN: usize = 100;
    name.chars().take(SHOWN).collect()
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
            return Err(QueryError::Repeated(shown(name)));
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
        root.into_object()
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
    fn every_entry_of_a_list_has_a_number_of_its_own() {
        let read = |form: &str| QueryForm::parse(form.as_bytes()).expect("a form").to_json();
        let expected = serde_json::json!({"A": ["x", "y"]});
        for good in ["A.member.1=x&A.member.2=y", "A.member.4294967295=y&A.member.0=x", "A.member.02=y&A.member.1=x"] {
            assert_eq!(read(good), Ok(expected.clone()), "{good}");
        }
        for (bad, name) in
            [("x", "x"), ("1x", "1x"), ("+1", "+1"), ("-1", "-1"), ("", ""), ("4294967296", "4294967296")]
        {
            let form = QueryForm::encode([("A.member.1", "x"), (&format!("A.member.{bad}"), "y")]);
            assert_eq!(read(&form), Err(QueryError::NoEntry(name.to_owned())));
        }
        assert_eq!(
            read("B.member.1.A.member.1=x&B.member.1.A.member.01=y"),
            Err(QueryError::Repeated("member.1".to_owned()))
        );
        // A structure may have a member of that name, with or without others.
        assert_eq!(read("A.member=x"), Ok(serde_json::json!({"A": {"member": "x"}})));
        assert_eq!(read("A.member="), Ok(serde_json::json!({"A": []})));
        assert_eq!(read("A.member.x=1&A.b=2"), Ok(serde_json::json!({"A": {"member": {"x": "1"}, "b": "2"}})));
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
