//! ReceiveReplicatedImage: stores an image that another Wharf replicates to this server, whose layers are there.

use access::action::Action;
use access::auth::arrival::Arrival;
use access::auth::authorize::Need;
use access::auth::tag_rights::TagChange;
use api::protocols::operation::{Call, Operation};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use registry::replication::receive::{self, ArrivingImage};
use serde::{Deserialize, Serialize};

use super::arrival::{self, ArrivalMembers};
use super::errors::WharfError;

/// Stores an image, with its tags, that another Wharf replicates to this server, once its layers are here.
pub struct ReceiveReplicatedImage;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    #[serde(flatten)]
    arrival: ArrivalMembers,
    image_digest: Option<String>,
    image_manifest_media_type: Option<String>,
    /// In base64, so that every byte stays what it is.
    image_manifest: Option<String>,
    image_tags: Option<Vec<String>>,
}

#[derive(Serialize)]
pub struct Output {}

impl Operation for ReceiveReplicatedImage {
    const NAME: &'static str = "ReceiveReplicatedImage";
    const ACTION: Action = arrival::ACTION;
    const READ_ONLY: bool = false;
    /// The longest manifest in base64, and several thousand tags.
    const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;
    type Input = Input;
    type Output = Output;
    type Checked = (Arrival, ArrivingImage);
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, WharfError> {
        let manifest = input.image_manifest.as_deref().and_then(|text| STANDARD.decode(text).ok());
        let manifest = manifest.ok_or_else(|| WharfError::validation("imageManifest", "must be base64"))?;
        let most_tags = usize::try_from(call.app.quotas.tags_per_image).unwrap_or(usize::MAX);
        let media_type = input.image_manifest_media_type.as_deref();
        let image = ArrivingImage {
            digest: arrival::digest(input.image_digest.as_deref())?,
            media_type: arrival::parsed("imageManifestMediaType", media_type, "a media type")?,
            manifest: manifest.into(),
            tags: arrival::tags(input.image_tags.as_deref(), most_tags)?,
        };
        Ok((input.arrival.check(call)?, image))
    }

    fn needs(_: &Call<'_>, (arrival, image): &Self::Checked) -> Vec<Need> {
        arrival::needs_of_tags(arrival, &image.tags)
    }

    async fn run(call: &Call<'_>, (arrival, image): Self::Checked) -> Result<Output, WharfError> {
        let mut rights = arrival::tag_rights(call, &arrival, TagChange::Given).await?;
        rights.ask_for(call.http, &call.caller, &image.tags).await?;
        receive::put_image(call.app, &arrival, image).await?;
        Ok(Output {})
    }
}
