//! What a policy must look like, member by member: the part of validation that ECR leaves to a JSON schema.
//!
//! Each object is checked before what is in it, for missing members before unknown ones; `action` is read before
//! `selection` (reference/lifecycle.md 2).

use serde_json::{Map, Value};

use crate::policy::MAX_RULES;
use crate::{Action, Count, PolicyError, StorageClass};

/// The combinations of members that a selection can have: one for each count type.
const SELECTION_SCHEMAS: usize = 4;
/// The combinations that an action can have: one for each type.
const ACTION_SCHEMAS: usize = 2;
/// The least days in the archive before a policy deletes an image (reference/lifecycle.md 1).
const MIN_DAYS_IN_ARCHIVE: i64 = 90;

/// A rule of the right shape.
#[derive(Debug)]
pub(crate) struct RuleText {
    pub priority: i64,
    pub description: Option<String>,
    pub action: Action,
    pub storage_class: StorageClass,
    pub count: Count,
    pub tag_status: TagStatus,
    pub prefixes: Option<Vec<String>>,
    pub patterns: Option<Vec<String>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TagStatus {
    Any,
    Tagged,
    Untagged,
}

pub(crate) fn read(text: &str) -> Result<Vec<RuleText>, PolicyError> {
    let Ok(Value::Object(policy)) = serde_json::from_str(text) else { return Err(PolicyError::NotAPolicy) };
    check_members(&policy, &["rules"], &[])?;
    let rules = array(&policy["rules"])?;
    if rules.len() > MAX_RULES {
        return Err(PolicyError::TooManyRules(rules.len()));
    }
    rules.iter().map(read_rule).collect()
}

fn read_rule(rule: &Value) -> Result<RuleText, PolicyError> {
    let rule = object(rule)?;
    check_members(rule, &["action", "rulePriority", "selection"], &["description"])?;
    let action = read_action(object(&rule["action"])?)?;
    let description = rule.get("description").map(string).transpose()?;
    let priority = integer(&rule["rulePriority"], 1)?;
    let selection = object(&rule["selection"])?;
    check_members(
        selection,
        &["countNumber", "countType", "tagStatus"],
        &["countUnit", "storageClass", "tagPatternList", "tagPrefixList"],
    )?;
    let tag_status = match word(&selection["tagStatus"], &["any", "tagged", "untagged"])? {
        "any" => TagStatus::Any,
        "tagged" => TagStatus::Tagged,
        _ => TagStatus::Untagged,
    };
    let (count, storage_class) = read_count(selection)?;
    Ok(RuleText {
        priority,
        description,
        action,
        storage_class,
        count,
        tag_status,
        prefixes: selection.get("tagPrefixList").map(strings).transpose()?,
        patterns: selection.get("tagPatternList").map(strings).transpose()?,
    })
}

fn read_action(action: &Map<String, Value>) -> Result<Action, PolicyError> {
    check_members(action, &["type"], &["targetStorageClass"])?;
    let kind = word(&action["type"], &["expire", "transition"])?;
    match (kind, action.get("targetStorageClass")) {
        ("expire", None) => Ok(Action::Expire),
        ("transition", Some(target @ Value::String(_))) => {
            word(target, &["archive"])?;
            Ok(Action::Transition { target: StorageClass::Archive })
        }
        _ => Err(PolicyError::NoSchemaMatches { schemas: ACTION_SCHEMAS }),
    }
}

/// Reads what says how many or how old, and of which class.
fn read_count(selection: &Map<String, Value>) -> Result<(Count, StorageClass), PolicyError> {
    let mismatch = PolicyError::NoSchemaMatches { schemas: SELECTION_SCHEMAS };
    let count_type = selection["countType"].as_str().unwrap_or_default();
    let needs_unit = match count_type {
        "imageCountMoreThan" => false,
        "sinceImagePushed" | "sinceImagePulled" | "sinceImageTransitioned" => true,
        _ => return Err(mismatch),
    };
    match selection.get("countUnit") {
        Some(unit @ Value::String(_)) if needs_unit => {
            word(unit, &["days"])?;
        }
        None if !needs_unit => {}
        _ => return Err(mismatch),
    }
    let storage_class = match selection.get("storageClass") {
        None => StorageClass::Standard,
        Some(class @ Value::String(_)) => match word(class, &["archive", "standard"])? {
            "archive" => StorageClass::Archive,
            _ => StorageClass::Standard,
        },
        Some(_) => return Err(mismatch),
    };
    if (storage_class == StorageClass::Archive) != (count_type == "sinceImageTransitioned") {
        return Err(mismatch);
    }
    let number = integer(&selection["countNumber"], 1)?;
    let count = match count_type {
        "imageCountMoreThan" => Count::MoreThan { keep: number },
        "sinceImagePushed" => Count::SincePushed { days: number },
        "sinceImagePulled" => Count::SincePulled { days: number },
        _ => Count::SinceTransitioned { days: integer(&selection["countNumber"], MIN_DAYS_IN_ARCHIVE)? },
    };
    Ok((count, storage_class))
}

/// Checks which members an object has; both lists are sorted, as ECR prints them.
fn check_members(object: &Map<String, Value>, required: &[&str], optional: &[&str]) -> Result<(), PolicyError> {
    let missing = required.iter().filter(|name| !object.contains_key(**name)).copied();
    let missing: Vec<String> = missing.map(str::to_owned).collect();
    if !missing.is_empty() {
        return Err(PolicyError::MissingProperties(missing));
    }
    let is_known = |name: &str| required.contains(&name) || optional.contains(&name);
    let mut unknown: Vec<String> = object.keys().filter(|name| !is_known(name)).cloned().collect();
    if !unknown.is_empty() {
        unknown.sort_unstable();
        return Err(PolicyError::UnknownProperties(unknown));
    }
    Ok(())
}

/// Reads one of a few words.
fn word<'a>(value: &'a Value, possible: &[&str]) -> Result<&'a str, PolicyError> {
    match value.as_str() {
        Some(word) if possible.contains(&word) => Ok(word),
        _ => Err(PolicyError::NotInEnum {
            found: value.to_string(),
            possible: possible.iter().copied().map(str::to_owned).collect(),
        }),
    }
}

fn integer(value: &Value, minimum: i64) -> Result<i64, PolicyError> {
    match value.as_i64() {
        Some(number) if number >= minimum => Ok(number),
        Some(number) => Err(PolicyError::TooLow { minimum, found: number }),
        None if value.is_u64() => Err(PolicyError::NotAPolicy),
        None => Err(wrong_type(value, "integer")),
    }
}

fn string(value: &Value) -> Result<String, PolicyError> {
    value.as_str().map(str::to_owned).ok_or_else(|| wrong_type(value, "string"))
}

fn strings(value: &Value) -> Result<Vec<String>, PolicyError> {
    array(value)?.iter().map(string).collect()
}

fn array(value: &Value) -> Result<&Vec<Value>, PolicyError> {
    value.as_array().ok_or_else(|| wrong_type(value, "array"))
}

fn object(value: &Value) -> Result<&Map<String, Value>, PolicyError> {
    value.as_object().ok_or_else(|| wrong_type(value, "object"))
}

fn wrong_type(value: &Value, allowed: &'static str) -> PolicyError {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    PolicyError::WrongType { found, allowed }
}
