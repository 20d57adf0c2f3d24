//! StartImageScan: has an image scanned.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::pull::Selector;
use scanning::scans::{self, Asked};
use serde::{Deserialize, Serialize};
use store::tables::image_scans::ScanStatus;
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check};
use super::errors::EcrError;
use super::findings::ImageScanStatus;
use super::image_identifiers::ImageIdentifier;

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

/// The input, validated.
pub struct Checked {
    place: RepositoryRef,
    id: ImageIdentifier,
    /// None if no image can have that identifier.
    selector: Option<Selector>,
}

impl Operation for StartImageScan {
    const NAME: &'static str = "StartImageScan";
    const ACTION: Action = Action::EcrStartImageScan;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        let id = Check::required("imageId", input.image_id)?;
        let selector = id.check("imageId")?;
        Ok(Checked { place: RepositoryRef { registry, name }, id, selector })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![constraints::need_on(Self::ACTION, &checked.place)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { place, id, selector } = checked;
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
