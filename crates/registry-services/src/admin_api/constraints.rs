//! Checks of members that several operations share.

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
    let rule = || format!("must satisfy regular expression '{}'", RepositoryName::PATTERN);
    text.parse().map_err(|_| WharfError::validation("repositoryName", rule()))
}

/// The repository that a call is about.
pub fn repository(
    call: &Call<'_>,
    registry_id: Option<&str>,
    repository_name: Option<&str>,
) -> Result<RepositoryRef, WharfError> {
    let name = repository_name.ok_or_else(|| WharfError::validation("repositoryName", "must be given"))?;
    Ok(RepositoryRef { registry: registry(call, registry_id)?, name: self::repository_name(name)? })
}

/// The images that a call names.
pub fn image_ids(ids: Option<Vec<ImageId>>) -> Result<Vec<(ImageId, Selector)>, WharfError> {
    let ids = ids.unwrap_or_default();
    if !(1..=MAX_IMAGES).contains(&ids.len()) {
        return Err(WharfError::validation("imageIds", format!("must have 1 to {MAX_IMAGES} images")));
    }
    ids.into_iter().map(|id| selector(&id).map(|selector| (id, selector))).collect()
}

fn selector(id: &ImageId) -> Result<Selector, WharfError> {
    let digest = id.image_digest.as_deref().map(str::parse).transpose().map_err(|_| {
        WharfError::validation("imageIds", "must have digests such as 'sha256:' and 64 lower-case hex digits")
    })?;
    let tag = id.image_tag.as_deref().map(str::parse).transpose();
    let tag =
        tag.map_err(|_| WharfError::validation("imageIds", format!("must have tags that satisfy '{}'", Tag::PATTERN)))?;
    match (tag, digest) {
        (Some(tag), Some(digest)) => Ok(Selector::Both(tag, digest)),
        (Some(tag), None) => Ok(Selector::Tag(tag)),
        (None, Some(digest)) => Ok(Selector::Digest(digest)),
        (None, None) => Err(WharfError::validation("imageIds", "must have 'imageDigest', 'imageTag' or both in each")),
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
