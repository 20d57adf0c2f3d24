//! What STS's model says of members, with the texts that STS answers.

use aws::{AccountId, FormNumber, Region};
use iam::{Policy, PolicyKind};
use serde::Deserialize;

use super::errors::StsError;

/// The longest session policy (AssumeRole: 'Policy').
const MAX_POLICY_CHARS: usize = 2048;
/// The most managed policies of a session (AssumeRole: 'PolicyArns').
const MAX_POLICY_ARNS: usize = 10;
/// The most tags of a session (AssumeRole: 'Tags').
const MAX_TAGS: usize = 50;
const MAX_TAG_KEY_CHARS: usize = 128;
const MAX_TAG_VALUE_CHARS: usize = 256;
const NAME_PATTERN: &str = "[\\w+=,.@-]*";

/// The ARN of a role, and whose it is.
#[derive(Clone, Debug)]
pub struct RoleArn {
    /// As Wharf keeps it: in the partition `aws`.
    pub stored: String,
    /// The account.
    pub account: AccountId,
}

/// One of `PolicyArns`.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub struct PolicyArn {
    arn: Option<String>,
}

/// One of `Tags`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Tag {
    key: Option<String>,
    value: Option<String>,
}

/// What narrows a session.
#[derive(Clone, Debug, Default)]
pub struct Narrowing {
    /// A policy of its own.
    pub policy: Option<String>,
    /// Managed policies, in the partition `aws`.
    pub policy_arns: Vec<String>,
}

fn failed(member: &str, value: &str, constraint: &str) -> StsError {
    StsError::Validation(format!(
        "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}"
    ))
}

/// A member that must be there.
pub fn required(member: &str, value: Option<String>) -> Result<String, StsError> {
    value.ok_or_else(|| failed(member, "null", "Member must not be null"))
}

/// The length of a text, in characters.
pub fn length(member: &str, value: &str, min: usize, max: usize) -> Result<(), StsError> {
    let length = value.chars().take(max + 1).count();
    // A long value is not sent back.
    if length > max {
        return Err(failed(member, "", &format!("Member must have length less than or equal to {max}")));
    }
    if length < min {
        let constraint = format!("Member must have length greater than or equal to {min}");
        return Err(failed(member, &format!("'{value}'"), &constraint));
    }
    Ok(())
}

/// An ARN in the partition `aws`, whatever partition the region that was called belongs to.
fn without_partition(arn: &str) -> String {
    match arn.split_once(":iam:") {
        Some(("arn:aws-cn" | "arn:aws-us-gov", rest)) => format!("arn:aws:iam:{rest}"),
        _ => arn.to_owned(),
    }
}

/// An ARN in the partition of a region.
pub fn in_partition(arn: String, region: &Region) -> String {
    match region.partition() {
        aws::Partition::Aws => arn,
        partition => arn.replacen("arn:aws:", &format!("arn:{partition}:"), 1),
    }
}

/// `RoleArn`.
pub fn role_arn(value: Option<String>) -> Result<RoleArn, StsError> {
    let given = required("roleArn", value)?;
    length("roleArn", &given, 20, 2048)?;
    let stored = without_partition(&given);
    let parts = stored.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split_once(":role/"));
    let account = parts.filter(|(_, name)| !name.is_empty()).and_then(|(account, _)| account.parse().ok());
    match account {
        Some(account) => Ok(RoleArn { stored, account }),
        None => Err(StsError::Validation(format!("{given} is invalid"))),
    }
}

/// `RoleSessionName` and `SourceIdentity`.
pub fn name(member: &str, value: &str) -> Result<(), StsError> {
    length(member, value, 2, 64)?;
    if value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte)) {
        return Ok(());
    }
    let constraint = format!("Member must satisfy regular expression pattern: {NAME_PATTERN}");
    Err(failed(member, &format!("'{value}'"), &constraint))
}

/// `DurationSeconds`.
pub fn duration(value: Option<FormNumber>, default: i64, max: i64) -> Result<i64, StsError> {
    const MIN: i64 = 900;
    let number = value.unwrap_or(default.into());
    let seconds = number.value();
    if seconds < MIN {
        let constraint = format!("Member must have value greater than or equal to {MIN}");
        return Err(failed("durationSeconds", &format!("'{number}'"), &constraint));
    }
    if seconds > max {
        let constraint = format!("Member must have value less than or equal to {max}");
        return Err(failed("durationSeconds", &format!("'{number}'"), &constraint));
    }
    Ok(seconds)
}

impl Narrowing {
    /// Refuses a policy that is none. Nothing is kept of it until a session with it is used.
    pub fn require_readable(self) -> Result<Self, StsError> {
        match self.policy.as_ref().map(|text| Policy::parse(PolicyKind::Identity, text)).transpose() {
            Ok(_) => Ok(self),
            Err(error) => Err(StsError::MalformedPolicyDocument(error.to_string())),
        }
    }
}

/// `Policy` and `PolicyArns`. Whether the policies exist, and the first one is a policy, is not looked at.
pub fn narrowing(policy: Option<String>, policy_arns: Option<Vec<PolicyArn>>) -> Result<Narrowing, StsError> {
    if let Some(text) = &policy {
        length("policy", text, 1, MAX_POLICY_CHARS)?;
    }
    let policy_arns = policy_arns.unwrap_or_default();
    if policy_arns.len() > MAX_POLICY_ARNS {
        let constraint = format!("Member must have length less than or equal to {MAX_POLICY_ARNS}");
        return Err(failed("policyArns", "", &constraint));
    }
    let mut arns = Vec::with_capacity(policy_arns.len());
    for policy in policy_arns {
        let arn = required("policyArns.member.arn", policy.arn)?;
        length("policyArns.member.arn", &arn, 20, 2048)?;
        arns.push(without_partition(&arn));
    }
    Ok(Narrowing { policy, policy_arns: arns })
}

/// `Tags`.
pub fn tags(given: Option<Vec<Tag>>) -> Result<Vec<(String, String)>, StsError> {
    let given = given.unwrap_or_default();
    if given.len() > MAX_TAGS {
        return Err(failed("tags", "", &format!("Member must have length less than or equal to {MAX_TAGS}")));
    }
    let mut tags: Vec<(String, String)> = Vec::with_capacity(given.len());
    for tag in given {
        let key = required("tags.member.key", tag.key)?;
        let value = required("tags.member.value", tag.value)?;
        tag_text("tags.member.key", &key, 1, MAX_TAG_KEY_CHARS)?;
        tag_text("tags.member.value", &value, 0, MAX_TAG_VALUE_CHARS)?;
        if key.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("aws:")) {
            return Err(StsError::Validation(format!("Tag keys beginning with 'aws:' are reserved: '{key}'")));
        }
        if tags.iter().any(|(known, _)| known.eq_ignore_ascii_case(&key)) {
            return Err(StsError::Validation(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
            ));
        }
        tags.push((key, value));
    }
    Ok(tags)
}

/// `TransitiveTagKeys`: each is the key of a tag of the request.
pub fn transitive_tag_keys(given: Option<Vec<String>>, tags: &[(String, String)]) -> Result<Vec<String>, StsError> {
    let keys = given.unwrap_or_default();
    for key in &keys {
        if !tags.iter().any(|(known, _)| known.eq_ignore_ascii_case(key)) {
            return Err(StsError::Validation(format!(
                "The specified transitive tag key must be included in the requested tags: '{key}'"
            )));
        }
    }
    Ok(keys)
}

fn tag_text(member: &str, text: &str, min: usize, max: usize) -> Result<(), StsError> {
    length(member, text, min, max)?;
    // The pattern is [\p{L}\p{Z}\p{N}_.:/=+\-@].
    let fits = |character: char| {
        character.is_alphanumeric()
            || (character.is_whitespace() && !character.is_control())
            || "_.:/=+-@".contains(character)
    };
    if text.chars().all(fits) {
        return Ok(());
    }
    let constraint = "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*";
    Err(failed(member, &format!("'{text}'"), constraint))
}
