//! PutImage: pushes an image whose layers are there.

use std::sync::Arc;

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::renewal;
use api::protocols::operation::{Call, Operation};
use bytes::Bytes;
use oci::{Digest, MediaType};
use registry::images::changes::Cause;
use registry::images::errors::RegistryError;
use registry::images::push::{Push, PushProtocol};
use registry::pushes::Pusher;
use serde::{Deserialize, Serialize};

use super::constraints::{self, Check};
use super::errors::EcrError;
use super::image_identifiers::ImageIdentifier;
use super::shapes::Image;

/// Pushes an image: stores its manifest, and gives it the tag, if its layers are in the repository.
pub struct PutImage;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_manifest: Option<String>,
    image_manifest_media_type: Option<String>,
    image_tag: Option<String>,
    image_digest: Option<String>,
}

#[derive(Serialize)]
pub struct Output {
    image: Image<'static>,
}

impl Operation for PutImage {
    const NAME: &'static str = "PutImage";
    const ACTION: Action = Action::EcrPutImage;
    const READ_ONLY: bool = false;
    /// A manifest of 4 MiB whose every character is escaped, and the rest.
    const MAX_BODY_BYTES: usize = 2 * oci::MAX_MANIFEST_BYTES + 1024 * 1024;
    type Input = Input;
    type Output = Output;
    type Checked = Push;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Push, EcrError> {
        let repository = constraints::repository(call, input.registry_id.as_deref(), input.repository_name)?;
        let manifest = Check::required("imageManifest", input.image_manifest)?;
        Check::length("imageManifest", &manifest, 1, oci::MAX_MANIFEST_BYTES)?;
        let media_type =
            input.image_manifest_media_type.map(|text| text.parse::<MediaType>()).transpose().map_err(|_| {
                let rule = "must be a media type such as 'application/vnd.oci.image.manifest.v1+json', or be left out";
                EcrError::parameter("imageManifestMediaType", rule)
            })?;
        let digest = input.image_digest.as_deref();
        let digest: Option<Digest> =
            digest.map(|text| Check::parsed("imageDigest", text, constraints::DIGEST_PATTERN)).transpose()?;
        let tag = input.image_tag.map(|tag| constraints::image_tag("imageTag", &tag)).transpose()?;
        let manifest = Bytes::from(manifest);
        let cause = Cause::of_caller(call.app, &call.caller);
        let tags = tag.into_iter().collect();
        Ok(Push {
            protocol: PushProtocol::Api,
            repository,
            replicated_from: None,
            tags,
            digest,
            media_type,
            manifest,
            cause,
        })
    }

    fn needs(_: &Call<'_>, push: &Push) -> Vec<Need> {
        let need = constraints::need_on(Self::ACTION, &push.repository);
        vec![need.with_image_tag(push.tags.first().map(oci::Tag::as_str))]
    }

    async fn run(call: &Call<'_>, push: Push) -> Result<Output, EcrError> {
        // The answer repeats the manifest, as text and as JSON. Whether there is room for it is known before the push.
        let mut share = call.http.new_answer_share();
        share.add(2 * push.manifest.len() as u64).map_err(RegistryError::from)?;
        let _ = call.http.answer_share.set(share);
        let push = Arc::new(push);
        let repository = &push.repository;
        let pusher = Pusher { app: call.app, http: call.http, caller: &call.caller, repository };
        let renewed = || async {
            renewal::require_still(call.http, &call.caller, &Self::needs(call, &push)).await?;
            Ok::<_, EcrError>(call.caller.clone())
        };
        let stored = pusher.put_image(&push, renewed).await?;
        Ok(Output {
            image: Image {
                registry_id: repository.registry.account.to_string(),
                repository_name: repository.name.to_string(),
                image_id: ImageIdentifier::new(&stored.digest, push.tags.first().map(ToString::to_string)),
                image_manifest: String::from_utf8_lossy(&push.manifest).into_owned().into(),
                image_manifest_media_type: stored.media_type,
            },
        })
    }
}
