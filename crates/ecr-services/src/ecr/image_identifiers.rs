//! How operations name images, and why one cannot be meant or found.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::tag_rights;
use api::protocols::operation::Call;
use oci::Digest;
use registry::images::errors::IMAGE_INACCESSIBLE;
use registry::images::pull::{NoImage, Selector, find_image};
use registry::images::repositories::reference;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::images::Image;
use store::tables::repositories::{Repository, RepositoryRef};

use super::constraints::{self, Check};
use super::errors::EcrError;

const NEITHER: &str = "Invalid request parameters: both tag and digest cannot be null";

/// `ImageIdentifier`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIdentifier {
    /// The digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_digest: Option<String>,
    /// A tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_tag: Option<String>,
}

/// The permissions that a request for these images needs: one for each tag that it names, and one for the rest.
pub fn needs_of_images(action: Action, place: &RepositoryRef, ids: &[ImageIdentifier]) -> Vec<Need> {
    tag_rights::needs(action, place, ids.iter().map(|id| id.image_tag.as_deref()))
}

impl ImageIdentifier {
    /// Of a known image.
    pub fn new(digest: &Digest, tag: Option<String>) -> Self {
        Self { image_digest: Some(digest.to_string()), image_tag: tag }
    }

    /// Which image is meant; otherwise the failure that says why none can be.
    pub fn selector(&self) -> Result<Selector, ImageFailure> {
        let fail = |code, reason: &str| Err(ImageFailure::new(self.clone(), code, reason));
        let digest = match self.image_digest.as_deref() {
            None => None,
            Some(text) if !oci::is_digest_like(text) => {
                let rule = constraints::DIGEST_PATTERN;
                let reason = format!("Invalid request parameters: image digest should satisfy the regex '{rule}'");
                return fail("InvalidImageDigest", &reason);
            }
            // Well-formed for the model, but of no algorithm that an image can have.
            Some(text) => match text.parse::<Digest>() {
                Ok(digest) => Some(digest),
                Err(_) => return Err(ImageFailure::absent(self.clone(), NoImage::NotFound)),
            },
        };
        let tag = match self.image_tag.as_deref() {
            None => None,
            Some(text) if !constraints::is_tag_like(text) => {
                let rule = constraints::TAG_PATTERN;
                let reason = format!("Invalid request parameters: image tag should satisfy the regex '{rule}'");
                return fail("InvalidImageTag", &reason);
            }
            // Well-formed for ECR, but no image can have it.
            Some(text) => match text.parse() {
                Ok(tag) => Some(tag),
                Err(_) => return Err(ImageFailure::absent(self.clone(), NoImage::NotFound)),
            },
        };
        match (tag, digest) {
            (Some(tag), Some(digest)) => Ok(Selector::Both(tag, digest)),
            (Some(tag), None) => Ok(Selector::Tag(tag)),
            (None, Some(digest)) => Ok(Selector::Digest(digest)),
            (None, None) => fail("MissingDigestAndTag", NEITHER),
        }
    }
}

impl ImageIdentifier {
    /// Which image is meant, in operations that fail as a whole; none if no image can have the identifier. Refuses one
    /// that says nothing, and one that is malformed.
    pub fn check(&self, member: &'static str) -> Result<Option<Selector>, EcrError> {
        if self.image_digest.is_none() && self.image_tag.is_none() {
            return Err(EcrError::parameter(member, NEITHER));
        }
        if let Some(digest) = &self.image_digest {
            Check::pattern("imageDigest", digest, constraints::DIGEST_PATTERN, oci::is_digest_like(digest))?;
        }
        if let Some(tag) = &self.image_tag {
            constraints::tag_like("imageTag", tag)?;
        }
        Ok(self.selector().ok())
    }

    /// The image that it means, of which there must be one: `selector` is its own, or none if no image can have it.
    pub fn require_image(
        &self,
        tx: &mut dyn Tx,
        repository: &Repository,
        selector: Option<&Selector>,
    ) -> Result<Image, EcrError> {
        let found = match selector {
            Some(selector) => find_image(tx, repository.id, selector)?.ok(),
            None => None,
        };
        found.ok_or_else(|| EcrError::DescribedImageNotFound {
            digest: self.image_digest.clone(),
            tag: self.image_tag.clone(),
            repository: reference(repository),
        })
    }
}

/// The one image that a request is about, in operations that fail as a whole.
#[derive(Clone)]
pub struct NamedImage {
    /// Its repository.
    pub place: RepositoryRef,
    /// As it was named.
    pub id: ImageIdentifier,
    /// None if no image can have that identifier.
    pub selector: Option<Selector>,
}

impl NamedImage {
    /// Checks the members `registryId`, `repositoryName` and `imageId`.
    pub fn check(
        call: &Call<'_>,
        registry_id: Option<&str>,
        repository_name: Option<String>,
        image_id: Option<ImageIdentifier>,
    ) -> Result<Self, EcrError> {
        let registry = constraints::registry(call, registry_id)?;
        let name = constraints::repository_name("repositoryName", repository_name)?;
        let id = Check::required("imageId", image_id)?;
        let selector = id.check("imageId")?;
        Ok(Self { place: RepositoryRef { registry, name }, id, selector })
    }

    /// The image that is meant, of which there must be one.
    pub fn require_image(&self, tx: &mut dyn Tx, repository: &Repository) -> Result<Image, EcrError> {
        self.id.require_image(tx, repository, self.selector.as_ref())
    }
}

/// Checks the `imageIds` member.
pub fn image_ids(ids: Option<Vec<ImageIdentifier>>) -> Result<Vec<ImageIdentifier>, EcrError> {
    let ids = Check::list("imageIds", ids, 1, 100)?;
    for tag in ids.iter().filter_map(|id| id.image_tag.as_deref()) {
        Check::length("imageTag", tag, 1, 300)?;
    }
    Ok(ids)
}

/// `ImageFailure`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageFailure {
    image_id: ImageIdentifier,
    failure_code: &'static str,
    failure_reason: String,
}

impl ImageFailure {
    /// With a code of `ImageFailureCode`.
    pub fn new(image_id: ImageIdentifier, failure_code: &'static str, reason: impl Into<String>) -> Self {
        Self { image_id, failure_code, failure_reason: reason.into() }
    }

    /// For an image that cannot be found.
    pub fn absent(image_id: ImageIdentifier, absent: NoImage) -> Self {
        match absent {
            NoImage::NotFound => Self::new(image_id, "ImageNotFound", "Requested image not found"),
            NoImage::TagDoesNotMatchDigest => Self::new(
                image_id,
                "ImageTagDoesNotMatchDigest",
                "The given image tag does not point at the given image digest",
            ),
            NoImage::Kms(reason) => Self::new(image_id, "KmsError", reason),
            NoImage::Inaccessible => Self::new(image_id, "ImageInaccessible", IMAGE_INACCESSIBLE),
        }
    }
}
