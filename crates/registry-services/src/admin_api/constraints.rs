//! Checks of members that several operations share, with the texts that Wharf's own API answers.

use api::grammar::{self, Violation, Wording};
use api::paging::ListWording;
use api::protocols::operation::Call;
use oci::{RepositoryName, Tag};
use registry::images::pull::Selector;
use serde::Deserialize;
use store::tables::image_protections::ProtectionTarget;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::RepositoryRef;

use super::errors::WharfError;
use super::shapes::ImageId;

/// As many images as ECR's operations take at once.
const MAX_IMAGES: usize = 100;

/// As many entries as a page has unless the caller says.
pub const DEFAULT_RESULTS: usize = 100;
/// The most entries of a page.
pub const MAX_RESULTS: i64 = 1_000;

/// The words of Wharf's own API.
#[derive(Debug)]
pub struct Words;

/// Checks with these words.
pub type Check = grammar::Check<Words>;

impl Wording for Words {
    type Error = WharfError;

    fn refuse(member: &str, _: Option<&str>, violation: Violation<'_>) -> WharfError {
        let rule = match violation {
            Violation::Missing => "must be given".to_owned(),
            Violation::TooShort(bounds) | Violation::TooLong(bounds) => {
                format!("must have {} to {} characters", bounds.min, bounds.max)
            }
            Violation::TooMany(bounds) if bounds.min == 0 => format!("must have at most {} entries", bounds.max),
            Violation::TooFew(bounds) | Violation::TooMany(bounds) => {
                format!("must have {} to {} entries", bounds.min, bounds.max)
            }
            Violation::TooSmall(bounds) | Violation::TooLarge(bounds) => {
                format!("must be {} to {}", bounds.min, bounds.max)
            }
            Violation::Pattern(pattern) => format!("must satisfy regular expression '{pattern}'"),
            Violation::NotOneOf(values) => format!("must be one of {}", values.join(", ")),
        };
        WharfError::validation(member, rule)
    }
}

impl ListWording for Words {
    const LIMIT: &'static str = "maxResults";

    fn refuse_token(_: &str) -> WharfError {
        WharfError::validation("nextToken", "must be one that this operation answered")
    }
}

/// The registry that a call is about: of the `registryId` member, or the caller's own.
pub fn registry(call: &Call<'_>, registry_id: Option<&str>) -> Result<RegistryId, WharfError> {
    let account = match registry_id {
        None => call.caller.account,
        Some(text) => text.parse().map_err(|_| WharfError::validation("registryId", "must have 12 digits"))?,
    };
    Ok(RegistryId { account, region: call.caller.region.clone() })
}

/// A repository's name.
pub fn repository_name(text: &str) -> Result<RepositoryName, WharfError> {
    Check::parsed("repositoryName", text, RepositoryName::PATTERN)
}

/// The repository that a call is about.
pub fn repository(
    call: &Call<'_>,
    registry_id: Option<&str>,
    repository_name: Option<&str>,
) -> Result<RepositoryRef, WharfError> {
    let name = Check::required("repositoryName", repository_name)?;
    Ok(RepositoryRef { registry: registry(call, registry_id)?, name: self::repository_name(name)? })
}

/// The images that a call names.
pub fn image_ids(ids: Option<Vec<ImageId>>) -> Result<Vec<(ImageId, Selector)>, WharfError> {
    let ids = ids.unwrap_or_default();
    if !(1..=MAX_IMAGES).contains(&ids.len()) {
        return Err(WharfError::validation("imageIds", format!("must have 1 to {MAX_IMAGES} images")));
    }
    ids.into_iter().map(|id| selector("imageIds", &id).map(|selector| (id, selector))).collect()
}

/// The image that `member` names.
pub fn selector(member: &str, id: &ImageId) -> Result<Selector, WharfError> {
    let digest = id.image_digest.as_deref().map(str::parse).transpose().map_err(|_| {
        WharfError::validation(member, "must have digests such as 'sha256:' and 64 lower-case hex digits")
    })?;
    let tag = id.image_tag.as_deref().map(str::parse).transpose();
    let tag =
        tag.map_err(|_| WharfError::validation(member, format!("must have tags that satisfy '{}'", Tag::PATTERN)))?;
    match (tag, digest) {
        (Some(tag), Some(digest)) => Ok(Selector::Both(tag, digest)),
        (Some(tag), None) => Ok(Selector::Tag(tag)),
        (None, Some(digest)) => Ok(Selector::Digest(digest)),
        (None, None) => Err(WharfError::validation(member, "must have 'imageDigest', 'imageTag' or both in each")),
    }
}

/// The members by which operations name what is protected.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProtectionMembers {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_tag_pattern: Option<String>,
    image_digest: Option<String>,
}

impl ProtectionMembers {
    /// What they name.
    pub fn check(self, call: &Call<'_>) -> Result<(RepositoryRef, ProtectionTarget), WharfError> {
        let place = repository(call, self.registry_id.as_deref(), self.repository_name.as_deref())?;
        let target = match (self.image_tag_pattern, self.image_digest) {
            (None, None) => ProtectionTarget::Repository,
            (Some(pattern), None) => {
                ProtectionTarget::Tags(pattern.parse().map_err(|error: oci::TagFilterError| {
                    WharfError::validation("imageTagPattern", error.to_string())
                })?)
            }
            (None, Some(digest)) => ProtectionTarget::Digest(digest.parse().map_err(|_| {
                WharfError::validation("imageDigest", "must be 'sha256:' and 64 lower-case hex digits")
            })?),
            (Some(_), Some(_)) => {
                return Err(WharfError::validation("imageDigest", "cannot be given together with 'imageTagPattern'"));
            }
        };
        Ok((place, target))
    }
}

#[cfg(test)]
mod tests {
    use api::paging::List;
    use runtime::aws_error::IntoAwsError;

    use super::*;

    fn said<T>(result: Result<T, WharfError>) -> String {
        let error = result.err().expect("refused").into_aws_error(uuid::Uuid::nil());
        format!("{}: {}", error.code, error.message)
    }

    #[test]
    fn texts() {
        for (given, text) in [
            (said(Check::required::<()>("m", None)), "'m' must be given"),
            (said(Check::length("m", "a", 2, 3)), "'m' must have 2 to 3 characters"),
            (said(Check::count("m", 3, 0, 2)), "'m' must have at most 2 entries"),
            (said(Check::count("m", 3, 1, 2)), "'m' must have 1 to 2 entries"),
            (said(Check::number("m", -1, 0, 60)), "'m' must be 0 to 60"),
            (said(Check::limit(Some(1001), DEFAULT_RESULTS, MAX_RESULTS)), "'maxResults' must be 1 to 1000"),
            (said(Check::pattern("m", "a", "[0-9]+", false)), "'m' must satisfy regular expression '[0-9]+'"),
            (said(Check::one_of("m", "c", &["A", "B"], |name| name)), "'m' must be one of A, B"),
            (
                said(Check::place::<String>(&List::Any, Some("?"))),
                "'nextToken' must be one that this operation answered",
            ),
        ] {
            assert_eq!(given, format!("ValidationException: {text}"));
        }
    }
}
