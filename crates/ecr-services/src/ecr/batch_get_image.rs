//! BatchGetImage: the manifests of images.

use std::collections::HashSet;
use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use bytes::Bytes;
use oci::MediaType;
use registry::cache;
use registry::cache::failure::CacheFailure;
use registry::cache::upstream::UpstreamFailure;
use registry::images::errors::RegistryError;
use registry::images::pull::{self, ImageQuery, NoImage, Selector};
use registry::images::repositories::require_cached;
use runtime::http::budget::Share;
use runtime::http::held_answer::AnswerShare;
use serde::{Deserialize, Serialize};
use serde_json::value::{RawValue, to_raw_value};
use store::error::{StoreError, StoreErrorKind};
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check};
use super::errors::EcrError;
use super::image_identifiers::{self, ImageFailure, ImageIdentifier};
use super::shapes::Image;

/// An answer holds at most so many bytes of manifests: four of the longest, or a hundred of any usual size.
const MAX_ANSWER_BYTES: usize = 4 * oci::MAX_MANIFEST_BYTES;
/// Manifests of more bytes take longer to write as JSON than a change of threads.
const LONG_BYTES: usize = 128 * 1024;

/// Reads the manifests of images, those that the pull through cache must fetch first included.
pub struct BatchGetImage;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_ids: Option<Vec<ImageIdentifier>>,
    accepted_media_types: Option<Vec<String>>,
}

#[derive(Serialize)]
pub struct Output {
    /// Each as it stands in the answer.
    images: Vec<Box<RawValue>>,
    failures: Vec<ImageFailure>,
}

/// The input, validated.
pub struct Checked {
    repository: RepositoryRef,
    ids: Vec<ImageIdentifier>,
    accepted: Vec<String>,
}

impl Operation for BatchGetImage {
    const NAME: &'static str = "BatchGetImage";
    const ACTION: Action = Action::EcrBatchGetImage;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let repository = constraints::repository(call, input.registry_id.as_deref(), input.repository_name)?;
        let ids = image_identifiers::image_ids(input.image_ids)?;
        let accepted = match input.accepted_media_types {
            None => Vec::new(),
            types => Check::list("acceptedMediaTypes", types, 1, 100)?,
        };
        Ok(Checked { repository, ids, accepted })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        image_identifiers::needs_of_images(Self::ACTION, &checked.repository, &checked.ids)
    }

    /// Drops each image when it is written, so that there are not two of all of them.
    fn encode(output: Output) -> Result<Vec<u8>, serde_json::Error> {
        let failures = serde_json::to_vec(&output.failures)?;
        let length = output.images.iter().map(|image| image.get().len() + 1).sum::<usize>() + failures.len() + 32;
        let mut json = Vec::with_capacity(length);
        json.extend_from_slice(br#"{"images":["#);
        for (number, image) in output.images.into_iter().enumerate() {
            if number > 0 {
                json.push(b',');
            }
            json.extend_from_slice(image.get().as_bytes());
        }
        json.extend_from_slice(br#"],"failures":"#);
        json.extend_from_slice(&failures);
        json.push(b'}');
        Ok(json)
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { repository, ids, accepted } = checked;
        let mut output = Output { images: Vec::new(), failures: Vec::new() };
        let ids = prepare(call, &repository, ids, &mut output.failures).await?;
        if ids.is_empty() {
            return Ok(output);
        }
        require_cached(call.app, repository.clone()).await?;
        let mut bytes = 0;
        let mut share = call.http.new_answer_share();
        let mut answered = HashSet::new();
        for id in ids {
            // The same image again would say nothing new.
            if !answered.insert(id.clone()) {
                continue;
            }
            let selector = match id.selector() {
                Ok(selector) => selector,
                Err(failure) => {
                    output.failures.push(failure);
                    continue;
                }
            };
            match get(call, &repository, selector, &accepted).await? {
                Ok(found) => {
                    bytes += found.manifest.len();
                    // Refused as a whole: every SDK raises this error, which the model lists, whereas no failure code
                    // means it, and clients take an image among the failures for one that is not there.
                    if bytes > MAX_ANSWER_BYTES {
                        return Err(EcrError::AnswerTooLarge(MAX_ANSWER_BYTES));
                    }
                    let place = (repository.registry.account.to_string(), repository.name.to_string());
                    let (with_it, image) = written(share, found, place, id.image_tag).await?;
                    share = with_it;
                    output.images.push(image);
                }
                Err(absent) => output.failures.push(ImageFailure::absent(id, absent)),
            }
        }
        let _ = call.http.answer_share.set(share);
        Ok(output)
    }
}

/// An image as it stands in the answer, whose room `share` takes first. The long ones are written on a thread of their own:
/// that of other requests has no time for it.
async fn written(
    mut share: AnswerShare,
    found: Found,
    (registry_id, repository_name): (String, String),
    tag: Option<String>,
) -> Result<(AnswerShare, Box<RawValue>), EcrError> {
    let is_long = found.manifest.len() > LONG_BYTES;
    let write = move || {
        // The room of the manifest is held until it is written.
        let Found { digest, media_type, manifest, _room } = found;
        let image = Image {
            registry_id,
            repository_name,
            image_id: ImageIdentifier::new(&digest, tag),
            image_manifest: String::from_utf8_lossy(&manifest),
            image_manifest_media_type: media_type,
        };
        share.add(image.json_bytes().map_err(not_json)?).map_err(RegistryError::from)?;
        Ok((share, to_raw_value(&image).map_err(not_json)?))
    };
    if !is_long {
        return write();
    }
    runtime::tasks::blocking("writing an image as JSON", write).await?
}

fn not_json(error: serde_json::Error) -> StoreError {
    StoreError::new(StoreErrorKind::Other, "an image cannot be written as JSON").with_source(error)
}

/// Has images imported that a rule fills the repository with; returns those that are still to be looked for.
async fn prepare(
    call: &Call<'_>,
    repository: &RepositoryRef,
    ids: Vec<ImageIdentifier>,
    failures: &mut Vec<ImageFailure>,
) -> Result<Vec<ImageIdentifier>, EcrError> {
    let mut rest = Vec::with_capacity(ids.len());
    for id in ids {
        let prepared = match id.selector() {
            Ok(selector) => cache::pull::prepare(call.app, call.http, &call.caller, repository, &selector).await,
            Err(_) => Ok(()),
        };
        let code = match &prepared {
            Ok(()) | Err(CacheFailure::Upstream(UpstreamFailure::NotFound)) => {
                rest.push(id);
                continue;
            }
            Err(CacheFailure::Upstream(UpstreamFailure::AccessDenied(_)) | CacheFailure::Credentials(_)) => {
                "UpstreamAccessDenied"
            }
            Err(CacheFailure::Upstream(UpstreamFailure::TooManyRequests)) => "UpstreamTooManyRequests",
            Err(CacheFailure::Upstream(UpstreamFailure::Unavailable(_))) => "UpstreamUnavailable",
            Err(CacheFailure::Storage(kind, text)) => return Err(StoreError::new(*kind, text.clone()).into()),
            Err(
                failure @ (CacheFailure::Upstream(UpstreamFailure::Unusable(_))
                | CacheFailure::NoRule(..)
                | CacheFailure::Refused(_)),
            ) => return Err(EcrError::UnableToGetUpstreamImage(failure.to_string())),
        };
        let reason = prepared.err().map(|failure| failure.to_string()).unwrap_or_default();
        failures.push(ImageFailure::new(id, code, reason));
    }
    Ok(rest)
}

/// An image's manifest in a format that the client takes.
struct Found {
    digest: oci::Digest,
    media_type: MediaType,
    manifest: Bytes,
    /// What the manifest holds of the pool of answers.
    _room: Option<Arc<Share>>,
}

async fn get(
    call: &Call<'_>,
    repository: &RepositoryRef,
    selector: Selector,
    accepted: &[String],
) -> Result<Result<Found, NoImage>, EcrError> {
    let asked_tag = match &selector {
        Selector::Tag(tag) | Selector::Both(tag, _) => Some(tag.clone()),
        Selector::Digest(_) => None,
    };
    let may_convert = matches!(selector, Selector::Tag(_));
    // A tag that points elsewhere is told apart from an image that is not there.
    let (digest_of_tag, selector) = match selector {
        Selector::Both(tag, digest) => (Some(digest), Selector::Tag(tag)),
        one => (None, one),
    };
    let query = ImageQuery { repository: repository.clone(), selector };
    let pulled = match pull::peek_manifest(call.app, query, Some(&call.http.reader())).await {
        Ok(pulled) => pulled,
        Err(RegistryError::ImageNotFound) => return Ok(Err(NoImage::NotFound)),
        Err(RegistryError::ImageInaccessible) => return Ok(Err(NoImage::Inaccessible)),
        Err(RegistryError::Kms(error)) => return Ok(Err(NoImage::Kms(error.to_string()))),
        Err(error) => return Err(error.into()),
    };
    if digest_of_tag.is_some_and(|digest| digest != pulled.image.digest) {
        return Ok(Err(NoImage::TagDoesNotMatchDigest));
    }
    let stored = &pulled.media_type;
    let (media_type, manifest) = if accepted.is_empty() || accepted.iter().any(|accepted| accepted == stored.as_str()) {
        (stored.clone(), pulled.manifest)
    } else {
        match converted(&pulled.manifest, stored.as_str(), accepted).filter(|_| may_convert) {
            Some((media_type, manifest)) => (media_type, Bytes::from(manifest)),
            None => return Ok(Err(NoImage::NotFound)),
        }
    };
    pull::note_pull(call.app, &repository.registry, &pulled.image, &call.caller);
    pull::tell(call.app, &call.caller, repository, &pulled.image, asked_tag.as_ref());
    Ok(Ok(Found { digest: pulled.image.digest, media_type, manifest, _room: pulled.room }))
}

/// The manifest in the other format, if that is accepted. The identifier in the answer stays the one of the image in the
/// repository, by which it can be asked for again.
fn converted(manifest: &[u8], stored: &str, accepted: &[String]) -> Option<(MediaType, String)> {
    let other = oci::other_image_format(stored).filter(|other| accepted.iter().any(|kind| kind == other))?;
    Some((other.parse().ok()?, oci::convert_image(manifest, stored)?))
}
