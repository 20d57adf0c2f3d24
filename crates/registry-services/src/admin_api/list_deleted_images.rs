//! ListDeletedImages: the images and tags that were deleted and can be restored. What a repository that is deleted itself
//! denied whoever asks is not told: refused where the repository is named, and else left out.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use oci::{MediaType, RepositoryName};
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::StoreError;
use store::tables::deleted_images::{self, After, DeletedImageFilter, DeletionNote};
use store::tables::deleted_repositories::{self, DeletedRepository};
use store::tables::deleted_tags;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check, DEFAULT_RESULTS, MAX_RESULTS};
use super::errors::WharfError;
use super::guards::{Guards, READ};

/// A page ends at so many tags, as an image can have a thousand.
const MAX_TAGS_OF_PAGE: usize = 10_000;

/// Lists the images and tags that were deleted and can be restored, page by page.
pub struct ListDeletedImages;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    /// Epoch seconds.
    deleted_since: Option<f64>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    deleted_images: Vec<DeletedImage>,
    deleted_tags: Vec<DeletedTag>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeletedImage {
    registry_id: String,
    repository_name: String,
    image_digest: String,
    image_tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_manifest_media_type: Option<MediaType>,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_media_type: Option<String>,
    image_size_in_bytes: u64,
    image_pushed_at: Timestamp,
    image_status: &'static str,
    #[serde(flatten)]
    deletion: Deletion,
}

/// A tag that was deleted from an image which stayed.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DeletedTag {
    registry_id: String,
    repository_name: String,
    image_digest: String,
    image_tag: String,
    #[serde(flatten)]
    deletion: Deletion,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Deletion {
    #[serde(skip)]
    at_ms: i64,
    deleted_at: Timestamp,
    deleted_by: String,
    reason: String,
    restorable_until: Timestamp,
}

impl From<DeletionNote> for Deletion {
    fn from(note: DeletionNote) -> Self {
        Self {
            at_ms: note.at_ms,
            deleted_at: Timestamp::from_ms(note.at_ms),
            deleted_by: note.by,
            reason: note.reason,
            restorable_until: Timestamp::from_ms(note.expires_at_ms),
        }
    }
}

/// Where a page ended. The tags come after all images.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct DeletedImagesPosition {
    is_at_tags: bool,
    repository: String,
    deleted_at_ms: i64,
    id: i64,
}

impl DeletedImagesPosition {
    fn after(&self) -> After {
        After { repository: self.repository.clone(), deleted_at_ms: self.deleted_at_ms, id: self.id }
    }
}

/// The input, validated.
pub struct Checked {
    filter: DeletedImageFilter,
    limit: usize,
    place: DeletedImagesPosition,
}

impl Operation for ListDeletedImages {
    const NAME: &'static str = "ListDeletedImages";
    const ACTION: Action = Action::WharfListDeletedImages;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, WharfError> {
        let since = input.deleted_since.unwrap_or_default();
        if !since.is_finite() || !(0.0..=1e12).contains(&since) {
            return Err(WharfError::validation("deletedSince", "must be a time in epoch seconds"));
        }
        let filter = DeletedImageFilter {
            registry: constraints::registry(call, input.registry_id.as_deref())?,
            repository: input.repository_name.as_deref().map(constraints::repository_name).transpose()?,
            since_ms: (since * 1000.0) as i64,
            now_ms: call.app.now_ms(),
        };
        let place = Check::place(&List::Any, input.next_token.as_deref())?;
        Ok(Checked { filter, limit: Check::limit(input.max_results, DEFAULT_RESULTS, MAX_RESULTS)?, place })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        let DeletedImageFilter { registry, repository, .. } = &checked.filter;
        let name = repository.as_ref().map_or("*", |name| name.as_str());
        vec![Need::on_repository(Self::ACTION, registry, name)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, WharfError> {
        let (registry, is_of_one) = (checked.filter.registry.clone(), checked.filter.repository.is_some());
        let page = move |tx: &mut dyn Tx| {
            let output = list(tx, &checked)?;
            let guarding = guarding_repositories(tx, &checked.filter.registry, &output)?;
            Ok::<_, WharfError>((output, guarding))
        };
        let (mut output, guarding) = call.app.db.read(page).await?;
        let actions = [Self::ACTION, READ[0], READ[1]];
        let mut guards = BTreeMap::new();
        for (name, repositories) in guarding {
            let place = RepositoryRef { registry: registry.clone(), name };
            guards.insert(place.name.to_string(), Guards::judge(call, &place, &actions, repositories).await?);
        }
        let refusal_of = |name: &str, deletion: &Deletion| {
            guards.get(name).and_then(|guards: &Guards| guards.refusal_of(deletion.at_ms))
        };
        if is_of_one && let Some(refusal) = output.deletions().find_map(|(name, deletion)| refusal_of(name, deletion)) {
            return Err(WharfError::Denied(refusal.to_owned()));
        }
        output.deleted_images.retain(|image| refusal_of(&image.repository_name, &image.deletion).is_none());
        output.deleted_tags.retain(|tag| refusal_of(&tag.repository_name, &tag.deletion).is_none());
        Ok(output)
    }
}

impl Output {
    /// Every deletion that it tells of, and the name of its repository.
    fn deletions(&self) -> impl Iterator<Item = (&str, &Deletion)> {
        let images = self.deleted_images.iter().map(|image| (image.repository_name.as_str(), &image.deletion));
        images.chain(self.deleted_tags.iter().map(|tag| (tag.repository_name.as_str(), &tag.deletion)))
    }
}

/// The deleted repositories that may guard what a page tells of.
fn guarding_repositories(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    page: &Output,
) -> Result<BTreeMap<RepositoryName, Vec<DeletedRepository>>, StoreError> {
    let mut guarding = BTreeMap::new();
    // They are names of repositories that were there.
    for name in page.deletions().filter_map(|(name, _)| name.parse::<RepositoryName>().ok()) {
        if let Entry::Vacant(place) = guarding.entry(name) {
            let repositories = deleted_repositories::list(tx, &registry.repository(place.key()))?;
            place.insert(repositories);
        }
    }
    Ok(guarding)
}

fn list(tx: &mut dyn Tx, Checked { filter, limit, place }: &Checked) -> Result<Output, WharfError> {
    let registry_id = |registry: &RegistryId| registry.account.to_string();
    let mut output = Output { deleted_images: Vec::new(), deleted_tags: Vec::new(), next_token: None };
    let mut tags_seen = 0;
    if !place.is_at_tags {
        let images = deleted_images::list(tx, filter, &place.after(), *limit)?;
        let is_last = images.len() < *limit;
        for image in images {
            let tags = deleted_tags::list_of_image(tx, image.id)?;
            tags_seen += tags.len();
            let next = DeletedImagesPosition {
                is_at_tags: false,
                repository: image.repository.to_string(),
                deleted_at_ms: image.note.at_ms,
                id: image.id,
            };
            output.next_token = Some(List::Any.token(&next));
            output.deleted_images.push(DeletedImage {
                registry_id: registry_id(&image.registry),
                repository_name: image.repository.to_string(),
                image_digest: image.digest.to_string(),
                image_tags: tags.into_iter().map(|tag| tag.tag.to_string()).collect(),
                image_manifest_media_type: image.media_type,
                artifact_media_type: image.artifact_media_type,
                image_size_in_bytes: image.size_bytes,
                image_pushed_at: Timestamp::from_ms(image.pushed_at_ms),
                image_status: image.status.as_str(),
                deletion: image.note.into(),
            });
            if tags_seen > MAX_TAGS_OF_PAGE {
                return Ok(output);
            }
        }
        if !is_last {
            return Ok(output);
        }
    }
    let after = if place.is_at_tags { place.after() } else { After::default() };
    let room = limit - output.deleted_images.len();
    let tags = deleted_tags::list_alone(tx, filter, &after, room)?;
    let last = (tags.len() == room).then(|| tags.last()).flatten();
    output.next_token = last.map(|tag| {
        List::Any.token(&DeletedImagesPosition {
            is_at_tags: true,
            repository: tag.repository.to_string(),
            deleted_at_ms: tag.note.at_ms,
            id: tag.id,
        })
    });
    output.deleted_tags.extend(tags.into_iter().map(|tag| DeletedTag {
        registry_id: registry_id(&filter.registry),
        repository_name: tag.repository.to_string(),
        image_digest: tag.digest.to_string(),
        image_tag: tag.tag.to_string(),
        deletion: tag.note.into(),
    }));
    Ok(output)
}
