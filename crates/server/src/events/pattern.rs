//! Event patterns: which events a sink wants, in the language of EventBridge rules. Pure.
//!
//! A pattern is an object with the fields of an event. What is not named is not looked at; all that is named must match.
//! A field holds a list of which any must match: values, or `prefix`, `suffix`, `wildcard`, `equals-ignore-case`,
//! `anything-but` and `exists`. Where the event holds a list, one of its values must match.

use serde_json::{Map, Value};

/// A pattern that was read and is good.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    fields: Vec<(String, Field)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Field {
    Nested(Pattern),
    AnyOf(Vec<Matcher>),
}

#[derive(Clone, Debug, PartialEq)]
enum Matcher {
    Equals(Value),
    EqualsIgnoreCase(String),
    Prefix(String),
    Suffix(String),
    Wildcard(String),
    AnythingBut(Vec<Matcher>),
    Exists(bool),
}

/// Why a text is no pattern: where, and what is wrong there.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{cause}", if path.is_empty() { String::new() } else { format!("'{path}': ") })]
pub struct PatternError {
    path: String,
    cause: String,
}

impl PatternError {
    fn new(path: &str, cause: impl Into<String>) -> Self {
        Self { path: path.to_owned(), cause: cause.into() }
    }
}

impl Pattern {
    /// Reads a pattern, or a text that holds one as JSON.
    pub fn read(value: &Value) -> Result<Self, PatternError> {
        match value {
            Value::String(text) => {
                let parsed = serde_json::from_str(text)
                    .map_err(|error| PatternError::new("", format!("it is not JSON: {error}")))?;
                Self::of_object(&parsed, "")
            }
            other => Self::of_object(other, ""),
        }
    }

    fn of_object(value: &Value, path: &str) -> Result<Self, PatternError> {
        let Value::Object(object) = value else {
            return Err(PatternError::new(path, "a pattern is an object such as {\"source\": [\"aws.ecr\"]}"));
        };
        if object.is_empty() {
            return Err(PatternError::new(path, "a pattern must name a field"));
        }
        let mut fields = Vec::new();
        for (name, value) in object {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let field = match value {
                Value::Object(_) => Field::Nested(Self::of_object(value, &path)?),
                Value::Array(list) if list.is_empty() => {
                    return Err(PatternError::new(&path, "the list must have a value"));
                }
                Value::Array(list) => {
                    Field::AnyOf(list.iter().map(|value| Matcher::read(value, &path)).collect::<Result<_, _>>()?)
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    return Err(PatternError::new(&path, "write a list, such as [\"PUSH\"]"));
                }
            };
            fields.push((name.clone(), field));
        }
        Ok(Self { fields })
    }

    /// Whether the event is wanted.
    pub fn matches(&self, event: &Value) -> bool {
        let nothing = Map::new();
        let object = event.as_object().unwrap_or(&nothing);
        self.fields.iter().all(|(name, field)| match field {
            Field::Nested(pattern) => pattern.matches(object.get(name).unwrap_or(&Value::Null)),
            Field::AnyOf(matchers) => matchers.iter().any(|matcher| matcher.matches_field(object.get(name))),
        })
    }

    /// Whether the pattern asks for that very detail type, and not only for what it may be among.
    pub fn names_detail_type(&self, detail_type: &str) -> bool {
        self.fields.iter().any(|(name, field)| {
            let is_it = |matcher: &Matcher| matches!(matcher, Matcher::Equals(value) if value == detail_type);
            name == "detail-type" && matches!(field, Field::AnyOf(matchers) if matchers.iter().any(is_it))
        })
    }
}

impl Matcher {
    fn read(value: &Value, path: &str) -> Result<Self, PatternError> {
        let object = match value {
            Value::Object(object) => object,
            Value::Array(_) => return Err(PatternError::new(path, "a list cannot hold a list")),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                return Ok(Self::Equals(value.clone()));
            }
        };
        let mut entries = object.iter();
        let (Some((word, argument)), None) = (entries.next(), entries.next()) else {
            return Err(PatternError::new(
                path,
                "a comparison is an object with one field, such as {\"prefix\": \"v\"}",
            ));
        };
        let text = || {
            argument.as_str().map(str::to_owned).ok_or_else(|| PatternError::new(path, format!("{word} needs a text")))
        };
        Ok(match word.as_str() {
            "prefix" => Self::Prefix(text()?),
            "suffix" => Self::Suffix(text()?),
            "wildcard" => Self::Wildcard(text()?),
            "equals-ignore-case" => Self::EqualsIgnoreCase(text()?),
            "exists" => {
                Self::Exists(argument.as_bool().ok_or_else(|| PatternError::new(path, "exists needs true or false"))?)
            }
            "anything-but" => {
                let list = match argument {
                    Value::Array(list) => list.as_slice(),
                    one => std::slice::from_ref(one),
                };
                let excluded = list.iter().map(|value| Self::read(value, path)).collect::<Result<Vec<_>, _>>()?;
                let is_plain = |matcher: &Self| !matches!(matcher, Self::Exists(_) | Self::AnythingBut(_));
                if excluded.is_empty() || !excluded.iter().all(is_plain) {
                    return Err(PatternError::new(path, "anything-but needs values, a prefix, a suffix or a wildcard"));
                }
                Self::AnythingBut(excluded)
            }
            other => {
                let known = "prefix, suffix, wildcard, equals-ignore-case, anything-but and exists";
                return Err(PatternError::new(
                    path,
                    format!("'{other}' is no comparison that Wharf knows: {known} are"),
                ));
            }
        })
    }

    fn matches_field(&self, field: Option<&Value>) -> bool {
        match (self, field) {
            (Self::Exists(wanted), found) => found.is_some() == *wanted,
            (_, None) => false,
            (_, Some(Value::Array(list))) => list.iter().any(|value| self.matches_value(value)),
            (_, Some(value)) => self.matches_value(value),
        }
    }

    fn matches_value(&self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Self::Equals(wanted) => wanted == value,
            Self::EqualsIgnoreCase(wanted) => text.is_some_and(|text| text.to_lowercase() == wanted.to_lowercase()),
            Self::Prefix(prefix) => text.is_some_and(|text| text.starts_with(prefix)),
            Self::Suffix(suffix) => text.is_some_and(|text| text.ends_with(suffix)),
            Self::Wildcard(pattern) => text.is_some_and(|text| wildcard_matches(pattern, text)),
            Self::AnythingBut(excluded) => !excluded.iter().any(|matcher| matcher.matches_value(value)),
            Self::Exists(wanted) => *wanted,
        }
    }
}

/// Whether a text fits a pattern in which `*` stands for any text. Takes time of at most the product of the lengths.
fn wildcard_matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn push() -> Value {
        json!({
            "source": "aws.ecr",
            "detail-type": "ECR Image Action",
            "resources": ["arn:a", "arn:b"],
            "detail": {"action-type": "PUSH", "repository-name": "team/app", "image-tag": "v1.2", "count": 3},
        })
    }

    #[test]
    fn patterns_match() {
        let cases = [
            ("source", json!({"source": ["aws.ecr"]}), true),
            ("one of several", json!({"source": ["wharf", "aws.ecr"]}), true),
            ("none of several", json!({"source": ["wharf", "aws.ec"]}), false),
            ("all fields", json!({"source": ["aws.ecr"], "detail-type": ["ECR Image Action"]}), true),
            ("one field not", json!({"source": ["aws.ecr"], "detail-type": ["ECR Image Scan"]}), false),
            ("nested", json!({"detail": {"action-type": ["PUSH", "DELETE"]}}), true),
            ("nested not", json!({"detail": {"action-type": ["DELETE"]}}), false),
            ("nested in what is a text", json!({"source": {"name": ["x"]}}), false),
            ("nested in what is not there", json!({"absent": {"name": ["x"]}}), false),
            ("nothing nested in what is not there", json!({"absent": {"name": [{"exists": false}]}}), true),
            ("number", json!({"detail": {"count": [3]}}), true),
            ("number is no text", json!({"detail": {"count": ["3"]}}), false),
            ("in a list", json!({"resources": ["arn:b"]}), true),
            ("not in a list", json!({"resources": ["arn:c"]}), false),
            ("prefix", json!({"detail": {"repository-name": [{"prefix": "team/"}]}}), true),
            ("prefix not", json!({"detail": {"repository-name": [{"prefix": "app"}]}}), false),
            ("prefix in a list", json!({"resources": [{"prefix": "arn:"}]}), true),
            ("suffix", json!({"detail": {"repository-name": [{"suffix": "/app"}]}}), true),
            ("suffix not", json!({"detail": {"repository-name": [{"suffix": "team"}]}}), false),
            ("wildcard", json!({"detail": {"image-tag": [{"wildcard": "v*.*"}]}}), true),
            ("wildcard not", json!({"detail": {"image-tag": [{"wildcard": "v*.3"}]}}), false),
            ("case", json!({"detail": {"action-type": [{"equals-ignore-case": "push"}]}}), true),
            ("exists", json!({"detail": {"image-tag": [{"exists": true}]}}), true),
            ("exists not", json!({"detail": {"image-tag": [{"exists": false}]}}), false),
            ("absent", json!({"detail": {"subject": [{"exists": false}]}}), true),
            ("absent or a value", json!({"detail": {"subject": ["x", {"exists": false}]}}), true),
            ("anything but", json!({"detail": {"image-tag": [{"anything-but": "latest"}]}}), true),
            ("anything but it", json!({"detail": {"image-tag": [{"anything-but": ["latest", "v1.2"]}]}}), false),
            ("anything but a prefix", json!({"detail": {"image-tag": [{"anything-but": {"prefix": "v"}}]}}), false),
            ("anything but, of nothing", json!({"detail": {"subject": [{"anything-but": "x"}]}}), false),
        ];
        for (name, pattern, expected) in cases {
            let read = Pattern::read(&pattern).expect(name);
            assert_eq!(read.matches(&push()), expected, "{name}");
            assert_eq!(Pattern::read(&Value::String(pattern.to_string())), Ok(read), "{name}, as a text");
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        let cases = [
            (json!([]), "a pattern is an object"),
            (json!({}), "must name a field"),
            (json!("{"), "not JSON"),
            (json!("[]"), "a pattern is an object"),
            (json!({"source": "aws.ecr"}), "'source': write a list"),
            (json!({"source": []}), "'source': the list must have a value"),
            (json!({"detail": {"a": {}}}), "'detail.a': a pattern must name a field"),
            (json!({"a": [["b"]]}), "a list cannot hold a list"),
            (json!({"a": [{"prefix": 1}]}), "prefix needs a text"),
            (json!({"a": [{"prefix": "a", "suffix": "b"}]}), "an object with one field"),
            (json!({"a": [{}]}), "an object with one field"),
            (json!({"a": [{"exists": "yes"}]}), "true or false"),
            (json!({"a": [{"anything-but": []}]}), "anything-but needs"),
            (json!({"a": [{"anything-but": {"exists": true}}]}), "anything-but needs"),
            (json!({"a": [{"numeric": [">", 1]}]}), "'numeric' is no comparison"),
        ];
        for (pattern, expected) in cases {
            let error = Pattern::read(&pattern).expect_err("refused").to_string();
            assert!(error.contains(expected), "{pattern}: {error}");
        }
    }

    #[test]
    fn only_an_exact_name_names_a_detail_type() {
        let cases = [
            (json!({"detail-type": ["Wharf Image Pull"]}), true),
            (json!({"detail-type": ["ECR Image Action", "Wharf Image Pull"], "source": ["wharf"]}), true),
            (json!({"detail-type": [{"prefix": "Wharf"}]}), false),
            (json!({"source": ["wharf"]}), false),
            (json!({"detail": {"detail-type": ["Wharf Image Pull"]}}), false),
        ];
        for (pattern, expected) in cases {
            let read = Pattern::read(&pattern).expect("good");
            assert_eq!(read.names_detail_type("Wharf Image Pull"), expected, "{pattern}");
        }
    }

    #[test]
    fn wildcards() {
        let cases = [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("*", "abc", true),
            ("a*", "abc", true),
            ("*c", "abc", true),
            ("a*c", "ac", true),
            ("a*a", "a", false),
            ("*b*", "abc", true),
            ("*b*b*", "abc", false),
            ("a**c", "abc", true),
            ("abc", "abcd", false),
            ("é*", "école", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(wildcard_matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
