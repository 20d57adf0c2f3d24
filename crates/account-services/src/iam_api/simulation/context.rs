//! The condition keys of a simulation: those that are given, and those that follow from who is simulated.

use std::collections::BTreeMap;

use iam::{Context, Principal};
use serde::Deserialize;
use store::tables::iam::entities::Entity;

use super::policies::Simulated;
use crate::iam_api::constraints::{self, Check};
use crate::iam_api::errors::IamError;

/// `ContextEntry`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContextEntry {
    context_key_name: Option<String>,
    #[serde(default, deserialize_with = "constraints::list")]
    context_key_values: Option<Vec<String>>,
    context_key_type: Option<String>,
}

const TYPES: [&str; 12] = [
    "string",
    "stringList",
    "numeric",
    "numericList",
    "boolean",
    "booleanList",
    "ip",
    "ipList",
    "binary",
    "binaryList",
    "date",
    "dateList",
];

/// Checks the keys that a request gives.
pub fn check(entries: Option<Vec<ContextEntry>>) -> Result<Vec<(String, Vec<String>)>, IamError> {
    let mut checked = Vec::new();
    for entry in entries.unwrap_or_default() {
        let name = Check::required("contextEntries.member.contextKeyName", entry.context_key_name)?;
        Check::length("contextEntries.member.contextKeyName", &name, 5, 256)?;
        if let Some(given) = &entry.context_key_type {
            let known = Check::one_of("contextEntries.member.contextKeyType", given, &TYPES, |name| name)?;
            let is_single = !known.ends_with("List");
            if is_single && entry.context_key_values.as_ref().is_some_and(|values| values.len() > 1) {
                return Err(IamError::InvalidInput(format!("Context key {name} of type {known} has several values.")));
            }
        }
        checked.push((name, entry.context_key_values.unwrap_or_default()));
    }
    Ok(checked)
}

/// The context of a simulation: what is given goes before what is known.
pub fn make(principal: &Principal, entity: Option<&Entity>, now_ms: i64, given: &[(String, Vec<String>)]) -> Context {
    let mut context = Context::default();
    let arn = match principal {
        Principal::AssumedRole { role_arn, .. } => role_arn.clone(),
        other => other.arn().into_owned(),
    };
    context.set("aws:PrincipalArn", arn);
    if let Some(account) = principal.account() {
        context.set("aws:PrincipalAccount", account);
        context.set("aws:PrincipalIsAWSService", "false");
    }
    match principal {
        Principal::User { .. } => context.set("aws:PrincipalType", "User"),
        Principal::AssumedRole { .. } => context.set("aws:PrincipalType", "AssumedRole"),
        Principal::Root { .. } => context.set("aws:PrincipalType", "Account"),
        Principal::FederatedUser { .. } => context.set("aws:PrincipalType", "FederatedUser"),
        Principal::WebIdentity { .. } | Principal::Service { .. } | Principal::Anonymous => {}
    }
    if let (Some(entity), Principal::User { .. }) = (entity, principal) {
        context.set("aws:userid", entity.id.clone());
        context.set("aws:username", entity.name.clone());
    }
    let tags = entity.map_or(&[][..], |entity| &entity.tags).iter();
    set_named(&mut context, tags.map(|(key, value)| (format!("aws:principaltag/{key}"), vec![value.clone()])));
    context.set("aws:CurrentTime", aws::time::iso8601(now_ms));
    context.set("aws:EpochTime", (now_ms / 1000).to_string());
    set_named(&mut context, given.iter().cloned());
    context
}

/// Gives a context keys of which some may be one, under names that differ by case alone.
fn set_named(context: &mut Context, entries: impl Iterator<Item = (String, Vec<String>)>) {
    let mut named: BTreeMap<String, Vec<Vec<String>>> = BTreeMap::new();
    for (name, values) in entries {
        named.entry(name.to_lowercase()).or_default().push(values);
    }
    for (key, each) in named {
        context.set_each(&key, each);
    }
}

/// The condition keys that policies read, each once, as they spell them.
pub fn keys_of<'a>(policies: impl Iterator<Item = &'a Simulated>) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for policy in policies {
        for key in policy.attached.policy.keys() {
            if !found.iter().any(|known| known.eq_ignore_ascii_case(key)) {
                found.push(spelled(&policy.text, key));
            }
        }
    }
    found.sort_unstable();
    found
}

/// A key, which the evaluator holds in lower case, as a document spells it.
fn spelled(document: &str, key: &str) -> String {
    let at = document.to_ascii_lowercase().find(key);
    at.and_then(|at| document.get(at..at + key.len())).unwrap_or(key).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_spelled_as_in_the_document() {
        assert_eq!(spelled(r#"{"aws:SourceIp": "x"}"#, "aws:sourceip"), "aws:SourceIp");
        assert_eq!(spelled(r#"{"aws:\u0053ourceIp": "x"}"#, "aws:sourceip"), "aws:sourceip");
    }
}
