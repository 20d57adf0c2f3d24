//! ExplainImageFinding: why an image is said to have a vulnerability: the records that were looked at, and where the package comes
//! from.

use std::collections::{BTreeMap, BTreeSet};

use access::action::Action;
use access::auth::authorize::{self, Need};
use api::protocols::operation::{Call, Operation};
use registry::Registry;
use scan::advisory::Rating;
use scan::matching::Evidence;
use scan::severity::{Judge, Judged};
use scanning::report::{Finding, Report, Vulnerability};
use scanning::scans::PlatformScan;
use scanning::{advisory_index, image_config};
use serde::{Deserialize, Serialize};
use store::error::StoreError;

use super::constraints::Check;
use super::errors::WharfError;
use super::image_scans::{ImageMembers, ImagePackage, NamedImage, ShownExploited};
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
    /// None where no package has it: reports tell of what is found.
    #[serde(flatten)]
    known: Option<ShownVulnerability>,
    packages: Vec<ExplainedPackage>,
}

/// What a vulnerability is, as the report of the scan tells.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownVulnerability {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    description: String,
    references: Vec<String>,
    ratings: Vec<ShownRating>,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exploited: Option<ShownExploited>,
    #[serde(skip_serializing_if = "Option::is_none")]
    likelihood: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percentile: Option<f64>,
}

/// What somebody rated it by CVSS.
#[derive(Serialize)]
struct ShownRating {
    source: String,
    version: u8,
    #[serde(skip_serializing_if = "String::is_empty")]
    vector: String,
    score: f64,
}

impl ShownVulnerability {
    /// By any of its names, in the report of a scan.
    fn find(report: &Report, vulnerability: &str) -> Option<Self> {
        let mut meant = report.findings.iter().filter(|finding| is_meant(finding, vulnerability)).peekable();
        let known = report.vulnerabilities.get(&meant.peek()?.vulnerability).cloned().unwrap_or_default();
        let names: BTreeSet<&String> =
            meant.flat_map(|finding| finding.aliases.iter().chain([&finding.vulnerability])).collect();
        let aliases = names.into_iter().filter(|name| !name.eq_ignore_ascii_case(vulnerability)).cloned().collect();
        let Vulnerability { description, references, ratings, published, modified, likelihood, percentile, .. } = known;
        let rating = |Rating { source, version, vector, score }| ShownRating { source, version, vector, score };
        Some(Self {
            aliases,
            description,
            references,
            ratings: ratings.into_iter().map(rating).collect(),
            published,
            modified,
            exploited: known.exploited.as_ref().map(Into::into),
            likelihood,
            percentile,
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ExplainedPackage {
    image_digest: String,
    #[serde(flatten)]
    package: ImagePackage,
    /// What it was built from.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_version: Option<String>,
    is_found: bool,
    /// Of the vulnerability in this package, where it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity: Option<&'static str>,
    /// Who said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    severity_source: Option<&'static str>,
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

/// Whether a finding is of a vulnerability, by any of its names.
fn is_meant(finding: &Finding, vulnerability: &str) -> bool {
    let mut names = finding.aliases.iter().chain([&finding.vulnerability]);
    names.any(|name| name.eq_ignore_ascii_case(vulnerability))
}

/// Who said how severe it is, in a word.
const fn judge(judge: Judge) -> &'static str {
    match judge {
        Judge::Vendor => "VENDOR",
        Judge::VendorCvss => "VENDOR_CVSS",
        Judge::NationalCvss => "NATIONAL_CVSS",
        Judge::Elsewhere => "ELSEWHERE",
        Judge::Nobody => "NOBODY",
    }
}

/// What is said of a package.
#[derive(Default)]
struct Said {
    is_found: bool,
    judged: Option<Judged>,
    fixed_in: Option<String>,
    evidence: Vec<Evidence>,
}

/// What is said of a vulnerability, by any of its names, in the packages of a report: by the report, and by the advisories that
/// are in force now, which also say why a package does not have it.
async fn said_of(app: &Registry, report: &Report, vulnerability: &str) -> Result<BTreeMap<usize, Said>, StoreError> {
    let mut said: BTreeMap<usize, Said> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| is_meant(finding, vulnerability)) {
        for package in &finding.packages {
            let said = said.entry(*package).or_default();
            said.is_found = true;
            said.judged = Some(finding.judged);
            said.fixed_in.clone_from(&finding.fixed_in);
            said.evidence.extend_from_slice(&finding.evidence);
        }
    }
    for (package, evidence) in advisory_index::explain(app, report, vulnerability).await? {
        let said = said.entry(package).or_default();
        if !said.evidence.contains(&evidence) {
            said.evidence.push(evidence);
        }
    }
    Ok(said)
}

/// Whether the caller may read the image's config, whose history has whatever was written into the lines that made the image.
async fn may_read_config(call: &Call<'_>, named: &NamedImage) -> Result<bool, WharfError> {
    let need = named.need(Action::EcrGetDownloadUrlForLayer);
    Ok(authorize::is_allowed(call.http, &call.caller, &need).await?)
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
        // Advisories spell it so.
        let is_cve = vulnerability.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("CVE-"));
        Ok((named, if is_cve { vulnerability.to_uppercase() } else { vulnerability }))
    }

    fn needs(_: &Call<'_>, (named, _): &Self::Checked) -> Vec<Need> {
        vec![named.need(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (named, vulnerability): Self::Checked) -> Result<Output, WharfError> {
        let found = named.find_told(call).await?;
        let may_read_config = may_read_config(call, &named).await?;
        let (mut packages, mut known) = (Vec::new(), None);
        for PlatformScan { image, report, .. } in &found.platforms {
            let Some(report) = report else { continue };
            let said = said_of(call.app, report, &vulnerability).await?;
            if said.is_empty() {
                continue;
            }
            let config = if may_read_config {
                image_config::find(call.app, &named.place, image).await?.unwrap_or_default()
            } else {
                image_config::ImageConfig::default()
            };
            known = known.or_else(|| ShownVulnerability::find(report, &vulnerability));
            for (package, Said { is_found, judged, fixed_in, evidence }) in said {
                let Some(reported) = report.packages.get(package) else { continue };
                let source = reported.package.source.as_ref();
                packages.push(ExplainedPackage {
                    image_digest: image.digest.to_string(),
                    package: ImagePackage::new(report, reported),
                    source_name: source.map(|source| source.name.clone()),
                    source_version: source.map(|source| source.version.clone()),
                    is_found,
                    severity: judged.map(|judged| judged.severity.name()),
                    severity_source: judged.map(|judged| judge(judged.by)),
                    fixed_in,
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
            known,
            packages,
        })
    }
}
