//! The errors of ECR's API, with their names and texts in one place.

use access::auth::authorize::Refusal;
use api::grammar::MAX_TAGS;
use aws::AwsError;
use oci::RepositoryPrefix;
use registry::cache::credentials::CredentialsError;
use registry::images::errors::RegistryError;
use runtime::aws_error::IntoAwsError;
use scanning::scans::ScanError;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::RepositoryRef;

use super::image_identifiers::ImageIdentifier;
use api::registry_error::{invalid_parameter, registry_error};

/// What an operation answers with instead of its output.
#[derive(Debug)]
pub enum EcrError {
    /// A member does not satisfy the model, in operations that answer `InvalidParameterException`.
    InvalidParameter {
        /// The member, spelled as ECR's message spells it.
        member: String,
        /// The constraint.
        constraint: String,
    },
    /// The same in the newer operations, which answer `ValidationException`.
    Validation {
        /// What was given; `null` if nothing was.
        value: String,
        /// The member's path.
        member: String,
        /// The constraint.
        constraint: String,
    },
    /// A resource tag that cannot be.
    InvalidTag(String),
    /// More than 50 resource tags.
    TooManyTags,
    /// DescribeImages was asked for an image that is not there; the identifier as ECR prints it.
    DescribedImageNotFound {
        /// The digest asked for.
        digest: Option<String>,
        /// The tag asked for.
        tag: Option<String>,
        /// Where.
        repository: RepositoryRef,
    },
    /// The repository has no policy.
    RepositoryPolicyNotFound(RepositoryRef),
    /// The repository has no lifecycle policy.
    LifecyclePolicyNotFound(RepositoryRef),
    /// No preview of a lifecycle policy was started for the repository.
    LifecyclePolicyPreviewNotFound(RepositoryRef),
    /// A preview of a lifecycle policy is being made for the repository.
    LifecyclePolicyPreviewInProgress(RepositoryRef),
    /// The registry has no policy.
    RegistryPolicyNotFound(RegistryId),
    /// There is a creation template for the prefix.
    TemplateAlreadyExists(RegistryId, RepositoryPrefix),
    /// There is no creation template for the prefix.
    TemplateNotFound(RegistryId, RepositoryPrefix),
    /// A registry can have so many creation templates.
    TooManyTemplates,
    /// The principal's pulls are left out already.
    ExclusionAlreadyExists(RegistryId, String),
    /// The principal's pulls are not left out.
    ExclusionNotFound(RegistryId, String),
    /// The pulls of at most so many principals can be left out.
    TooManyExclusions(usize),
    /// An upload may have at most so many parts.
    TooManyParts(u64),
    /// A region may be filled by one back-fill at a time.
    BackfillInProgress(aws::Region),
    /// A registry may have at most so many back-fills in progress.
    TooManyBackfills(usize),
    /// The registry has no such back-fill.
    BackfillNotFound(RegistryId, uuid::Uuid),
    /// The back-fill has ended; with its status.
    BackfillEnded(uuid::Uuid, &'static str),
    /// The answer would hold more bytes of manifests than one may.
    AnswerTooLarge(usize),
    /// There is a rule for the prefix.
    PullThroughCacheRuleAlreadyExists(RepositoryPrefix, RegistryId),
    /// There is no rule for the prefix.
    PullThroughCacheRuleNotFound(RepositoryPrefix, RegistryId),
    /// A registry may have at most so many rules.
    TooManyPullThroughCacheRules(i64),
    /// A rule may not name that upstream; says why.
    UnsupportedUpstreamRegistry(String),
    /// An update of a rule that changes nothing.
    NoCredentialToUpdate,
    /// An image that the upstream has cannot be taken; says why.
    UnableToGetUpstreamImage(String),
    /// A layer that is still upstream cannot be had; says why.
    UnableToGetUpstreamLayer(String),
    /// The upstream does not say what refers to an image; says why.
    UnableToListUpstreamImageReferrers(String),
    /// What only basic scanning has, in a registry with enhanced scanning.
    ScanningDisabled,
    /// The image was never scanned.
    ScanNotFound(ImageIdentifier, RepositoryRef),
    /// The image cannot be scanned, as it is none that is run.
    UnsupportedImageType,
    /// The image was scanned within the last day.
    ScanQuotaExceeded,
    /// The image is archived.
    ImageArchived(ImageIdentifier, RepositoryRef),
    /// The secret of a rule cannot be used.
    Credentials(CredentialsError),
    /// The caller may not do it to what the request turns out to be about; with the text that says so.
    Denied(String),
    /// What the API and `/v2/` can both refuse.
    Registry(RegistryError),
}

impl EcrError {
    /// An `InvalidParameterException`.
    pub fn parameter(member: impl Into<String>, constraint: impl Into<String>) -> Self {
        Self::InvalidParameter { member: member.into(), constraint: constraint.into() }
    }

    /// Of what keeps an image from being scanned, or its scan from being told of; with how the image was named.
    pub fn of_scan(error: ScanError, id: &ImageIdentifier, repository: &RepositoryRef) -> Self {
        let (id, repository) = (id.clone(), repository.clone());
        match error {
            ScanError::ImageNotFound => {
                Self::DescribedImageNotFound { digest: id.image_digest, tag: id.image_tag, repository }
            }
            ScanError::Archived => Self::ImageArchived(id, repository),
            ScanError::Unsupported => Self::UnsupportedImageType,
            ScanError::Disabled => Self::ScanningDisabled,
            ScanError::QuotaUsedUp => Self::ScanQuotaExceeded,
            ScanError::NotScanned => Self::ScanNotFound(id, repository),
            ScanError::Registry(error) => (*error).into(),
        }
    }

    /// A `ValidationException`.
    pub fn validation(member: impl Into<String>, value: Option<&str>, constraint: impl Into<String>) -> Self {
        let value = value.map_or_else(|| "null".to_owned(), |value| format!("'{value}'"));
        Self::Validation { value, member: member.into(), constraint: constraint.into() }
    }
}

impl From<RegistryError> for EcrError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<StoreError> for EcrError {
    fn from(error: StoreError) -> Self {
        Self::Registry(error.into())
    }
}

impl From<Refusal> for EcrError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Denied(message) => Self::Denied(message),
            Refusal::Store(error) => error.into(),
        }
    }
}

impl From<access::kms::KmsError> for EcrError {
    fn from(error: access::kms::KmsError) -> Self {
        Self::Registry(error.into())
    }
}

impl From<CredentialsError> for EcrError {
    fn from(error: CredentialsError) -> Self {
        Self::Credentials(error)
    }
}

/// An identifier as ECR's texts have it.
fn printed(id: &ImageIdentifier) -> String {
    let or_null = |text: &Option<String>| text.clone().unwrap_or_else(|| "null".to_owned());
    format!("{{imageDigest:'{}', imageTag:'{}'}}", or_null(&id.image_digest), or_null(&id.image_tag))
}

impl IntoAwsError for EcrError {
    fn into_aws_error(self, request_id: uuid::Uuid) -> AwsError {
        match self {
            Self::InvalidParameter { member, constraint } => invalid_parameter(&member, &constraint),
            Self::Validation { value, member, constraint } => AwsError::new(
                "ValidationException",
                format!(
                    "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}"
                ),
            ),
            Self::InvalidTag(message) => AwsError::new("InvalidTagParameterException", message),
            Self::TooManyTags => {
                AwsError::new("TooManyTagsException", format!("A repository can have at most {MAX_TAGS} tags"))
            }
            Self::DescribedImageNotFound { digest, tag, repository } => AwsError::new(
                "ImageNotFoundException",
                format!(
                    "The image with imageId {} does not exist within the repository with name '{}' in the registry with id '{}'",
                    printed(&ImageIdentifier { image_digest: digest, image_tag: tag }),
                    repository.name,
                    repository.registry.account
                ),
            ),
            Self::RepositoryPolicyNotFound(repository) => AwsError::new(
                "RepositoryPolicyNotFoundException",
                format!(
                    "Repository policy does not exist for the repository with name '{}' in the registry with id '{}'",
                    repository.name, repository.registry.account
                ),
            ),
            Self::LifecyclePolicyNotFound(repository) => AwsError::new(
                "LifecyclePolicyNotFoundException",
                format!(
                    "Lifecycle policy does not exist for the repository with name '{}' in the registry with id '{}'",
                    repository.name, repository.registry.account
                ),
            ),
            Self::LifecyclePolicyPreviewNotFound(repository) => AwsError::new(
                "LifecyclePolicyPreviewNotFoundException",
                format!(
                    "Lifecycle policy preview does not exist for the repository with name '{}' in the registry with id '{}'",
                    repository.name, repository.registry.account
                ),
            ),
            Self::LifecyclePolicyPreviewInProgress(repository) => AwsError::new(
                "LifecyclePolicyPreviewInProgressException",
                format!(
                    "Lifecycle policy preview is in progress for the repository with name '{}' in the registry with id '{}'",
                    repository.name, repository.registry.account
                ),
            ),
            Self::RegistryPolicyNotFound(registry) => AwsError::new(
                "RegistryPolicyNotFoundException",
                format!("Registry policy does not exist in the registry with id '{}'", registry.account),
            ),
            Self::BackfillInProgress(region) => AwsError::new(
                "ReplicationBackfillInProgressException",
                format!("A replication backfill for the destination region '{region}' is already in progress"),
            ),
            Self::TooManyBackfills(limit) => AwsError::new(
                "LimitExceededException",
                format!("A registry can have at most {limit} replication backfills in progress"),
            ),
            Self::BackfillNotFound(registry, id) => AwsError::new(
                "ReplicationBackfillNotFoundException",
                format!(
                    "The replication backfill with id '{id}' does not exist in the registry with id '{}'",
                    registry.account
                ),
            ),
            Self::BackfillEnded(id, status) => AwsError::new(
                "ReplicationBackfillInvalidStatusException",
                format!("The replication backfill with id '{id}' cannot be stopped: its status is {status}"),
            ),
            Self::TemplateAlreadyExists(registry, prefix) => AwsError::new(
                "TemplateAlreadyExistsException",
                format!(
                    "The repository creation template with prefix '{prefix}' already exists in the registry with id '{}'",
                    registry.account
                ),
            ),
            Self::TemplateNotFound(registry, prefix) => AwsError::new(
                "TemplateNotFoundException",
                format!(
                    "The repository creation template with prefix '{prefix}' does not exist in the registry with id '{}'",
                    registry.account
                ),
            ),
            Self::TooManyTemplates => AwsError::new(
                "LimitExceededException",
                format!(
                    "A registry can have at most {} repository creation templates",
                    super::creation_templates::MAX_TEMPLATES
                ),
            ),
            Self::ExclusionAlreadyExists(registry, arn) => AwsError::new(
                "ExclusionAlreadyExistsException",
                format!(
                    "The pull time update exclusion for principal '{arn}' already exists in the registry with id '{}'",
                    registry.account
                ),
            ),
            Self::ExclusionNotFound(registry, arn) => AwsError::new(
                "ExclusionNotFoundException",
                format!(
                    "The pull time update exclusion for principal '{arn}' does not exist in the registry with id '{}'",
                    registry.account
                ),
            ),
            Self::TooManyExclusions(limit) => AwsError::new(
                "LimitExceededException",
                format!("A registry can have at most {limit} pull time update exclusions"),
            ),
            Self::TooManyParts(limit) => AwsError::new(
                "LimitExceededException",
                format!("An upload can have at most {limit} parts, which is the quota 'Layer parts'"),
            ),
            Self::AnswerTooLarge(limit) => AwsError::new(
                "LimitExceededException",
                format!("The manifests have more than {limit} bytes together. Ask for fewer images at once."),
            ),
            Self::PullThroughCacheRuleAlreadyExists(prefix, registry) => AwsError::new(
                "PullThroughCacheRuleAlreadyExistsException",
                format!(
                    "A pull through cache rule with prefix '{prefix}' already exists in the registry with id '{}'",
                    registry.account
                ),
            ),
            Self::PullThroughCacheRuleNotFound(prefix, registry) => AwsError::new(
                "PullThroughCacheRuleNotFoundException",
                format!(
                    "The pull through cache rule with prefix '{prefix}' does not exist in the registry with id '{}'",
                    registry.account
                ),
            ),
            Self::TooManyPullThroughCacheRules(limit) => AwsError::new(
                "LimitExceededException",
                format!("A registry can have at most {limit} pull through cache rules"),
            ),
            Self::UnsupportedUpstreamRegistry(text) => AwsError::new("UnsupportedUpstreamRegistryException", text),
            Self::NoCredentialToUpdate => AwsError::new(
                "InvalidParameterException",
                "Invalid input: Please set either credential arn or role arn to update the credential",
            ),
            Self::UnableToGetUpstreamImage(text) => AwsError::new("UnableToGetUpstreamImageException", text),
            Self::UnableToGetUpstreamLayer(text) => AwsError::new("UnableToGetUpstreamLayerException", text),
            Self::UnableToListUpstreamImageReferrers(text) => {
                AwsError::new("UnableToListUpstreamImageReferrersException", text)
            }
            Self::ScanningDisabled => AwsError::new("ValidationException", "This feature is disabled"),
            Self::ScanNotFound(id, repository) => AwsError::new(
                "ScanNotFoundException",
                format!(
                    "Image scan does not exist for the image with '{}' in the repository with name '{}' in the registry with id '{}'",
                    printed(&id),
                    repository.name,
                    repository.registry.account
                ),
            ),
            Self::UnsupportedImageType => {
                AwsError::new("UnsupportedImageTypeException", "The image is of a type that cannot be scanned")
            }
            Self::ScanQuotaExceeded => AwsError::new(
                "LimitExceededException",
                "The scan quota per image has been exceeded. Wait and try again.",
            ),
            Self::ImageArchived(id, repository) => AwsError::new(
                "ImageArchivedException",
                format!(
                    "The image with imageId {} within the repository with name '{}' in the registry with id '{}' is archived. Restore it before scanning it.",
                    printed(&id),
                    repository.name,
                    repository.registry.account
                ),
            ),
            Self::Credentials(error) => match error {
                CredentialsError::NotFound(_) => AwsError::new("SecretNotFoundException", error.to_string()),
                CredentialsError::NotAccessible(_) | CredentialsError::BoundElsewhere { .. } => {
                    AwsError::new("UnableToAccessSecretException", error.to_string())
                }
                CredentialsError::NotReadable(_) | CredentialsError::Unclear { .. } => {
                    AwsError::new("UnableToDecryptSecretValueException", error.to_string())
                }
                CredentialsError::Store(error) => registry_error(error.into(), request_id),
            },
            Self::Denied(message) => AwsError::new("AccessDeniedException", message),
            Self::Registry(error) => registry_error(error, request_id),
        }
    }
}
