//! Shapes of the model that several operations share.

use std::borrow::Cow;
use std::io;

use access::request::RequestContext;
use api::protocols::operation::Call;
use aws::Timestamp;
use oci::{MediaType, TagFilter};
use registry::images::repositories::require;
use runtime::http::held_answer::SHORT_BYTES;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::images::ImageStatus;
use store::tables::kms_keys::KmsKeyArn;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::{EncryptionType, Repository as StoredRepository, RepositoryRef, TagMutability};
use store::tables::{registry_policies, repository_policies};

use super::constraints::{self, Check};
use super::errors::EcrError;
use super::image_identifiers::ImageIdentifier;

/// `Repository`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Repository {
    repository_arn: String,
    registry_id: String,
    repository_name: String,
    repository_uri: String,
    created_at: Timestamp,
    image_tag_mutability: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_tag_mutability_exclusion_filters: Vec<ExclusionFilter>,
    image_scanning_configuration: ScanningConfiguration,
    encryption_configuration: EncryptionConfiguration,
}

/// `ImageScanningConfiguration`; an empty one does not scan.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ScanningConfiguration {
    /// Whether images are scanned when they are pushed.
    #[serde(default)]
    pub scan_on_push: bool,
}

/// `EncryptionConfiguration` of an answer.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptionConfiguration {
    encryption_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms_key: Option<String>,
}

impl EncryptionConfiguration {
    /// As stored.
    pub fn new(encryption_type: EncryptionType, kms_key: Option<&KmsKeyArn>) -> Self {
        Self { encryption_type: encryption_type.as_str(), kms_key: kms_key.map(KmsKeyArn::to_string) }
    }
}

impl Repository {
    /// As the client that made this request can use it.
    pub fn new(http: &RequestContext, stored: &StoredRepository) -> Self {
        let spec = &stored.spec;
        Self {
            repository_arn: spec.registry.repository_arn(spec.name.as_str()),
            registry_id: spec.registry.account.to_string(),
            repository_name: spec.name.to_string(),
            repository_uri: http.repository_uri(&spec.registry, &spec.name),
            created_at: Timestamp::from_ms(spec.created_at_ms),
            image_tag_mutability: spec.tag_mutability.as_str(),
            image_tag_mutability_exclusion_filters: ExclusionFilter::list(&spec.tag_mutability_filters),
            image_scanning_configuration: ScanningConfiguration { scan_on_push: spec.scan_on_push },
            encryption_configuration: EncryptionConfiguration::new(spec.encryption_type, spec.kms_key.as_ref()),
        }
    }
}

/// `ImageTagMutabilityExclusionFilter`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExclusionFilter {
    filter_type: Option<String>,
    filter: Option<String>,
}

impl ExclusionFilter {
    /// The stored filters on the wire.
    pub fn list(filters: &[TagFilter]) -> Vec<Self> {
        filters
            .iter()
            .map(|filter| Self { filter_type: Some("WILDCARD".to_owned()), filter: Some(filter.to_string()) })
            .collect()
    }
}

const FILTERS: &str = "imageTagMutabilityExclusionFilters";

/// Checks a mutability mode with its filters: 1 to 5 with the modes that take them, none with the others
/// (reference/repositories-images.md 2).
pub fn tag_mutability(
    mode: Option<&str>,
    filters: Option<Vec<ExclusionFilter>>,
) -> Result<(TagMutability, Vec<TagFilter>), EcrError> {
    let mode = mode.map(mutability_mode).transpose()?.unwrap_or(TagMutability::Mutable);
    with_filters(mode, filters.map(exclusion_filters).transpose()?)
}

/// A mutability mode.
pub fn mutability_mode(text: &str) -> Result<TagMutability, EcrError> {
    Check::one_of("imageTagMutability", text, &TagMutability::ALL, TagMutability::as_str)
}

/// A mode with the filters that go with it.
pub fn with_filters(
    mode: TagMutability,
    filters: Option<Vec<TagFilter>>,
) -> Result<(TagMutability, Vec<TagFilter>), EcrError> {
    match filters {
        None if mode.takes_filters() => {
            Err(EcrError::parameter(FILTERS, format!("must be given with '{}'", mode.as_str())))
        }
        Some(_) if !mode.takes_filters() => {
            Err(EcrError::parameter(FILTERS, format!("must not be given with '{}'", mode.as_str())))
        }
        filters => Ok((mode, filters.unwrap_or_default())),
    }
}

/// Checks exclusion filters: 1 to 5.
pub fn exclusion_filters(filters: Vec<ExclusionFilter>) -> Result<Vec<TagFilter>, EcrError> {
    let filters = Check::list(FILTERS, Some(filters), 1, 5)?;
    let filters = filters.into_iter().map(|filter| {
        let kind = Check::required("filterType", filter.filter_type)?;
        Check::one_of("filterType", &kind, &["WILDCARD"], |name| name)?;
        let text = Check::required("filter", filter.filter)?;
        text.parse::<TagFilter>().map_err(|_| {
            EcrError::parameter(
                "filter",
                "must satisfy regular expression '^[0-9a-zA-Z._*-]{1,128}$' and hold at most 2 wildcards",
            )
        })
    });
    filters.collect()
}

/// The members by which operations name a repository.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryMembers {
    registry_id: Option<String>,
    repository_name: Option<String>,
}

impl RepositoryMembers {
    /// The repository that they name.
    pub fn check(self, call: &Call<'_>) -> Result<RepositoryRef, EcrError> {
        let registry = constraints::registry(call, self.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", self.repository_name)?;
        Ok(RepositoryRef { registry, name })
    }
}

/// A stored policy as ECR shows it: as it was given, but with accounts by their ARNs (reference/access.md 4).
fn shown_policy(registry: &RegistryId, text: String) -> String {
    // What cannot be read is shown as it is: whoever looks at a damaged policy wants to see it.
    iam::with_account_arns(&text, registry.region.partition().as_str()).unwrap_or(text)
}

/// A repository's policy: the output of the operations that set, show and delete it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RepositoryPolicy {
    registry_id: String,
    repository_name: String,
    policy_text: String,
}

impl RepositoryPolicy {
    /// Of a repository.
    pub fn new(repository: &RepositoryRef, policy_text: String) -> Self {
        let RepositoryRef { registry, name } = repository;
        let policy_text = shown_policy(registry, policy_text);
        Self { registry_id: registry.account.to_string(), repository_name: name.to_string(), policy_text }
    }

    /// As stored; the repository must be there and have one.
    pub fn require(tx: &mut dyn Tx, repository: &RepositoryRef) -> Result<Self, EcrError> {
        require(tx, repository)?;
        let access = repository_policies::find_access(tx, repository)?;
        match access.and_then(|access| access.policy) {
            Some(policy_text) => Ok(Self::new(repository, policy_text)),
            None => Err(EcrError::RepositoryPolicyNotFound(repository.clone())),
        }
    }
}

/// A repository's lifecycle policy: the output of the operations that show and delete it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LifecyclePolicy {
    registry_id: String,
    repository_name: String,
    lifecycle_policy_text: String,
    last_evaluated_at: Timestamp,
}

impl LifecyclePolicy {
    /// As stored.
    pub fn new(repository: &RepositoryRef, policy: store::tables::lifecycle_policies::LifecyclePolicy) -> Self {
        let RepositoryRef { registry, name } = repository;
        Self {
            registry_id: registry.account.to_string(),
            repository_name: name.to_string(),
            lifecycle_policy_text: policy.text,
            last_evaluated_at: Timestamp::from_ms(policy.last_evaluated_at_ms),
        }
    }
}

/// A registry's policy: the output of the operations that put, show and delete it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryPolicy {
    registry_id: String,
    policy_text: String,
}

impl RegistryPolicy {
    /// Of a registry.
    pub fn new(registry: &RegistryId, policy_text: String) -> Self {
        let policy_text = shown_policy(registry, policy_text);
        Self { registry_id: registry.account.to_string(), policy_text }
    }

    /// As stored; the registry must have one.
    pub fn require(tx: &mut dyn Tx, registry: &RegistryId) -> Result<Self, EcrError> {
        match registry_policies::find(tx, registry)? {
            Some(policy_text) => Ok(Self::new(registry, policy_text)),
            None => Err(EcrError::RegistryPolicyNotFound(registry.clone())),
        }
    }
}

/// `Image`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image<'a> {
    /// The registry.
    pub registry_id: String,
    /// The repository.
    pub repository_name: String,
    /// The identifier.
    pub image_id: ImageIdentifier,
    /// The manifest, exactly as pushed.
    pub image_manifest: Cow<'a, str>,
    /// Its media type.
    pub image_manifest_media_type: MediaType,
}

impl Image<'_> {
    /// How long it is as JSON, found out without making it if the manifest is long; else a bound.
    pub fn json_bytes(&self) -> serde_json::Result<u64> {
        let length = self.image_manifest.len() as u64;
        if length <= SHORT_BYTES {
            return Ok(2 * length);
        }
        let mut counted = Counted(0);
        serde_json::to_writer(&mut counted, self)?;
        Ok(counted.0)
    }
}

/// Counts what is written.
struct Counted(u64);

impl io::Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `TagStatus` and `ImageStatusFilter` of lists.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListFilter {
    tag_status: Option<String>,
    image_status: Option<String>,
}

/// A checked [`ListFilter`].
#[derive(Clone, Copy, Debug)]
pub struct CheckedFilter {
    is_tagged: Option<bool>,
    status: Option<ImageStatus>,
}

impl ListFilter {
    /// Checks the values. Without `imageStatus` only active images are listed (reference/repositories-images.md 4).
    pub fn check(self) -> Result<CheckedFilter, EcrError> {
        let is_tagged = tag_status(self.tag_status.as_deref())?;
        Ok(CheckedFilter { is_tagged, status: image_status("imageStatus", self.image_status.as_deref())? })
    }
}

impl CheckedFilter {
    /// Whether an image is to be listed.
    pub fn matches(self, is_tagged: bool, status: ImageStatus) -> bool {
        self.is_tagged.is_none_or(|asked| asked == is_tagged) && self.status.is_none_or(|asked| asked == status)
    }
}

/// `TagStatus`: none means any.
pub fn tag_status(text: Option<&str>) -> Result<Option<bool>, EcrError> {
    const VALUES: [(&str, Option<bool>); 3] = [("TAGGED", Some(true)), ("UNTAGGED", Some(false)), ("ANY", None)];
    match text {
        None => Ok(None),
        Some(text) => Ok(Check::one_of("tagStatus", text, &VALUES, |value| value.0)?.1),
    }
}

/// `ImageStatusFilter`: none means any.
pub fn image_status(member: &'static str, text: Option<&str>) -> Result<Option<ImageStatus>, EcrError> {
    let values: Vec<(&'static str, Option<ImageStatus>)> =
        ImageStatus::ALL.into_iter().map(|status| (status.as_str(), Some(status))).chain([("ANY", None)]).collect();
    match text {
        None => Ok(Some(ImageStatus::Active)),
        Some(text) => Ok(Check::one_of(member, text, &values, |value| value.0)?.1),
    }
}
