//! DescribeImages: the details of a repository's images.

use std::collections::HashMap;

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use oci::MediaType;
use registry::images::pull::Selector;
use registry::images::repositories::require;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::image_tags;
use store::tables::images::{self, Image};
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check, Page};
use super::errors::EcrError;
use super::image_identifiers::{self, ImageIdentifier};
use super::shapes::{CheckedFilter, ListFilter};

/// Describes the images of a repository that are named, or all of them page by page, with pull times up to now.
pub struct DescribeImages;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_ids: Option<Vec<ImageIdentifier>>,
    next_token: Option<String>,
    max_results: Option<i64>,
    filter: Option<ListFilter>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageDetail {
    registry_id: String,
    repository_name: String,
    image_digest: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_tags: Vec<String>,
    image_size_in_bytes: u64,
    image_pushed_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_manifest_media_type: Option<MediaType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_media_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_recorded_pull_time: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_manifest_digest: Option<String>,
    image_status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_archived_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_activated_at: Option<Timestamp>,
}

impl ImageDetail {
    fn new(place: &RepositoryRef, image: Image, image_tags: Vec<String>) -> Self {
        Self {
            registry_id: place.registry.account.to_string(),
            repository_name: place.name.to_string(),
            image_digest: image.digest.to_string(),
            image_tags,
            image_size_in_bytes: image.size_bytes,
            image_pushed_at: Timestamp::from_ms(image.pushed_at_ms),
            image_manifest_media_type: image.media_type,
            artifact_media_type: image.artifact_media_type,
            last_recorded_pull_time: image.last_pulled_at_ms.map(Timestamp::from_ms),
            subject_manifest_digest: image.subject.map(|subject| subject.to_string()),
            image_status: image.status.as_str(),
            last_archived_at: image.last_archived_at_ms.map(Timestamp::from_ms),
            last_activated_at: image.last_activated_at_ms.map(Timestamp::from_ms),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    image_details: Vec<ImageDetail>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// Which images are asked for.
pub enum ImageSelection {
    /// These, all of which must exist; an identifier without a selector is none that an image can have.
    Images(Vec<(ImageIdentifier, Option<Selector>)>),
    /// A page of those that the filter lets through.
    Page(Page, CheckedFilter),
}

/// The input, validated.
pub struct Checked {
    place: RepositoryRef,
    selection: ImageSelection,
}

impl Operation for DescribeImages {
    const NAME: &'static str = "DescribeImages";
    const ACTION: Action = Action::EcrDescribeImages;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        let filter = input.filter.unwrap_or_default();
        let list = List::with_members(Self::NAME, &[&registry, &name, &filter]);
        let filter = filter.check()?;
        let selection = if input.image_ids.is_some() {
            let ids = image_identifiers::image_ids(input.image_ids)?;
            constraints::refuse_beside("imageIds", input.max_results, input.next_token.as_deref())?;
            let checked = ids.into_iter().map(|id| id.check("imageIds").map(|selector| (id, selector)));
            ImageSelection::Images(checked.collect::<Result<_, _>>()?)
        } else {
            ImageSelection::Page(Check::page(list, input.max_results, input.next_token.as_deref(), 100, 1000)?, filter)
        };
        Ok(Checked { place: RepositoryRef { registry, name }, selection })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &checked.place.registry, checked.place.name.as_str())]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        // A pull that was answered is to be seen, though its time may not be stored yet.
        call.app.pull_times.flush(call.app).await?;
        call.app.db.read(move |tx| describe(tx, &checked)).await
    }
}

fn describe(tx: &mut dyn Tx, checked: &Checked) -> Result<Output, EcrError> {
    let Checked { place, selection } = checked;
    let repository = require(tx, place)?;
    let mut image_details = Vec::new();
    match selection {
        ImageSelection::Images(ids) => {
            for (id, selector) in ids {
                let image = id.require_image(tx, &repository, selector.as_ref())?;
                let tags = image_tags::list_of_image(tx, image.id)?;
                image_details.push(ImageDetail::new(place, image, tags));
            }
            Ok(Output { image_details, next_token: None })
        }
        ImageSelection::Page(page, filter) => {
            let mut after = page.after[0].clone();
            loop {
                let batch = images::list(tx, repository.id, &after, page.limit + 1)?;
                let is_end = batch.len() <= page.limit;
                let mut tags = match batch.last() {
                    Some(last) => image_tags::list_of_images(tx, repository.id, &after, &last.digest)?,
                    None => HashMap::new(),
                };
                for image in batch {
                    let tags = tags.remove(&image.id).unwrap_or_default();
                    let digest = image.digest.to_string();
                    if filter.matches(!tags.is_empty(), image.status) {
                        if image_details.len() == page.limit {
                            return Ok(Output {
                                image_details,
                                next_token: Some(page.token_after(&constraints::after(&after))),
                            });
                        }
                        image_details.push(ImageDetail::new(place, image, tags));
                    }
                    after = digest;
                }
                if is_end {
                    return Ok(Output { image_details, next_token: None });
                }
            }
        }
    }
}
