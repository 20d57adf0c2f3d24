//! RestoreImage: brings deleted images and tags back.

use std::collections::BTreeSet;
use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::{self, Need};
use access::auth::tag_rights::{self, TagChange, TagRights, Undone};
use access::kms::{self, KmsError};
use api::protocols::operation::{Call, Operation};
use registry::images::changes::Cause;
use registry::images::encryption;
use registry::images::errors::RegistryError;
use registry::images::pull::Selector;
use registry::images::quotas::Quotas;
use registry::images::restore::{self, NotRestored, Restored, TagNotRestored};
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::kms_keys::KmsKeyArn;
use store::tables::repositories::{self, RepositoryRef};

use super::errors::WharfError;
use super::guards::{Guards, READ};
use super::shapes::ImageId;
use super::{constraints, dry_run};

/// What a repository that is deleted can deny beside this operation: giving images, and reading them where its policy does not
/// come back with it.
const PUSH: Action = Action::EcrPutImage;
/// The status of an image that was not there.
const RESTORED: &str = "RESTORED";

/// Brings deleted images and tags back, or in a dry run tells which it would bring back.
pub struct RestoreImage;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_ids: Option<Vec<ImageId>>,
    create_repository: Option<bool>,
    dry_run: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    restored_images: Vec<RestoredImage>,
    failures: Vec<Failure>,
    is_repository_created: bool,
    dry_run: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RestoredImage {
    image_digest: String,
    /// `RESTORED`, or `PRESENT` where the image was there and only tags came back.
    status: &'static str,
    restored_tags: Vec<String>,
    tags_not_restored: Vec<TagFailure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TagFailure {
    image_tag: String,
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    image_id: ImageId,
    failure_code: &'static str,
    failure_reason: String,
}

impl From<Restored> for RestoredImage {
    fn from(restored: Restored) -> Self {
        let failure = |(tag, why): (oci::Tag, TagNotRestored)| TagFailure {
            image_tag: tag.to_string(),
            reason: match why {
                TagNotRestored::Taken(holder) => format!("it points at {holder} now"),
                TagNotRestored::TooManyTags => "the image has as many tags as it can".to_owned(),
            },
        };
        Self {
            image_digest: restored.digest.to_string(),
            status: if restored.is_new { RESTORED } else { "PRESENT" },
            restored_tags: restored.tags.iter().map(ToString::to_string).collect(),
            tags_not_restored: restored.other_tags.into_iter().map(failure).collect(),
        }
    }
}

impl Failure {
    fn new(image_id: ImageId, why: NotRestored) -> Self {
        let (failure_code, failure_reason) = match why {
            NotRestored::NotFound => (
                "ImageNotFound",
                "It is not among the deleted images: it never was there, was purged, or its time is over".to_owned(),
            ),
            NotRestored::ChildrenGone(digests) => {
                let digests: Vec<String> = digests.iter().map(ToString::to_string).collect();
                let reason = format!("The list names images that can no longer be restored: [{}]", digests.join(", "));
                ("ReferencedImagesNotFound", reason)
            }
            NotRestored::OtherEncryption { image, repository } => (
                "EncryptionDiffers",
                format!(
                    "The image is encrypted with {image}, but the repository of that name now is with {repository}"
                ),
            ),
        };
        Self { image_id, failure_code, failure_reason }
    }
}

/// The input, validated.
pub struct Checked {
    place: RepositoryRef,
    images: Vec<(ImageId, Selector)>,
    may_create: bool,
    is_dry_run: bool,
}

impl Operation for RestoreImage {
    const NAME: &'static str = "RestoreImage";
    const ACTION: Action = Action::WharfRestoreImage;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, WharfError> {
        Ok(Checked {
            place: constraints::repository(call, input.registry_id.as_deref(), input.repository_name.as_deref())?,
            images: constraints::image_ids(input.image_ids)?,
            may_create: input.create_repository.unwrap_or(false),
            is_dry_run: input.dry_run.unwrap_or(false),
        })
    }

    fn needs(_: &Call<'_>, Checked { place, images, may_create, .. }: &Checked) -> Vec<Need> {
        let tags = images.iter().map(|(id, _)| id.image_tag.as_deref());
        let mut needs = tag_rights::needs(Self::ACTION, place, tags);
        let RepositoryRef { registry, name } = place;
        needs.extend(may_create.then(|| Need::on_repository(Action::EcrCreateRepository, registry, name.as_str())));
        needs
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, WharfError> {
        let cause = Cause::of_caller(call.app, &call.caller);
        let checked = Arc::new(checked);
        let allowed_key = require_key(call, &checked).await?;
        let guards = [
            Guards::ask(call, &checked.place, &[Self::ACTION, PUSH]).await?,
            Guards::ask(call, &checked.place, &READ).await?,
        ];
        let mut rights =
            TagRights::new(call.http, &call.caller, Self::ACTION, TagChange::Given, &checked.place).await?;
        loop {
            let (leave, quotas, cause) = (rights.clone(), call.app.quotas.clone(), cause.clone());
            let (asked, allowed_key, guards) = (Arc::clone(&checked), allowed_key.clone(), guards.clone());
            let restored = dry_run::write(call, checked.is_dry_run, move |tx| {
                let all = restore_all(tx, &asked, allowed_key.as_ref(), &quotas, &cause).map_err(Undone::Failed)?;
                let RestoredAll { output, guards: guarded, policy_of } = all;
                let [restoring, reading] = &guards;
                restoring.require(guarded.iter().copied()).map_err(Undone::Failed)?;
                // What the repository has of its own policy again still guards it.
                let unguarded = guarded.into_iter().filter(|guard| policy_of != Some(*guard));
                reading.require(unguarded).map_err(Undone::Failed)?;
                leave.require(given(&output))?;
                Ok(output)
            });
            match restored.await {
                Ok(output) => return Ok(output),
                Err(Undone::Failed(error)) => return Err(error),
                Err(Undone::NotAsked(tags)) => rights.ask(call.http, &call.caller, tags).await?,
            }
        }
    }
}

/// What came back: tags, and images without any.
fn given(output: &Output) -> impl Iterator<Item = Option<String>> {
    let changed =
        output.restored_images.iter().filter(|image| image.status == RESTORED || !image.restored_tags.is_empty());
    changed.flat_map(|image| tag_rights::of_image(&image.restored_tags))
}

fn selectors(checked: &Checked) -> Vec<Selector> {
    checked.images.iter().map(|(_, selector)| selector.clone()).collect()
}

/// The key of the repository that would be created, if the caller may have ECR use it: whoever makes a repository with a key
/// gives ECR its grants, as in CreateRepository.
async fn require_key(call: &Call<'_>, checked: &Arc<Checked>) -> Result<Option<KmsKeyArn>, WharfError> {
    if !checked.may_create {
        return Ok(None);
    }
    let (asked, now_ms) = (Arc::clone(checked), call.app.now_ms());
    let key = move |tx: &mut dyn Tx| restore::key_to_recreate(tx, &asked.place, &selectors(&asked), now_ms);
    let Some(arn) = call.app.db.read(key).await? else { return Ok(None) };
    let RepositoryRef { registry, name } = &checked.place;
    let key = kms::key_ref(registry.account, &registry.region, arn.as_str()).map_err(RegistryError::from)?;
    for need in encryption::needs_on_key(&key, registry, name.as_str()) {
        let allowed = authorize::authorize(call.http, &call.caller, &need).await;
        allowed.map_err(|refusal| RegistryError::from(KmsError::from(refusal)))?;
    }
    Ok(Some(arn))
}

/// What came back, and what guarded it: when its repositories were deleted, and of which the repository has the policy.
struct RestoredAll {
    output: Output,
    guards: BTreeSet<i64>,
    policy_of: Option<i64>,
}

fn restore_all(
    tx: &mut dyn Tx,
    checked: &Checked,
    allowed_key: Option<&KmsKeyArn>,
    quotas: &Quotas,
    cause: &Cause,
) -> Result<RestoredAll, WharfError> {
    let Checked { place, images, may_create, is_dry_run } = checked;
    let found = repositories::find(tx, place)?;
    let is_repository_created = found.is_none();
    let (repository, policy_of) = match found {
        Some(repository) => (repository, None),
        None if *may_create => {
            let selectors = selectors(checked);
            let created = restore::recreate_repository(tx, place, &selectors, allowed_key, quotas.repositories, cause)?;
            created.ok_or_else(|| WharfError::NothingToRestoreInto(place.clone()))?
        }
        None => return Err(WharfError::NothingToRestoreInto(place.clone())),
    };
    let mut output =
        Output { restored_images: Vec::new(), failures: Vec::new(), is_repository_created, dry_run: *is_dry_run };
    let mut guards = BTreeSet::new();
    for (id, selector) in images {
        match restore::restore(tx, &repository, selector, quotas.tags_per_image, cause)? {
            Ok(restored) => {
                guards.extend(restored.iter().filter_map(|image| image.guard));
                output.restored_images.extend(restored.into_iter().map(RestoredImage::from));
            }
            Err(why) => output.failures.push(Failure::new(id.clone(), why)),
        }
    }
    Ok(RestoredAll { output, guards, policy_of })
}
