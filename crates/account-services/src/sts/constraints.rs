//! What STS's model says of members, with the texts that STS answers.

use api::grammar::{
    self, Bounds, MAX_TAGS, TAG_CHARACTERS, TagPart, TagViolation, TagWording, Violation, Wording, has_tag_characters,
};
use aws::{AccountId, FormNumber, Region};
use iam::{Policy, PolicyKind};
use serde::Deserialize;

use super::errors::StsError;

/// The longest session policy (AssumeRole: 'Policy').
const MAX_POLICY_CHARS: usize = 2048;
/// The most managed policies of a session (AssumeRole: 'PolicyArns').
const MAX_POLICY_ARNS: usize = 10;
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

/// What narrows a session.
#[derive(Clone, Debug, Default)]
pub struct Narrowing {
    /// A policy of its own.
    pub policy: Option<String>,
    /// Managed policies, in the partition `aws`.
    pub policy_arns: Vec<String>,
}

/// The words of STS.
#[derive(Debug)]
pub struct Words;

/// Checks with these words.
pub type Check = grammar::Check<Words>;

impl Wording for Words {
    type Error = StsError;

    fn refuse(member: &str, value: Option<&str>, violation: Violation<'_>) -> StsError {
        let value = match (violation, value) {
            // A long value is not sent back.
            (Violation::TooLong(_) | Violation::TooFew(_) | Violation::TooMany(_), _) => String::new(),
            (_, None) => "null".to_owned(),
            (_, Some(value)) => format!("'{value}'"),
        };
        StsError::Validation(format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {violation}"
        ))
    }
}

impl TagWording for Words {
    const TAG_KEY: &'static str = "tags.member.key";
    const TAG_VALUE: &'static str = "tags.member.value";
    const RESERVES_LAST: bool = true;

    fn is_same_key(a: &str, b: &str) -> bool {
        a.eq_ignore_ascii_case(b)
    }

    fn tag_text(member: &str, part: TagPart<'_>, text: &str) -> Result<(), StsError> {
        Check::tag_length(member, part, text)?;
        Check::pattern(member, text, &format!("{TAG_CHARACTERS}*"), has_tag_characters(text))
    }

    fn refuse_tags(violation: TagViolation<'_>) -> StsError {
        match violation {
            TagViolation::TooMany => Self::refuse("tags", None, Violation::TooMany(Bounds { min: 0, max: MAX_TAGS })),
            TagViolation::Reserved(key) => {
                StsError::Validation(format!("Tag keys beginning with 'aws:' are reserved: '{key}'"))
            }
            TagViolation::Repeated(_) => StsError::Validation(
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.".to_owned(),
            ),
        }
    }
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
    let given = Check::required("roleArn", value)?;
    Check::length("roleArn", &given, 20, 2048)?;
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
    Check::length(member, value, 2, 64)?;
    let is_name = value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+=,.@-".contains(&byte));
    Check::pattern(member, value, NAME_PATTERN, is_name)
}

/// `DurationSeconds`.
pub fn duration(value: Option<FormNumber>, default: i64, max: i64) -> Result<i64, StsError> {
    Check::number("durationSeconds", value.unwrap_or(default.into()), 900, max)
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
        Check::length("policy", text, 1, MAX_POLICY_CHARS)?;
    }
    let policy_arns = policy_arns.unwrap_or_default();
    Check::count("policyArns", policy_arns.len(), 0, MAX_POLICY_ARNS)?;
    let mut arns = Vec::with_capacity(policy_arns.len());
    for policy in policy_arns {
        let arn = Check::required("policyArns.member.arn", policy.arn)?;
        Check::length("policyArns.member.arn", &arn, 20, 2048)?;
        arns.push(without_partition(&arn));
    }
    Ok(Narrowing { policy, policy_arns: arns })
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

#[cfg(test)]
mod tests {
    use api::grammar::Tag;
    use runtime::aws_error::IntoAwsError;

    use super::*;

    fn said<T>(result: Result<T, StsError>) -> String {
        let error = result.err().expect("refused").into_aws_error(uuid::Uuid::nil());
        format!("{}: {}", error.code, error.message)
    }

    #[test]
    fn texts() {
        let tag = |key: &str, value: &str| Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) };
        for (given, value, member, text) in [
            (said(Check::required::<()>("m", None)), "null", "m", "Member must not be null"),
            (said(Check::length("m", "a", 2, 3)), "'a'", "m", "Member must have length greater than or equal to 2"),
            (said(Check::length("m", "aaaa", 2, 3)), "", "m", "Member must have length less than or equal to 3"),
            (said(name("m", "a b")), "'a b'", "m", "Member must satisfy regular expression pattern: [\\w+=,.@-]*"),
            (
                said(duration(Some(899.into()), 3600, 3600)),
                "'899'",
                "durationSeconds",
                "Member must have value greater than or equal to 900",
            ),
            (
                said(duration(Some(3601.into()), 3600, 3600)),
                "'3601'",
                "durationSeconds",
                "Member must have value less than or equal to 3600",
            ),
            (
                said(narrowing(None, Some((0..11).map(|_| PolicyArn { arn: None }).collect()))),
                "",
                "policyArns",
                "Member must have length less than or equal to 10",
            ),
            (
                said(Check::tags(Some((0..51).map(|number| tag(&number.to_string(), "")).collect()))),
                "",
                "tags",
                "Member must have length less than or equal to 50",
            ),
            (
                said(Check::tags(Some(vec![tag("a", "*")]))),
                "'*'",
                "tags.member.value",
                "Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*",
            ),
        ] {
            assert_eq!(
                given,
                format!(
                    "ValidationError: 1 validation error detected: Value {value} at '{member}' failed to satisfy \
                     constraint: {text}"
                )
            );
        }
        for (tags, text) in [
            (vec![tag("aws:a", "")], "Tag keys beginning with 'aws:' are reserved: 'aws:a'"),
            (
                vec![tag("a", ""), tag("A", "")],
                "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            ),
        ] {
            assert_eq!(said(Check::tags(Some(tags))), format!("ValidationError: {text}"));
        }
    }
}
