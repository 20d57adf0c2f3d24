//! CreateRepository: makes a repository.

use access::action::Action;
use access::auth::authorize::{self, Need, Resource};
use access::kms::aws_managed::{self, ECR_ALIAS};
use access::kms::{self, KmsError};
use api::grammar::Tag;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryName;
use registry::images::changes::Cause;
use registry::images::{encryption, repositories};
use serde::{Deserialize, Serialize};
use store::tables::kms_keys::{self, KeyRef, KmsKeyArn};
use store::tables::registry_id::RegistryId;
use store::tables::repositories::{EncryptionType, NewRepository};

use super::constraints::{self, Check};
use super::errors::EcrError;
use super::shapes::{self, ExclusionFilter, Repository, ScanningConfiguration};

/// Makes a repository with its settings and tags, and the grants on its KMS key if it has one.
pub struct CreateRepository;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    tags: Option<Vec<Tag>>,
    image_tag_mutability: Option<String>,
    image_tag_mutability_exclusion_filters: Option<Vec<ExclusionFilter>>,
    image_scanning_configuration: Option<ScanningConfiguration>,
    encryption_configuration: Option<EncryptionConfiguration>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EncryptionConfiguration {
    encryption_type: Option<String>,
    kms_key: Option<String>,
}

#[derive(Serialize)]
pub struct Output {
    repository: Repository,
}

/// The type, and which KMS key where it wants one.
fn check_encryption(
    registry: &RegistryId,
    configuration: Option<EncryptionConfiguration>,
) -> Result<(EncryptionType, Option<KeyRef>), EcrError> {
    let Some(configuration) = configuration else { return Ok((EncryptionType::Aes256, None)) };
    let given = Check::required("encryptionType", configuration.encryption_type)?;
    let encryption_type = Check::one_of("encryptionType", &given, &EncryptionType::ALL, EncryptionType::as_str)?;
    if let Some(key) = &configuration.kms_key {
        Check::length("kmsKey", key, 1, 2048)?;
        if encryption_type == EncryptionType::Aes256 {
            return Err(EcrError::parameter("kmsKey", "must not be given with encryptionType 'AES256'"));
        }
    }
    if encryption_type == EncryptionType::Aes256 {
        return Ok((encryption_type, None));
    }
    let key = configuration.kms_key.unwrap_or_else(|| ECR_ALIAS.to_owned());
    Ok((encryption_type, Some(kms::key_ref(registry.account, &registry.region, &key)?)))
}

/// The key's ARN, if the caller may have ECR use it and it can be used.
async fn require_key(call: &Call<'_>, key: &KeyRef, registry: &RegistryId, name: &str) -> Result<KmsKeyArn, EcrError> {
    if key.name == ECR_ALIAS {
        aws_managed::require(call.app, key).await?;
    }
    // The key itself is decided on and taken: an alias may lead to another one a moment later.
    let (named, app) = (key.clone(), call.app);
    let behind = app.db.read_point(move |tx| kms_keys::find(tx, &named)).await?;
    let pinned = behind.as_ref().map(|found| KeyRef { name: found.key_id.to_string(), ..key.clone() });
    for need in encryption::needs_on_key(key, registry, name) {
        let need = Need { resource: Resource::Key(pinned.as_ref().unwrap_or(key).clone()), ..need };
        let allowed = authorize::authorize(call.http, &call.caller, &need).await;
        allowed.map_err(KmsError::from)?;
    }
    // What was not there has not been decided on, whatever has come under its name since.
    let pinned = pinned.ok_or_else(|| KmsError::NotFound(key.clone()))?;
    let found = aws_managed::require(app, &pinned).await?;
    match KmsError::of_state(&found) {
        Some(error) => Err(error.into()),
        None => Ok(found.arn()),
    }
}

impl Operation for CreateRepository {
    const NAME: &'static str = "CreateRepository";
    const ACTION: Action = Action::EcrCreateRepository;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = (NewRepository, Option<KeyRef>, Vec<(String, String)>);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name: RepositoryName = constraints::repository_name("repositoryName", input.repository_name)?;
        let (tag_mutability, tag_mutability_filters) = shapes::tag_mutability(
            input.image_tag_mutability.as_deref(),
            input.image_tag_mutability_exclusion_filters,
        )?;
        let (encryption_type, key) = check_encryption(&registry, input.encryption_configuration)?;
        let new = NewRepository {
            registry,
            name,
            created_at_ms: call.app.now_ms(),
            tag_mutability,
            tag_mutability_filters,
            scan_on_push: input.image_scanning_configuration.unwrap_or_default().scan_on_push,
            encryption_type,
            kms_key: None,
        };
        Ok((new, key, Check::tags(input.tags)?))
    }

    fn needs(_: &Call<'_>, (new, _, tags): &Self::Checked) -> Vec<Need> {
        let need = |action| Need::on_repository(action, &new.registry, new.name.as_str()).with_request_tags(tags);
        // reference/access.md 1: with tags it is TagResource as well.
        let tagging = (!tags.is_empty()).then(|| need(Action::EcrTagResource));
        std::iter::once(need(Self::ACTION)).chain(tagging).collect()
    }

    async fn run(call: &Call<'_>, (mut new, key, tags): Self::Checked) -> Result<Output, EcrError> {
        if let Some(key) = key {
            new.kms_key = Some(require_key(call, &key, &new.registry, new.name.as_str()).await?);
        }
        let cause = Cause { at_ms: new.created_at_ms, ..Cause::of_caller(call.app, &call.caller) };
        let quota = call.app.quotas.repositories;
        let created = call.app.db.write(move |tx| repositories::create(tx, &new, &tags, quota, &cause)).await?;
        Ok(Output { repository: Repository::new(call.http, &created) })
    }
}
