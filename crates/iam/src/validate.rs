//! What each kind of policy must and must not have, checked in IAM's order, so that of several mistakes the same one is
//! named (reference/access.md 8; for repositories and registries reference/access.md 4).

use std::collections::HashSet;

use crate::condition::{Network, Test, is_legacy_date, read_bool, read_number};
use crate::error::IAM_RESOURCE_PATHS;
use crate::principal::PrincipalPattern;
use crate::syntax::{ConditionText, Document, StatementText, Version};
use crate::{PolicyError, PolicyKind, PolicyLocation};

/// The partitions of AWS (service authorization reference, `${Partition}`).
const PARTITIONS: [&str; 9] =
    ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc", "*"];

/// What a trust policy may allow (reference/access.md 8; SetSourceIdentity and TagSession go along with AssumeRole, the
/// rest IAM takes without use).
const TRUST_ACTIONS: [&str; 11] = [
    "sts:AssumeRole",
    "sts:AssumeRoleWithSAML",
    "sts:AssumeRoleWithWebIdentity",
    "sts:DecodeAuthorizationMessage",
    "sts:GetAccessKeyInfo",
    "sts:GetCallerIdentity",
    "sts:GetFederationToken",
    "sts:GetServiceBearerToken",
    "sts:GetSessionToken",
    "sts:SetSourceIdentity",
    "sts:TagSession",
];

/// A check of one statement; the number is from 1.
type Check = fn(PolicyKind, usize, &StatementText) -> Result<(), PolicyError>;

pub(crate) fn validate(kind: PolicyKind, document: &Document) -> Result<(), PolicyError> {
    if kind == PolicyKind::Identity && document.version != Version::V2012 {
        return Err(PolicyError::Version);
    }
    let run = |check: Check| -> Result<(), PolicyError> {
        document.statements.iter().enumerate().try_for_each(|(index, statement)| check(kind, index + 1, statement))
    };
    run(check_effect_and_conditions)?;
    let formats = run(check_resource_format);
    if matches!(formats, Err(PolicyError::LegacyParsing { .. })) {
        return formats;
    }
    check_sids(kind, document)?;
    run(check_actions_present)?;
    formats?;
    run(check_action_format)?;
    run(check_principal)?;
    run(check_resources_present)
}

fn check_effect_and_conditions(_: PolicyKind, number: usize, statement: &StatementText) -> Result<(), PolicyError> {
    if !matches!(statement.effect.as_str(), "Allow" | "Deny") {
        let place = PolicyLocation::element(number, "Effect");
        return Err(PolicyError::LegacyParsing {
            place,
            detail: "write \"Allow\" or \"Deny\" in this case".to_owned(),
        });
    }
    statement.conditions.iter().try_for_each(|condition| check_condition(number, condition))
}

fn check_condition(number: usize, condition: &ConditionText) -> Result<(), PolicyError> {
    let (form, is_read): (_, fn(&str) -> bool) = match condition.operator.test {
        Test::StringEquals | Test::StringEqualsIgnoreCase | Test::StringLike | Test::Arn | Test::Binary => {
            return Ok(());
        }
        Test::Numeric(_) => ("a number", |value| read_number(value).is_some()),
        Test::Date(_) => ("a date such as 2024-03-01T12:30:45Z or a number of seconds", is_legacy_date),
        Test::Bool | Test::Null => ("true or false", |value| read_bool(value).is_some()),
        Test::IpAddress => ("an address or a network such as 203.0.113.0/24", |value| value.parse::<Network>().is_ok()),
    };
    match condition.values.iter().find(|value| !is_read(value)) {
        None => Ok(()),
        Some(value) => Err(PolicyError::LegacyParsing {
            place: PolicyLocation::element(number, "Condition"),
            detail: format!("'{value}' under {} must be {form}", condition.key),
        }),
    }
}

fn check_sids(kind: PolicyKind, document: &Document) -> Result<(), PolicyError> {
    // Repository and registry policies take any text, and one text for several statements (reference/access.md 4).
    if matches!(kind, PolicyKind::Repository | PolicyKind::Registry) {
        return Ok(());
    }
    let mut seen = HashSet::new();
    for (index, statement) in document.statements.iter().enumerate() {
        let Some(sid) = statement.sid.as_ref().filter(|sid| !sid.is_empty()) else {
            continue;
        };
        if !seen.insert(sid) {
            return Err(PolicyError::DuplicateSid { statement: index + 1, sid: sid.clone() });
        }
        let is_of_iam = matches!(kind, PolicyKind::Identity | PolicyKind::Trust);
        if is_of_iam && !sid.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(PolicyError::InvalidSid { statement: index + 1, sid: sid.clone() });
        }
    }
    Ok(())
}

fn check_actions_present(_: PolicyKind, number: usize, statement: &StatementText) -> Result<(), PolicyError> {
    match &statement.actions {
        Some(actions) if !actions.values.is_empty() => Ok(()),
        Some(_) | None => Err(PolicyError::MissingActions { statement: number }),
    }
}

fn check_action_format(kind: PolicyKind, number: usize, statement: &StatementText) -> Result<(), PolicyError> {
    let Some(actions) = &statement.actions else {
        return Ok(());
    };
    for action in &actions.values {
        check_action_name(number, action)?;
        let is_of =
            |service: &str| action.split_once(':').is_some_and(|(vendor, _)| vendor.eq_ignore_ascii_case(service));
        let foreign = || PolicyError::ForeignAction { statement: number, action: action.clone() };
        match kind {
            PolicyKind::Trust => {
                let is_trust = TRUST_ACTIONS.iter().any(|allowed| allowed.eq_ignore_ascii_case(action));
                if actions.negated || !is_trust {
                    return Err(PolicyError::TrustAction { statement: number, action: action.clone() });
                }
            }
            PolicyKind::Repository | PolicyKind::Registry if !is_of("ecr") => return Err(foreign()),
            PolicyKind::Secret if action != "*" && !is_of("secretsmanager") => return Err(foreign()),
            PolicyKind::Key if action != "*" && !is_of("kms") => return Err(foreign()),
            PolicyKind::Identity
            | PolicyKind::Repository
            | PolicyKind::Registry
            | PolicyKind::Secret
            | PolicyKind::Key => {}
        }
    }
    Ok(())
}

fn check_action_name(statement: usize, action: &str) -> Result<(), PolicyError> {
    let mut parts = action.split(':');
    let vendor = parts.next().unwrap_or_default();
    let name = parts.next();
    if vendor == "*" && name.is_none() {
        return Ok(());
    }
    let action = action.to_owned();
    if name.is_none() {
        return Err(PolicyError::ActionWithoutVendor { statement, action });
    }
    if parts.next().is_some() {
        return Err(PolicyError::ActionColons { statement, action });
    }
    let is_vendor = vendor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte));
    if vendor == "*" || is_vendor {
        Ok(())
    } else {
        Err(PolicyError::ActionVendor { statement, action, vendor: vendor.to_owned() })
    }
}

fn check_principal(kind: PolicyKind, number: usize, statement: &StatementText) -> Result<(), PolicyError> {
    match (kind, &statement.principals) {
        (PolicyKind::Identity, None) => Ok(()),
        (PolicyKind::Identity, Some(_)) => Err(PolicyError::ProhibitedPrincipal { statement: number }),
        (_, None) => Err(PolicyError::MissingPrincipal { statement: number }),
        (_, Some(principals)) => {
            match principals.values.iter().find(|(kind, value)| PrincipalPattern::read(kind, value).is_none()) {
                None => Ok(()),
                Some((kind, value)) => {
                    let (kind, value) = (kind.clone(), value.clone());
                    Err(PolicyError::InvalidPrincipal { statement: number, kind, value })
                }
            }
        }
    }
}

fn check_resources_present(kind: PolicyKind, number: usize, statement: &StatementText) -> Result<(), PolicyError> {
    let is_empty = statement.resources.as_ref().is_none_or(|resources| resources.values.is_empty());
    match kind {
        PolicyKind::Identity | PolicyKind::Registry | PolicyKind::Secret | PolicyKind::Key if is_empty => {
            Err(PolicyError::MissingResources { statement: number })
        }
        PolicyKind::Trust if statement.resources.is_some() => {
            Err(PolicyError::ProhibitedResource { statement: number })
        }
        // Implicitly the repository; but an empty list would be nothing (reference/access.md 4).
        PolicyKind::Repository if is_empty && statement.resources.is_some() => {
            Err(PolicyError::MissingResources { statement: number })
        }
        PolicyKind::Identity
        | PolicyKind::Registry
        | PolicyKind::Secret
        | PolicyKind::Key
        | PolicyKind::Trust
        | PolicyKind::Repository => Ok(()),
    }
}

fn check_resource_format(kind: PolicyKind, number: usize, statement: &StatementText) -> Result<(), PolicyError> {
    if kind == PolicyKind::Trust {
        return Ok(());
    }
    statement
        .resources
        .iter()
        .flat_map(|resources| &resources.values)
        .try_for_each(|resource| check_resource(number, resource))
}

fn check_resource(statement: usize, text: &str) -> Result<(), PolicyError> {
    if text == "*" {
        return Ok(());
    }
    let resource = text.to_owned();
    let Some((prefix, after_arn)) = text.split_once(':') else {
        return Err(PolicyError::ResourceFormat { statement, resource });
    };
    let (partition, after_partition) = match after_arn.split_once(':') {
        Some((partition, rest)) => (partition, Some(rest)),
        None => (after_arn, None),
    };
    if !PARTITIONS.contains(&partition) {
        let shown = completed_arn(partition, after_partition.unwrap_or_default());
        return Err(PolicyError::ResourcePartition { statement, partition: partition.to_owned(), shown });
    }
    if prefix != "arn" {
        return Err(PolicyError::ResourceFormat { statement, resource });
    }
    let Some(after_partition) = after_partition else {
        return Err(PolicyError::ResourceVendor { statement, resource });
    };
    let mut parts = after_partition.splitn(4, ':');
    let service = parts.next().unwrap_or_default();
    let region = parts.next().unwrap_or_default();
    let _account = parts.next();
    let path = parts.next().unwrap_or_default();
    // Service and all further parts must be there, except that an ARN may stop early where nothing is left empty.
    if service.is_empty() || (text.matches(':').count() < 5 && text.contains("::")) {
        let place = PolicyLocation::element(statement, "Resource");
        let detail = format!("complete '{resource}': arn:partition:service:region:account:resource");
        return Err(PolicyError::LegacyParsing { place, detail });
    }
    let is_regionless = service == "iam" || (service == "s3" && !path.starts_with("accesspoint/"));
    let has_region = !region.is_empty() || !after_partition.contains(':');
    if is_regionless && has_region {
        return Err(PolicyError::ResourceRegion { statement, service: service.to_owned(), resource });
    }
    if service == "iam" && path != "*" && !IAM_RESOURCE_PATHS.iter().any(|start| path.starts_with(start)) {
        return Err(PolicyError::IamResourcePath { statement, resource });
    }
    Ok(())
}

/// The ARN with a star for each part that is missing, as IAM shows it.
fn completed_arn(partition: &str, rest: &str) -> String {
    let parts: Vec<&str> = rest.splitn(4, ':').collect();
    let part = |index: usize| match parts.get(index) {
        // An ARN that ends with its partition has one empty part.
        Some(&"") if parts.len() == 1 => "*",
        Some(part) => part,
        None => "*",
    };
    format!("arn:{partition}:{}:{}:{}:{}", part(0), part(1), part(2), part(3))
}
