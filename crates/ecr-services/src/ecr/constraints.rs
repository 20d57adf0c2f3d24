//! The model's constraints on members, with the texts that ECR answers (reference/wire.md 1).

use std::fmt::Display;

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::principals::unknown_principal;
use api::grammar::{self, Violation, Wording};
use api::paging::{self, ListWording};
use api::protocols::operation::Call;
use aws::{AccountId, Arn, Region};
use iam::{Policy, PolicyKind};
use oci::{Digest, RepositoryName, Tag};
use store::tables::registry_id::RegistryId;
use store::tables::registry_kind::RegistryKind;
use store::tables::repositories::RepositoryRef;

use super::errors::EcrError;

/// How ECR's messages describe tags; what the registry takes is narrower.
pub const TAG_PATTERN: &str = "[a-zA-Z0-9-_.]+";
/// How ECR's messages describe digests; what the registry takes is narrower.
pub const DIGEST_PATTERN: &str = "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+";

/// The words of the operations that answer `InvalidParameterException`.
#[derive(Debug)]
pub struct Words;
/// The words of the newer operations, which answer `ValidationException`.
#[derive(Debug)]
pub struct NewerWords;

/// Checks in the operations that answer `InvalidParameterException`.
pub type Check = grammar::Check<Words>;
/// Checks in the newer operations, which answer `ValidationException`.
pub type NewerCheck = grammar::Check<NewerWords>;
/// Where lists go on: after a key of one or two parts.
pub type Page = paging::Page<[String; 2]>;

/// The place in a list whose entries have a key of one part.
pub fn after(key: impl Display) -> [String; 2] {
    [key.to_string(), String::new()]
}

impl Wording for Words {
    type Error = EcrError;

    fn refuse(member: &str, _: Option<&str>, violation: Violation<'_>) -> EcrError {
        let constraint = match violation {
            Violation::Missing => "must not be null".to_owned(),
            Violation::TooShort(bounds) => format!("must be at least {} characters long", bounds.min),
            Violation::Pattern(pattern) => format!("must satisfy regular expression '{pattern}'"),
            _ => violation.to_string(),
        };
        EcrError::parameter(member, constraint)
    }
}

impl ListWording for Words {
    const LIMIT: &'static str = "maxResults";

    fn refuse_token(_: &str) -> EcrError {
        EcrError::parameter("nextToken", "Invalid nextToken")
    }
}

impl Wording for NewerWords {
    type Error = EcrError;

    fn refuse(member: &str, value: Option<&str>, violation: Violation<'_>) -> EcrError {
        EcrError::validation(member, value, violation.to_string())
    }
}

/// The registry that a call is about: of the `registryId` member, or the caller's own.
pub fn registry(call: &Call<'_>, registry_id: Option<&str>) -> Result<RegistryId, EcrError> {
    let account = match registry_id {
        None => call.caller.account,
        Some(text) => account("registryId", text)?,
    };
    Ok(RegistryId { account, region: call.caller.region.clone() })
}

/// An account id.
pub fn account(member: &str, text: &str) -> Result<AccountId, EcrError> {
    Check::parsed(member, text, "[0-9]{12}")
}

/// A repository name.
pub fn repository_name(member: &str, name: Option<String>) -> Result<RepositoryName, EcrError> {
    let name = Check::required(member, name)?;
    Check::length(member, &name, RepositoryName::MIN, RepositoryName::MAX)?;
    Check::parsed(member, &name, RepositoryName::PATTERN)
}

/// The repository that `registryId` and `repositoryName` name.
pub fn repository(
    call: &Call<'_>,
    registry_id: Option<&str>,
    repository_name: Option<String>,
) -> Result<RepositoryRef, EcrError> {
    let registry = registry(call, registry_id)?;
    Ok(RepositoryRef { registry, name: self::repository_name("repositoryName", repository_name)? })
}

/// A permission on a repository.
pub fn need_on(action: Action, repository: &RepositoryRef) -> Need {
    Need::on_repository(action, &repository.registry, repository.name.as_str())
}

/// A layer digest. One that is well-formed for the model but of a kind that cannot be stored fits no layer.
pub fn layer_digest(member: &str, text: &str) -> Result<Option<Digest>, EcrError> {
    Check::pattern(member, text, DIGEST_PATTERN, oci::is_digest_like(text))?;
    Ok(text.parse().ok())
}

/// What names a tag of an image, whether any can have it or not.
pub fn tag_like(member: &str, text: &str) -> Result<(), EcrError> {
    Check::length(member, text, 1, 300)?;
    Check::pattern(member, text, TAG_PATTERN, is_tag_like(text))
}

/// A tag to give to an image.
pub fn image_tag(member: &str, text: &str) -> Result<Tag, EcrError> {
    tag_like(member, text)?;
    Check::parsed(member, text, Tag::PATTERN)
}

/// Whether a text satisfies [`TAG_PATTERN`]. Not every such text is a tag: no image can have one that begins with a dot.
pub fn is_tag_like(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// An upload id.
pub fn upload_id(text: Option<String>) -> Result<uuid::Uuid, EcrError> {
    uuid("uploadId", text)
}

/// An id in the usual form of UUIDs.
pub fn uuid(member: &str, text: Option<String>) -> Result<uuid::Uuid, EcrError> {
    const PATTERN: &str = "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}";
    let text = Check::required(member, text)?;
    Check::pattern(member, &text, PATTERN, text.len() == 36)?;
    Check::parsed(member, &text, PATTERN)
}

/// A repository's or registry's policy, of at most 10,240 characters.
pub fn policy(call: &Call<'_>, kind: PolicyKind, text: &str) -> Result<Policy, EcrError> {
    let constraint = match kind {
        PolicyKind::Registry => "Invalid registry policy provided",
        PolicyKind::Repository | PolicyKind::Identity | PolicyKind::Secret | PolicyKind::Key | PolicyKind::Trust => {
            "Invalid repository policy provided"
        }
    };
    let invalid = |why: &dyn std::fmt::Display| {
        // ECR's text does not say what is wrong; the log does.
        tracing::info!(request_id = %call.http.request_id, "policy refused: {why}");
        EcrError::parameter("PolicyText", constraint)
    };
    if text.chars().count() > 10_240 {
        return Err(invalid(&"it is longer than 10,240 characters"));
    }
    let app = call.app;
    let policy = Policy::parse(kind, text).map_err(|error| invalid(&error))?;
    // reference/access.md 4: it is about its repository, which no statement may name. Those that were stored before this
    // was checked are read as they always were.
    if kind == PolicyKind::Repository && policy.names_resources() {
        return Err(invalid(&"a repository's policy is about the repository: remove every Resource and NotResource"));
    }
    // reference/access.md 4: whom it names must be there.
    match unknown_principal(&app.identities.current(), &app.accounts, &policy) {
        None => Ok(policy),
        Some(principal) => {
            tracing::info!(request_id = %call.http.request_id, "policy refused: there is no principal {principal}");
            Err(EcrError::parameter("PolicyText", "Principal not found"))
        }
    }
}

/// A lifecycle policy of 100 to 30,720 characters (reference/lifecycle.md 1 and 2).
pub fn lifecycle_policy(text: &str) -> Result<(), EcrError> {
    const MEMBER: &str = "LifecyclePolicyText";
    Check::length(MEMBER, text, 100, 30_720)?;
    registry::images::lifecycle::parse(text).map(drop).map_err(|error| {
        let text = format!("Lifecycle policy validation failure: {error}");
        EcrError::parameter(MEMBER, text)
    })
}

/// The repository that an ARN names.
pub fn repository_arn(arn: Option<String>) -> Result<(RegistryId, RepositoryName), EcrError> {
    let arn = Check::required("resourceArn", arn)?;
    let invalid = || EcrError::parameter("resourceArn", "Invalid ARN");
    let arn: Arn = arn.parse().map_err(|_| invalid())?;
    let name = arn.resource().strip_prefix("repository/").ok_or_else(invalid)?;
    if arn.service() != RegistryKind::PRIVATE_SERVICE {
        return Err(invalid());
    }
    let region: Region = arn.region().parse().map_err(|_| invalid())?;
    if arn.partition() != region.partition().as_str() {
        return Err(invalid());
    }
    let account = arn.account().parse().map_err(|_| invalid())?;
    Ok((RegistryId { account, region }, name.parse().map_err(|_| invalid())?))
}

/// Refuses paging members beside a list of names (reference/wire.md 1).
pub fn refuse_beside(list: &'static str, max_results: Option<i64>, next_token: Option<&str>) -> Result<(), EcrError> {
    for (member, is_given) in [("maxResults", max_results.is_some()), ("nextToken", next_token.is_some())] {
        if is_given {
            return Err(EcrError::parameter(member, format!("cannot be given together with '{list}'")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use api::grammar::Tag;
    use runtime::aws_error::IntoAwsError;

    use super::*;

    fn said<T>(result: Result<T, EcrError>) -> String {
        let error = result.err().expect("refused").into_aws_error(uuid::Uuid::nil());
        format!("{}: {}", error.code, error.message)
    }

    fn tag(key: &str, value: &str) -> Tag {
        Tag { key: Some(key.to_owned()), value: Some(value.to_owned()) }
    }

    #[test]
    fn texts() {
        let older = |text: &str| {
            format!("InvalidParameterException: Invalid parameter at 'm' failed to satisfy constraint: '{text}'")
        };
        for (given, text) in [
            (said(Check::required::<()>("m", None)), "must not be null"),
            (said(Check::length("m", "a", 2, 3)), "must be at least 2 characters long"),
            (said(Check::length("m", "aaaa", 2, 3)), "Member must have length less than or equal to 3"),
            (said(Check::list("m", Some(vec![0; 0]), 1, 2)), "Member must have length greater than or equal to 1"),
            (said(Check::list("m", Some(vec![0; 3]), 1, 2)), "Member must have length less than or equal to 2"),
            (said(Check::number("m", 0, 1, 2)), "Member must have value greater than or equal to 1"),
            (said(Check::number("m", 3, 1, 2)), "Member must have value less than or equal to 2"),
            (said(Check::pattern("m", "a", "[0-9]+", false)), "must satisfy regular expression '[0-9]+'"),
            (said(Check::one_of("m", "c", &["A", "B"], |name| name)), "Member must satisfy enum value set: [A, B]"),
        ] {
            assert_eq!(given, older(text));
        }
        let newer = |value: &str, text: &str| {
            format!(
                "ValidationException: 1 validation error detected: Value {value} at 'm' failed to satisfy constraint: \
                 {text}"
            )
        };
        for (given, value, text) in [
            (said(NewerCheck::required::<()>("m", None)), "null", "Member must not be null"),
            (said(NewerCheck::length("m", "a", 2, 3)), "'a'", "Member must have length greater than or equal to 2"),
            (said(NewerCheck::length("m", "aaaa", 2, 3)), "'aaaa'", "Member must have length less than or equal to 3"),
            (
                said(NewerCheck::pattern("m", "a", "[0-9]+", false)),
                "'a'",
                "Member must satisfy regular expression pattern: [0-9]+",
            ),
            (
                said(NewerCheck::one_of("m", "c", &["A", "B"], |name| name)),
                "'c'",
                "Member must satisfy enum value set: [A, B]",
            ),
        ] {
            assert_eq!(given, newer(value, text));
        }
        assert_eq!(
            said(Check::place::<String>(&paging::List::Any, Some("?"))),
            older("Invalid nextToken").replace("'m'", "'nextToken'")
        );
    }

    #[test]
    fn texts_of_tags() {
        for (tags, text) in [
            (vec![tag("", "")], "InvalidTagParameterException: A tag key must be 1 to 128 characters long"),
            (vec![tag("a\0", "")], "InvalidTagParameterException: A tag key must not hold a NUL character"),
            (
                vec![tag("a", &"v".repeat(257))],
                "InvalidTagParameterException: The value of tag 'a' must be at most 256 characters long",
            ),
            (vec![tag("a", "\0")], "InvalidTagParameterException: The value of tag 'a' must not hold a NUL character"),
            (
                vec![tag("aws:a", "\0")],
                "InvalidTagParameterException: The tag key 'aws:a' must not begin with 'aws:', which is reserved",
            ),
            (
                vec![tag("a", "1"), tag("a", "2")],
                "InvalidTagParameterException: The tag key 'a' is given more than once",
            ),
            (
                (0..51).map(|number| tag(&number.to_string(), "")).collect(),
                "TooManyTagsException: A repository can have at most 50 tags",
            ),
            (
                vec![Tag { key: None, value: None }],
                "InvalidParameterException: Invalid parameter at 'tags.member.Key' failed to satisfy constraint: 'must \
                 not be null'",
            ),
            (
                vec![Tag { key: Some("a".to_owned()), value: None }],
                "InvalidParameterException: Invalid parameter at 'tags.member.Value' failed to satisfy constraint: \
                 'must not be null'",
            ),
        ] {
            assert_eq!(said(Check::tags(Some(tags))), text);
        }
    }
}
