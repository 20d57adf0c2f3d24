//! StartImageScan: has an image scanned, whichever type of scanning its registry has, and as often as somebody likes.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use scanning::scans::{self, Asked};
use serde::Serialize;

use super::errors::WharfError;
use super::image_scans::{ImageMembers, NamedImage};
use super::shapes::ImageId;

/// Has an image scanned, or the images of an index. A scan that has not ended goes on.
pub struct StartImageScan;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    image_id: ImageId,
}

impl Operation for StartImageScan {
    const NAME: &'static str = "StartImageScan";
    const ACTION: Action = Action::EcrStartImageScan;
    const READ_ONLY: bool = false;
    type Input = ImageMembers;
    type Output = Output;
    type Checked = NamedImage;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: ImageMembers) -> Result<NamedImage, WharfError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, named: &NamedImage) -> Vec<Need> {
        vec![named.need(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, named: NamedImage) -> Result<Output, WharfError> {
        let started = scans::start(call.app, &named.place, Some(&named.selector), Asked::Freely).await;
        let image = started.map_err(|error| named.failed(error))?;
        let NamedImage { place, id, .. } = named;
        Ok(Output {
            registry_id: place.registry.account.to_string(),
            repository_name: place.name.to_string(),
            image_id: ImageId { image_digest: Some(image.digest.to_string()), image_tag: id.image_tag },
        })
    }
}
