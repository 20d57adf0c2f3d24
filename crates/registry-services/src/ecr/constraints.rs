//! The model's constraints on members, with the texts that ECR answers (reference/wire.md 1).

use access::auth::principals::unknown_principal;
use api::protocols::operation::Call;
use aws::{AccountId, Arn, Region};
use iam::{Policy, PolicyKind};
use oci::{Digest, RepositoryName, Tag};
use store::tables::registry_id::RegistryId;
use store::tables::registry_kind::RegistryKind;

use super::errors::EcrError;

/// How ECR's messages describe tags; what the registry takes is narrower.
pub const TAG_PATTERN: &str = "[a-zA-Z0-9-_.]+";
/// How ECR's messages describe digests; what the registry takes is narrower.
pub const DIGEST_PATTERN: &str = "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+";

/// A member that must be there.
pub fn required<T>(member: &'static str, value: Option<T>) -> Result<T, EcrError> {
    value.ok_or_else(|| EcrError::parameter(member, "must not be null"))
}

/// A text that a pattern does not fit.
pub fn pattern(member: &'static str, pattern: &str) -> EcrError {
    EcrError::parameter(member, format!("must satisfy regular expression '{pattern}'"))
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
pub fn account(member: &'static str, text: &str) -> Result<AccountId, EcrError> {
    text.parse().map_err(|_| pattern(member, "[0-9]{12}"))
}

/// A repository name.
pub fn repository_name(member: &'static str, name: Option<String>) -> Result<RepositoryName, EcrError> {
    let name = required(member, name)?;
    length(member, &name, RepositoryName::MIN, RepositoryName::MAX)?;
    name.parse().map_err(|_| pattern(member, RepositoryName::PATTERN))
}

/// The length of a text, in characters.
pub fn length(member: &'static str, text: &str, min: usize, max: usize) -> Result<(), EcrError> {
    let length = text.chars().take(max + 1).count();
    if length < min {
        return Err(EcrError::parameter(member, format!("must be at least {min} characters long")));
    }
    if length > max {
        return Err(EcrError::parameter(member, format!("Member must have length less than or equal to {max}")));
    }
    Ok(())
}

/// The length of a list.
pub fn list<T>(member: &'static str, list: Option<Vec<T>>, min: usize, max: usize) -> Result<Vec<T>, EcrError> {
    let list = required(member, list)?;
    if list.len() < min {
        return Err(EcrError::parameter(member, format!("Member must have length greater than or equal to {min}")));
    }
    if list.len() > max {
        return Err(EcrError::parameter(member, format!("Member must have length less than or equal to {max}")));
    }
    Ok(list)
}

/// What is no digest at all.
pub fn digest_pattern(member: &'static str) -> EcrError {
    pattern(member, DIGEST_PATTERN)
}

/// A layer digest. One that is well-formed for the model but of a kind that cannot be stored fits no layer.
pub fn layer_digest(member: &'static str, text: &str) -> Result<Option<Digest>, EcrError> {
    if !oci::is_digest_like(text) {
        return Err(digest_pattern(member));
    }
    Ok(text.parse().ok())
}

/// What is no tag at all.
pub fn tag_pattern(member: &'static str) -> EcrError {
    pattern(member, TAG_PATTERN)
}

/// A tag to give to an image.
pub fn image_tag(member: &'static str, text: &str) -> Result<Tag, EcrError> {
    length(member, text, 1, 300)?;
    if !is_tag_like(text) {
        return Err(tag_pattern(member));
    }
    text.parse().map_err(|_| pattern(member, Tag::PATTERN))
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
pub fn uuid(member: &'static str, text: Option<String>) -> Result<uuid::Uuid, EcrError> {
    let text = required(member, text)?;
    uuid::Uuid::try_parse(&text)
        .ok()
        .filter(|_| text.len() == 36)
        .ok_or_else(|| pattern(member, "[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"))
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
    let app = call.app();
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
    length(MEMBER, text, 100, 30_720)?;
    registry::images::lifecycle::parse(text).map(drop).map_err(|error| {
        let text = format!("Lifecycle policy validation failure: {error}");
        EcrError::parameter(MEMBER, text)
    })
}

/// One value of an enumeration.
pub fn one_of<T: Copy>(
    member: &'static str,
    text: &str,
    values: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, EcrError> {
    values.iter().copied().find(|value| name(*value) == text).ok_or_else(|| {
        let names: Vec<_> = values.iter().map(|value| name(*value)).collect();
        EcrError::parameter(member, format!("Member must satisfy enum value set: [{}]", names.join(", ")))
    })
}

/// The repository that an ARN names.
pub fn repository_arn(arn: Option<String>) -> Result<(RegistryId, RepositoryName), EcrError> {
    let arn = required("resourceArn", arn)?;
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
