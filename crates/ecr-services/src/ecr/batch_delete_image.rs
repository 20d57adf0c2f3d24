//! BatchDeleteImage: deletes images, by tag and by digest.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::changes::Cause;
use registry::images::delete::{self, Deletion, NotDeleted};
use registry::images::errors::RegistryError;
use registry::images::image_tags::{self, Reach};
use registry::images::pull::Selector;
use registry::images::repositories::{order, require};
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::repositories::{Repository, RepositoryRef};

use super::constraints;
use super::errors::EcrError;
use super::image_identifiers::{self, ImageFailure, ImageIdentifier};

/// Deletes images and tags in one transaction, and tells of each that could not be deleted why.
pub struct BatchDeleteImage;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_ids: Option<Vec<ImageIdentifier>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    image_ids: Vec<ImageIdentifier>,
    failures: Vec<ImageFailure>,
}

impl Operation for BatchDeleteImage {
    const NAME: &'static str = "BatchDeleteImage";
    const ACTION: Action = Action::EcrBatchDeleteImage;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = (RepositoryRef, Vec<ImageIdentifier>);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        Ok((RepositoryRef { registry, name }, image_identifiers::image_ids(input.image_ids)?))
    }

    fn needs(_: &Call<'_>, (place, ids): &Self::Checked) -> Vec<Need> {
        image_identifiers::needs_of_images(Self::ACTION, place, ids)
    }

    async fn run(call: &Call<'_>, (place, ids): Self::Checked) -> Result<Output, EcrError> {
        let deletion = Deletion::new(call.app, Cause::of_caller(call.app, &call.caller), Self::NAME);
        let selectors: Vec<Selector> = ids.iter().filter_map(|id| id.selector().ok()).collect();
        // Until no tag comes to one of the images between the question and the deletion.
        loop {
            let leave =
                image_tags::authorize(call.http, &call.caller, Self::ACTION, &place, &selectors, Reach::Named).await?;
            let (place, ids, selectors, deletion) = (place.clone(), ids.clone(), selectors.clone(), deletion.clone());
            // One transaction for all, in their order: a list that goes first frees its images for the next.
            let order = order(&place);
            let deleted = call.app.db.make_room_in_order(&order, move |tx| {
                let repository = require(tx, &place)?;
                if !leave.covers(tx, repository.id, &selectors)? {
                    return Ok(None);
                }
                delete_all(tx, &repository, &ids, &deletion).map(Some)
            });
            if let Some(output) = deleted.await? {
                return Ok(output);
            }
        }
    }
}

fn delete_all(
    tx: &mut dyn Tx,
    repository: &Repository,
    ids: &[ImageIdentifier],
    deletion: &Deletion,
) -> Result<Output, RegistryError> {
    let mut output = Output { image_ids: Vec::new(), failures: Vec::new() };
    for id in ids {
        let selector = match id.selector() {
            Ok(selector) => selector,
            Err(failure) => {
                output.failures.push(failure);
                continue;
            }
        };
        match delete::delete(tx, repository, &selector, deletion)? {
            Ok(deleted) if deleted.tags.is_empty() => {
                output.image_ids.push(ImageIdentifier::new(&deleted.digest, None));
            }
            Ok(deleted) => output
                .image_ids
                .extend(deleted.tags.into_iter().map(|tag| ImageIdentifier::new(&deleted.digest, Some(tag)))),
            Err(NotDeleted::Absent(absent)) => output.failures.push(ImageFailure::absent(id.clone(), absent)),
            // No code of ECR's means this; what this one says of the image is nearest.
            Err(NotDeleted::Protected(protected)) => {
                output.failures.push(ImageFailure::new(id.clone(), "ImageInaccessible", protected.to_string()));
            }
            Err(NotDeleted::Referenced(lists)) => output.failures.push(ImageFailure::new(
                id.clone(),
                "ImageReferencedByManifestList",
                RegistryError::ImageReferenced(lists).to_string(),
            )),
        }
    }
    Ok(output)
}
