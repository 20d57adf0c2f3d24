//! The grammar of a policy: from text to elements, each still plain text (IAM User Guide, "Grammar of the IAM JSON
//! policy language"). Values are judged elsewhere.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::condition::Operator;
use crate::position::Positions;
use crate::{MAX_POLICY_BYTES, PolicyError, PolicyLocation, Position};

/// A policy as it is written.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) version: Version,
    pub(crate) statements: Vec<StatementText>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Means 2008-10-17 (reference/access.md 5).
    Absent,
    V2008,
    V2012,
}

/// A list that may be given in its `Not` form.
#[derive(Debug)]
pub(crate) struct Values<T> {
    pub(crate) negated: bool,
    pub(crate) values: Vec<T>,
}

/// One value of `Principal`; `kind` is `AWS`, `Service`, `Federated`, `CanonicalUser`, or `*` for the bare star.
#[derive(Debug)]
pub(crate) struct PrincipalText<'a> {
    pub(crate) kind: String,
    pub(crate) value: String,
    /// The value with its quotes, in the text of the policy.
    pub(crate) raw: &'a str,
}

#[derive(Debug)]
pub(crate) struct ConditionText {
    pub(crate) operator: Operator,
    pub(crate) key: String,
    pub(crate) values: Vec<String>,
}

#[derive(Debug)]
pub(crate) struct StatementText {
    pub(crate) sid: Option<String>,
    pub(crate) effect: String,
    pub(crate) principals: Option<Values<(String, String)>>,
    pub(crate) actions: Option<Values<String>>,
    pub(crate) resources: Option<Values<String>>,
    pub(crate) conditions: Vec<ConditionText>,
    pub(crate) start: Position,
    pub(crate) end: Position,
}

/// The members of an object in their order, repeated names included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Reader)
    }
}

fn syntax(place: &PolicyLocation, detail: impl Into<String>) -> PolicyError {
    PolicyError::Syntax { place: place.clone(), detail: detail.into() }
}

fn object<'a>(raw: &'a str, place: &PolicyLocation) -> Result<Vec<(String, &'a RawValue)>, PolicyError> {
    let Members(members) =
        serde_json::from_str(raw).map_err(|error| syntax(place, format!("it must be a JSON object: {error}")))?;
    let mut seen = HashSet::new();
    for (name, _) in &members {
        if !seen.insert(name.as_str()) {
            return Err(syntax(place, format!("'{name}' is given twice; keep one")));
        }
    }
    Ok(members)
}

/// A value that stands for a list of itself, or a list.
fn items<'a>(raw: &'a RawValue, place: &PolicyLocation) -> Result<Vec<&'a RawValue>, PolicyError> {
    if raw.get().starts_with('[') {
        serde_json::from_str(raw.get()).map_err(|error| syntax(place, error.to_string()))
    } else {
        Ok(vec![raw])
    }
}

fn string(raw: &RawValue, place: &PolicyLocation) -> Result<String, PolicyError> {
    serde_json::from_str(raw.get()).map_err(|_| syntax(place, format!("{} must be a string", shown(raw))))
}

fn strings(raw: &RawValue, place: &PolicyLocation) -> Result<Vec<String>, PolicyError> {
    items(raw, place)?.into_iter().map(|item| string(item, place)).collect()
}

/// The start of a value, for a message.
fn shown(raw: &RawValue) -> String {
    raw.get().chars().take(60).collect()
}

/// The texts of the members `Version`, `Id` and `Statement`.
fn top_level(text: &str) -> Result<(Version, Vec<&RawValue>), PolicyError> {
    if text.len() > MAX_POLICY_BYTES {
        return Err(PolicyError::TooLong { bytes: text.len() });
    }
    let mut version = Version::Absent;
    let mut statements = None;
    for (name, value) in object(text, &PolicyLocation::default())? {
        let place = PolicyLocation::document(&name);
        match name.as_str() {
            "Version" => {
                version = match string(value, &place)?.as_str() {
                    "2008-10-17" => Version::V2008,
                    "2012-10-17" => Version::V2012,
                    other => return Err(syntax(&place, format!("'{other}' must be '2012-10-17' or '2008-10-17'"))),
                };
            }
            "Id" => {
                string(value, &place)?;
            }
            "Statement" => statements = Some(items(value, &place)?),
            _ => return Err(syntax(&place, "remove it; a policy has Version, Id and Statement")),
        }
    }
    match statements {
        Some(statements) if !statements.is_empty() => Ok((version, statements)),
        Some(_) | None => Err(syntax(&PolicyLocation::document("Statement"), "add at least one statement")),
    }
}

/// Reads a policy text.
pub(crate) fn read(text: &str) -> Result<Document, PolicyError> {
    let (version, raw_statements) = top_level(text)?;
    let mut positions = Positions::new(text);
    let mut statements = Vec::with_capacity(raw_statements.len());
    for (index, raw) in raw_statements.into_iter().enumerate() {
        let offset = offset_in(text, raw.get());
        let start = positions.at(offset);
        let end = positions.at(offset + raw.get().len());
        statements.push(read_statement(raw, index + 1, start, end)?);
    }
    Ok(Document { version, statements })
}

/// Every value of `Principal` and `NotPrincipal` in the text, with the byte offset of its quoted form.
pub(crate) fn principals(text: &str) -> Result<Vec<(usize, PrincipalText<'_>)>, PolicyError> {
    let (_, statements) = top_level(text)?;
    let mut found = Vec::new();
    for (index, raw) in statements.into_iter().enumerate() {
        for (name, value) in object(raw.get(), &PolicyLocation::statement(index + 1))? {
            if matches!(name.as_str(), "Principal" | "NotPrincipal") {
                let principals = read_principals(value, &PolicyLocation::element(index + 1, &name))?;
                found.extend(principals.into_iter().map(|principal| (offset_in(text, principal.raw), principal)));
            }
        }
    }
    Ok(found)
}

/// Where a part that was borrowed from the text begins in it.
fn offset_in(text: &str, part: &str) -> usize {
    part.as_ptr() as usize - text.as_ptr() as usize
}

fn read_statement(raw: &RawValue, number: usize, start: Position, end: Position) -> Result<StatementText, PolicyError> {
    let mut sid = None;
    let mut effect = None;
    let mut principals = None;
    let mut actions = None;
    let mut resources = None;
    let mut conditions = Vec::new();
    for (name, value) in object(raw.get(), &PolicyLocation::statement(number))? {
        let place = PolicyLocation::element(number, &name);
        let negated = name.starts_with("Not");
        let is_repeated = match name.as_str() {
            "Sid" => sid.replace(string(value, &place)?).is_some(),
            "Effect" => effect.replace(string(value, &place)?).is_some(),
            "Principal" | "NotPrincipal" => {
                let values =
                    read_principals(value, &place)?.into_iter().map(|found| (found.kind, found.value)).collect();
                principals.replace(Values { negated, values }).is_some()
            }
            "Action" | "NotAction" => actions.replace(Values { negated, values: strings(value, &place)? }).is_some(),
            "Resource" | "NotResource" => {
                resources.replace(Values { negated, values: strings(value, &place)? }).is_some()
            }
            "Condition" => {
                conditions = read_conditions(value, &place)?;
                false
            }
            _ => return Err(syntax(&place, "remove it; a statement has no such element")),
        };
        if is_repeated {
            let positive = name.trim_start_matches("Not");
            return Err(syntax(&place, format!("a statement has either {positive} or Not{positive}; remove one")));
        }
    }
    let place = PolicyLocation::element(number, "Effect");
    let effect = effect.ok_or_else(|| syntax(&place, "add \"Effect\": \"Allow\" or \"Deny\""))?;
    if !["allow", "deny"].contains(&effect.to_ascii_lowercase().as_str()) {
        return Err(syntax(&place, format!("'{effect}' must be \"Allow\" or \"Deny\"")));
    }
    Ok(StatementText { sid, effect, principals, actions, resources, conditions, start, end })
}

fn read_principals<'a>(raw: &'a RawValue, place: &PolicyLocation) -> Result<Vec<PrincipalText<'a>>, PolicyError> {
    if raw.get().starts_with('"') {
        let value = string(raw, place)?;
        if value != "*" {
            return Err(syntax(place, format!("'{value}' must be \"*\" or an object such as {{\"AWS\": ...}}")));
        }
        return Ok(vec![PrincipalText { kind: "*".to_owned(), value, raw: raw.get() }]);
    }
    let mut principals = Vec::new();
    for (kind, value) in object(raw.get(), place)? {
        if !matches!(kind.as_str(), "AWS" | "Service" | "Federated" | "CanonicalUser") {
            let detail = format!("'{kind}' must be AWS, Service, Federated or CanonicalUser");
            return Err(syntax(place, detail));
        }
        for item in items(value, place)? {
            principals.push(PrincipalText { kind: kind.clone(), value: string(item, place)?, raw: item.get() });
        }
    }
    if principals.is_empty() {
        return Err(syntax(place, "name at least one principal"));
    }
    Ok(principals)
}

fn read_conditions(raw: &RawValue, place: &PolicyLocation) -> Result<Vec<ConditionText>, PolicyError> {
    let mut conditions = Vec::new();
    for (name, tests) in object(raw.get(), place)? {
        let tests = object(tests.get(), place)?;
        let Some(operator) = Operator::parse(&name) else {
            // IAM lets an operator that does not exist pass as long as it compares nothing.
            if tests.is_empty() {
                continue;
            }
            return Err(syntax(place, format!("'{name}' is no condition operator")));
        };
        let mut keys = HashSet::new();
        for (key, values) in tests {
            if !keys.insert(key.to_lowercase()) {
                return Err(syntax(place, format!("'{key}' is given twice under {name}; keep one")));
            }
            let values = items(values, place)?.into_iter().map(|value| scalar(value, place));
            conditions.push(ConditionText { operator, key, values: values.collect::<Result<_, _>>()? });
        }
    }
    Ok(conditions)
}

/// A string, or a boolean or number as its text.
fn scalar(raw: &RawValue, place: &PolicyLocation) -> Result<String, PolicyError> {
    match raw.get().as_bytes().first() {
        Some(b't' | b'f' | b'-' | b'0'..=b'9') => Ok(raw.get().to_owned()),
        _ => string(raw, place),
    }
}
