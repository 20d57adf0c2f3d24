//! ListImageScanCounts: how many findings the images of a repository have, for lists of them.

use std::collections::BTreeMap;

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::{List, Page};
use api::protocols::operation::{Call, Operation};
use scanning::scans::{self, ListedScan};
use serde::{Deserialize, Serialize};
use store::tables::image_scans::{ImageScan, ScanStatus, SeverityCounts};
use store::tables::images::ImageStatus;
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check, DEFAULT_RESULTS, MAX_RESULTS};
use super::errors::WharfError;
use super::image_scans::{ScanSummary, present_counts};

/// Lists the images of a repository that are scanned, with how far their last scans are and how many findings of each severity
/// there are. An index has those of its images together.
pub struct ListImageScanCounts;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    scan_type: &'static str,
    images: Vec<CountedImage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CountedImage {
    image_digest: String,
    /// The scan that is the least far; none for an image of which a part was never scanned.
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<ScanSummary>,
    /// None until all of its scans have ended with what they found.
    #[serde(skip_serializing_if = "Option::is_none")]
    finding_severity_counts: Option<BTreeMap<&'static str, i64>>,
}

impl From<ListedScan> for CountedImage {
    fn from(ListedScan { image, scans }: ListedScan) -> Self {
        let deciding = scans::deciding(scans.iter().map(Option::as_ref));
        // That nothing is counted says nothing of an image whose system is not known.
        let is_told = |scan: &ImageScan| {
            let is_known = scan.status != ScanStatus::UnsupportedImage || scan.counts != SeverityCounts::default();
            scan.is_told() && is_known
        };
        let are_told = image.status == ImageStatus::Active
            && !scans.is_empty()
            && scans.iter().all(|scan| scan.as_ref().is_some_and(is_told));
        let counts = scans.iter().flatten().map(|scan| &scan.counts);
        Self {
            image_digest: image.digest.to_string(),
            scan: deciding.map(Into::into),
            finding_severity_counts: are_told.then(|| present_counts(counts)),
        }
    }
}

impl Operation for ListImageScanCounts {
    const NAME: &'static str = "ListImageScanCounts";
    const ACTION: Action = Action::EcrDescribeImageScanFindings;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = (RepositoryRef, Page<[String; 1]>);
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, WharfError> {
        let place = constraints::repository(call, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let list = List::with_members(Self::NAME, &[&place.registry, &place.name]);
        let page = Check::page(list, input.max_results, input.next_token.as_deref(), DEFAULT_RESULTS, MAX_RESULTS)?;
        Ok((place, page))
    }

    fn needs(_: &Call<'_>, (place, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &place.registry, place.name.as_str())]
    }

    async fn run(call: &Call<'_>, (place, page): Self::Checked) -> Result<Output, WharfError> {
        let (scan_type, mut listed) = scans::list(call.app, &place, page.after[0].clone(), page.limit + 1).await?;
        let next_token = page.cut(&mut listed, |last| [last.image.digest.to_string()]);
        let scanned = listed.into_iter().filter(|listed| !listed.scans.is_empty());
        Ok(Output { scan_type: scan_type.as_str(), images: scanned.map(Into::into).collect(), next_token })
    }
}
