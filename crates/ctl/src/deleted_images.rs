//! The deleted images and tags that can be restored, as the server lists them and as people and scripts see them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::count::few;
use crate::error::Error;
use crate::since::Since;
use crate::{bytes, date};

/// Tags of an image that a line shows.
const SHOWN_TAGS: usize = 5;
/// More pages than any list has; ends what a faulty server would make endless.
const MAX_PAGES: usize = 100_000;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListAnswer {
    deleted_images: Vec<DeletedAnswer>,
    deleted_tags: Vec<DeletedAnswer>,
    next_token: Option<String>,
}

/// A deleted image or, without a size, a tag that was taken from an image.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeletedAnswer {
    repository_name: String,
    image_digest: String,
    #[serde(default)]
    image_tags: Vec<String>,
    image_tag: Option<String>,
    image_size_in_bytes: Option<u64>,
    image_pushed_at: Option<f64>,
    deleted_at: f64,
    deleted_by: String,
    reason: String,
    restorable_until: f64,
}

/// The same with its dates as scripts read them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Deleted {
    repository_name: String,
    image_digest: String,
    image_tags: Vec<String>,
    /// Whether only the tag was deleted, and the image stayed.
    pub(crate) is_tag_only: bool,
    image_size_in_bytes: Option<u64>,
    image_pushed_at: Option<String>,
    deleted_at: String,
    deleted_by: String,
    reason: String,
    restorable_until: String,
}

impl From<DeletedAnswer> for Deleted {
    fn from(answer: DeletedAnswer) -> Self {
        Self {
            repository_name: answer.repository_name,
            image_digest: answer.image_digest,
            is_tag_only: answer.image_tag.is_some(),
            image_tags: answer.image_tag.map_or(answer.image_tags, |tag| vec![tag]),
            image_size_in_bytes: answer.image_size_in_bytes,
            image_pushed_at: answer.image_pushed_at.map(date::iso8601),
            deleted_at: date::iso8601(answer.deleted_at),
            deleted_by: answer.deleted_by,
            reason: answer.reason,
            restorable_until: date::iso8601(answer.restorable_until),
        }
    }
}

impl Deleted {
    pub(crate) fn row(&self) -> Vec<String> {
        let size = self.image_size_in_bytes.map_or_else(|| "tag only".to_owned(), bytes::shown);
        vec![
            self.repository_name.clone(),
            self.image_digest.clone(),
            shown_tags(&self.image_tags),
            size,
            date::of_iso8601(&self.deleted_at),
            format!("{} ({})", self.deleted_by, self.reason),
            date::of_iso8601(&self.restorable_until),
        ]
    }

    /// As an operation takes it.
    pub(crate) fn image_id(&self) -> Value {
        match self.image_tags.first() {
            Some(tag) if self.is_tag_only => json!({ "imageDigest": self.image_digest, "imageTag": tag }),
            _ => json!({ "imageDigest": self.image_digest }),
        }
    }
}

pub(crate) fn shown_tags(tags: &[String]) -> String {
    few(tags, SHOWN_TAGS)
}

/// What can be restored: first the images, then the tags, each with the first deleted first.
pub(crate) async fn list(
    client: &Client,
    repository: Option<&str>,
    since: Option<Since>,
) -> Result<Vec<Deleted>, Error> {
    let mut input = json!({ "maxResults": 1000 });
    if let Some(repository) = repository {
        input["repositoryName"] = repository.into();
    }
    if let Some(since) = since {
        input["deletedSince"] = since.epoch_seconds(client.now_ms()).into();
    }
    let (mut images, mut tags) = (Vec::new(), Vec::new());
    for _ in 0..MAX_PAGES {
        let answer: ListAnswer = client.wharf("ListDeletedImages", &input).await?;
        images.extend(answer.deleted_images.into_iter().map(Deleted::from));
        tags.extend(answer.deleted_tags.into_iter().map(Deleted::from));
        match answer.next_token {
            Some(token) => input["nextToken"] = token.into(),
            None => break,
        }
    }
    images.extend(tags);
    Ok(images)
}
