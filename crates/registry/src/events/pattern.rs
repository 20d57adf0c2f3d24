//! Event patterns: which events a sink wants, in the language of EventBridge rules. Pure.
//!
//! A pattern is an object with the fields of an event. What is not named is not looked at; all that is named must match.
//! A field holds a list of which any must match: values or comparisons. Where the event holds a list, one of its values
//! must match. `$or` holds patterns of which one must match, beside the other fields of its object.

use serde_json::{Map, Value};

use super::comparison::Comparison;

/// A pattern may be so long as JSON (EventBridge has 2 KiB).
const MAX_BYTES: usize = 16 * 1024;
/// Objects in objects.
const MAX_DEPTH: usize = 32;
/// Patterns that it would be without `$or` (EventBridge: combinations), and comparisons in all.
const MAX_COMBINATIONS: usize = 1_000;
const MAX_COMPARISONS: usize = 2_000;
const OR: &str = "$or";

/// A pattern that was read and is good.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    fields: Vec<(String, Field)>,
    /// What `$or` holds; empty without one.
    alternatives: Vec<Pattern>,
}

#[derive(Clone, Debug, PartialEq)]
enum Field {
    Nested(Pattern),
    AnyOf(Vec<Comparison>),
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
        let too_long = || PatternError::new("", format!("a pattern may have at most {MAX_BYTES} bytes"));
        let pattern = match value {
            Value::String(text) if text.len() > MAX_BYTES => return Err(too_long()),
            Value::String(text) => {
                let parsed = serde_json::from_str(text)
                    .map_err(|error| PatternError::new("", format!("it is not JSON: {error}")))?;
                Self::of_object(&parsed, "", 0)?
            }
            other if other.to_string().len() > MAX_BYTES => return Err(too_long()),
            other => Self::of_object(other, "", 0)?,
        };
        let (combinations, comparisons) = (pattern.combinations(), pattern.comparisons());
        if combinations > MAX_COMBINATIONS || comparisons > MAX_COMPARISONS {
            let text = format!(
                "a pattern may have at most {MAX_COMBINATIONS} combinations of $or and {MAX_COMPARISONS} comparisons, and \
                 this one has {combinations} and {comparisons}"
            );
            return Err(PatternError::new("", text));
        }
        Ok(pattern)
    }

    fn of_object(value: &Value, path: &str, depth: usize) -> Result<Self, PatternError> {
        let Value::Object(object) = value else {
            return Err(PatternError::new(path, "a pattern is an object such as {\"source\": [\"aws.ecr\"]}"));
        };
        if object.is_empty() {
            return Err(PatternError::new(path, "a pattern must name a field"));
        }
        if depth > MAX_DEPTH {
            return Err(PatternError::new(path, format!("objects may lie at most {MAX_DEPTH} deep in each other")));
        }
        let mut pattern = Self { fields: Vec::new(), alternatives: Vec::new() };
        for (name, value) in object {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let field = match value {
                Value::Array(list) if name == OR => {
                    if list.len() < 2 {
                        return Err(PatternError::new(&path, "$or needs a list of at least two patterns"));
                    }
                    pattern.alternatives =
                        list.iter().map(|value| Self::of_object(value, &path, depth + 1)).collect::<Result<_, _>>()?;
                    continue;
                }
                Value::Object(_) => Field::Nested(Self::of_object(value, &path, depth + 1)?),
                Value::Array(list) if list.is_empty() => {
                    return Err(PatternError::new(&path, "the list must have a value"));
                }
                Value::Array(list) => {
                    let read = |value| Comparison::read(value).map_err(|cause| PatternError::new(&path, cause));
                    Field::AnyOf(list.iter().map(read).collect::<Result<_, _>>()?)
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                    return Err(PatternError::new(&path, "write a list, such as [\"PUSH\"]"));
                }
            };
            pattern.fields.push((name.clone(), field));
        }
        Ok(pattern)
    }

    /// How many patterns without `$or` say the same.
    fn combinations(&self) -> usize {
        let nested = self.fields.iter().map(|(_, field)| match field {
            Field::Nested(pattern) => pattern.combinations(),
            Field::AnyOf(_) => 1,
        });
        let alternatives = self.alternatives.iter().map(Self::combinations).fold(0, usize::saturating_add);
        nested.fold(alternatives.max(1), usize::saturating_mul)
    }

    fn comparisons(&self) -> usize {
        let fields = self.fields.iter().map(|(_, field)| match field {
            Field::Nested(pattern) => pattern.comparisons(),
            Field::AnyOf(comparisons) => comparisons.iter().map(Comparison::cost).sum(),
        });
        fields.chain(self.alternatives.iter().map(Self::comparisons)).fold(0, usize::saturating_add)
    }

    /// Whether the event is wanted.
    pub fn matches(&self, event: &Value) -> bool {
        let nothing = Map::new();
        let object = event.as_object().unwrap_or(&nothing);
        let has_all = self.fields.iter().all(|(name, field)| match field {
            Field::Nested(pattern) => pattern.matches(object.get(name).unwrap_or(&Value::Null)),
            Field::AnyOf(comparisons) => {
                comparisons.iter().any(|comparison| comparison.matches_field(object.get(name)))
            }
        });
        has_all && (self.alternatives.is_empty() || self.alternatives.iter().any(|pattern| pattern.matches(event)))
    }

    /// Whether the pattern asks for that very detail type, and not only for what it may be among.
    pub fn names_detail_type(&self, detail_type: &str) -> bool {
        let names_it = self.fields.iter().any(|(name, field)| {
            let is_it =
                |comparison: &Comparison| matches!(comparison, Comparison::Equals(value) if value == detail_type);
            name == "detail-type" && matches!(field, Field::AnyOf(comparisons) if comparisons.iter().any(is_it))
        });
        names_it || self.alternatives.iter().any(|pattern| pattern.names_detail_type(detail_type))
    }
}
