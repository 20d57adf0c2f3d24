//! ExplainImageFinding: why an image is said to have a vulnerability: the records that were looked at, and where the package comes
//! from.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use scan::matching::Evidence;
use scanning::image_config;
use scanning::report::Report;
use scanning::scans::{self, PlatformScan, ScanError};
use serde::{Deserialize, Serialize};

use super::constraints::Check;
use super::errors::WharfError;
use super::image_scans::{ImageMembers, ImagePackage, NamedImage};
use super::shapes::ImageId;

/// Tells of each package of an image what was said of a vulnerability in it, and which line of the image's history brought it.
pub struct ExplainImageFinding;

#[derive(Deserialize)]
pub struct Input {
    #[serde(flatten)]
    image: ImageMembers,
    vulnerability: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    image_id: ImageId,
    vulnerability: String,
    packages: Vec<ExplainedPackage>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExplainedPackage {
    image_digest: String,
    #[serde(flatten)]
    package: ImagePackage,
    is_found: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_in: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_created_by: Option<String>,
    evidence: Vec<ShownEvidence>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownEvidence {
    feed: String,
    record: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    name: String,
    version: String,
    range: String,
    rule: String,
}

impl From<&Evidence> for ShownEvidence {
    fn from(evidence: &Evidence) -> Self {
        let Evidence { source, record, modified, name, version, range, rule } = evidence.clone();
        Self { feed: source, record, modified, name, version, range, rule }
    }
}

/// What was said of a package.
struct Said<'a> {
    package: usize,
    fixed_in: Option<&'a str>,
    evidence: &'a [Evidence],
}

/// What a report says of a vulnerability, by any of its names.
fn said_of<'a>(report: &'a Report, vulnerability: &str) -> Vec<Said<'a>> {
    let is_meant = |name: &str| name.eq_ignore_ascii_case(vulnerability);
    let meant = report
        .findings
        .iter()
        .filter(|finding| is_meant(&finding.vulnerability) || finding.aliases.iter().any(|alias| is_meant(alias)));
    let said = meant.flat_map(|finding| {
        let (fixed_in, evidence) = (finding.fixed_in.as_deref(), finding.evidence.as_slice());
        finding.packages.iter().map(move |package| Said { package: *package, fixed_in, evidence })
    });
    said.collect()
}

impl Operation for ExplainImageFinding {
    const NAME: &'static str = "ExplainImageFinding";
    const ACTION: Action = Action::EcrDescribeImageScanFindings;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = (NamedImage, String);
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, WharfError> {
        let named = input.image.check(call)?;
        let vulnerability = Check::required("vulnerability", input.vulnerability)?;
        Check::length("vulnerability", &vulnerability, 1, 128)?;
        Ok((named, vulnerability))
    }

    fn needs(_: &Call<'_>, (NamedImage { place, .. }, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &place.registry, place.name.as_str())]
    }

    async fn run(call: &Call<'_>, (named, vulnerability): Self::Checked) -> Result<Output, WharfError> {
        let found = scans::find(call.app, &named.place, Some(&named.selector), &call.http.holder).await;
        let found = found.map_err(|error| named.failed(error))?;
        if !found.platforms.iter().any(|platform| platform.report.is_some()) {
            let why = if found.is_archived() { ScanError::Archived } else { ScanError::NotScanned };
            return Err(named.failed(why));
        }
        let mut packages = Vec::new();
        for PlatformScan { image, report, .. } in &found.platforms {
            let Some(report) = report else { continue };
            let said = said_of(report, &vulnerability);
            if said.is_empty() {
                continue;
            }
            let config = image_config::find(call.app, &named.place, image).await?.unwrap_or_default();
            for Said { package, fixed_in, evidence } in said {
                let Some(reported) = report.packages.get(package) else { continue };
                packages.push(ExplainedPackage {
                    image_digest: image.digest.to_string(),
                    package: ImagePackage::new(report, reported),
                    is_found: true,
                    fixed_in: fixed_in.map(str::to_owned),
                    layer_created_by: config.line_of_layer(reported.layer).map(str::to_owned),
                    evidence: evidence.iter().map(Into::into).collect(),
                });
            }
        }
        let NamedImage { place, id, .. } = named;
        Ok(Output {
            registry_id: place.registry.account.to_string(),
            repository_name: place.name.to_string(),
            image_id: ImageId { image_digest: Some(found.image.digest.to_string()), image_tag: id.image_tag },
            vulnerability,
            packages,
        })
    }
}
