//! DescribeImageScanFindings: what the last scan of an image has found, page by page.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use scanning::scans;
use serde::{Deserialize, Serialize};
use store::tables::scanning_configurations::ScanType;

use super::constraints::{self, Check, Page};
use super::errors::EcrError;
use super::findings::enhanced::{self, Resources};
use super::findings::{ImageScanFindings, ImageScanStatus, basic};
use super::image_identifiers::{ImageIdentifier, NamedImage};

/// Tells what the last scan of an image has found, by the registry's type of scanning. Unlike ECR's it takes an index: it tells
/// of all of its images, once all of them are scanned.
pub struct DescribeImageScanFindings;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_id: Option<ImageIdentifier>,
    next_token: Option<String>,
    max_results: Option<i64>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    image_id: ImageIdentifier,
    image_scan_status: ImageScanStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_scan_findings: Option<ImageScanFindings>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// The input, validated.
pub struct Checked {
    named: NamedImage,
    page: Page,
}

impl Operation for DescribeImageScanFindings {
    const NAME: &'static str = "DescribeImageScanFindings";
    const ACTION: Action = Action::EcrDescribeImageScanFindings;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let named = NamedImage::check(call, input.registry_id.as_deref(), input.repository_name, input.image_id)?;
        let NamedImage { place, id, .. } = &named;
        let list = List::with_members(Self::NAME, &[&place.registry, &place.name, id]);
        let page = Check::page(list, input.max_results, input.next_token.as_deref(), 100, 1000)?;
        Ok(Checked { named, page })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![constraints::need_on(Self::ACTION, &checked.named.place)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { named: NamedImage { place, id, selector }, page } = checked;
        let of_scan = |error| EcrError::of_scan(error, &id, &place);
        let found = scans::find(call.app, &place, selector.as_ref(), &call.http.holder).await.map_err(of_scan)?;
        if !found.is_archived() && !found.is_scanned_or_waits() {
            return Err(of_scan(scans::ScanError::NotScanned));
        }
        let (mut image_scan_findings, mut next_token) = (None, None);
        if !found.is_archived() && found.is_told() {
            let mut findings = ImageScanFindings::of(&found);
            let shown = match found.scan_type {
                ScanType::Basic => {
                    let mut entries = basic::entries(&found);
                    findings.count(&entries);
                    next_token = page_of(&page, &mut entries);
                    findings.with_basic(entries.iter().map(basic::BasicEntry::finding).collect())
                }
                ScanType::Enhanced => {
                    let mut entries = enhanced::entries(&found);
                    findings.count(&entries);
                    next_token = page_of(&page, &mut entries);
                    let resources = Resources::find(call.app, &place, &found, &entries).await?;
                    findings.with_enhanced(entries.iter().map(|entry| entry.finding(&place, &resources)).collect())
                }
            };
            image_scan_findings = Some(shown);
        }
        Ok(Output {
            registry_id: place.registry.account.to_string(),
            repository_name: place.name.to_string(),
            image_id: ImageIdentifier::new(&found.image.digest, id.image_tag.clone()),
            image_scan_status: ImageScanStatus::of(&found),
            image_scan_findings,
            next_token,
        })
    }
}

/// Cuts entries to a page. Entries have a place of their own in the list, so that a page goes on where the one before ended
/// though another scan has found something since.
fn page_of<E: super::findings::Entry>(page: &Page, entries: &mut Vec<E>) -> Option<String> {
    entries.sort_by(|one, other| one.place().cmp(other.place()));
    entries.retain(|entry| entry.place() > page.after[0].as_str());
    page.cut(entries, |last| constraints::after(last.place()))
}
