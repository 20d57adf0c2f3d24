//! StartImageScan: has an image scanned.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use scanning::scans::{self, Asked};
use serde::{Deserialize, Serialize};
use store::tables::image_scans::ScanStatus;

use super::constraints;
use super::errors::EcrError;
use super::findings::ImageScanStatus;
use super::image_identifiers::{ImageIdentifier, NamedImage};

/// Has an image scanned, with basic scanning. Unlike ECR's it takes an index: its images are scanned.
pub struct StartImageScan;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_id: Option<ImageIdentifier>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    image_id: ImageIdentifier,
    image_scan_status: ImageScanStatus,
}

impl Operation for StartImageScan {
    const NAME: &'static str = "StartImageScan";
    const ACTION: Action = Action::EcrStartImageScan;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = NamedImage;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<NamedImage, EcrError> {
        NamedImage::check(call, input.registry_id.as_deref(), input.repository_name, input.image_id)
    }

    fn needs(_: &Call<'_>, named: &NamedImage) -> Vec<Need> {
        vec![constraints::need_on(Self::ACTION, &named.place)]
    }

    async fn run(call: &Call<'_>, named: NamedImage) -> Result<Output, EcrError> {
        let NamedImage { place, id, selector } = named;
        let started = scans::start(call.app, &place, selector.as_ref(), Asked::AsInEcr).await;
        let image = started.map_err(|error| EcrError::of_scan(error, &id, &place))?;
        Ok(Output {
            registry_id: place.registry.account.to_string(),
            repository_name: place.name.to_string(),
            image_id: ImageIdentifier::new(&image.digest, id.image_tag),
            image_scan_status: ImageScanStatus::new(ScanStatus::InProgress.as_str(), None),
        })
    }
}
