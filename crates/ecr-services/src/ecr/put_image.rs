//! PutImage: pushes an image whose layers are there.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::renewal;
use api::protocols::operation::{Call, Operation};
use bytes::Bytes;
use oci::{Digest, MediaType};
use registry::cache;
use registry::images::changes::Cause;
use registry::images::create_on_push;
use registry::images::creation::IfAbsent;
use registry::images::errors::RegistryError;
use registry::images::push::{self, Push, PushProtocol};
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
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let repository = constraints::repository_name("repositoryName", input.repository_name)?;
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
        let if_absent = IfAbsent::Refuse;
        let cause = Cause::of_caller(call.app, &call.caller);
        let tags = tag.into_iter().collect();
        Ok(Push {
            protocol: PushProtocol::Api,
            registry,
            repository,
            if_absent,
            replicated_from: None,
            tags,
            digest,
            media_type,
            manifest,
            cause,
        })
    }

    fn needs(_: &Call<'_>, push: &Push) -> Vec<Need> {
        let need = Need::on_repository(Self::ACTION, &push.registry, push.repository.as_str());
        vec![need.with_image_tag(push.tags.first().map(oci::Tag::as_str))]
    }

    async fn run(call: &Call<'_>, push: Push) -> Result<Output, EcrError> {
        let (registry, repository, tag) = (push.registry.clone(), push.repository.clone(), push.tags.first().cloned());
        let manifest = push.manifest.clone();
        // The answer repeats the manifest, as text and as JSON. Whether there is room for it is known before the push.
        let mut share = call.http.new_answer_share();
        share.add(2 * manifest.len() as u64).map_err(RegistryError::from)?;
        let _ = call.http.answer_share.set(share);
        let app = call.app;
        let put = |if_absent| push::put_image(app, Push { if_absent, ..push.clone() });
        let pushed = match create_on_push::pushing(call.app, call.http, &call.caller, &registry, &repository, put).await
        {
            Ok(pushed) => pushed,
            Err(failure) => {
                cache::layers::fetch_missing(app, failure).await?;
                // An upstream may have been waited for.
                renewal::require_still(call.http, &call.caller, &Self::needs(call, &push)).await?;
                create_on_push::pushing(call.app, call.http, &call.caller, &registry, &repository, put).await?
            }
        };
        Ok(Output {
            image: Image {
                registry_id: registry.account.to_string(),
                repository_name: repository.to_string(),
                image_id: ImageIdentifier::new(&pushed.digest, tag.map(|tag| tag.to_string())),
                image_manifest: String::from_utf8_lossy(&manifest).into_owned().into(),
                image_manifest_media_type: pushed.media_type,
            },
        })
    }
}
