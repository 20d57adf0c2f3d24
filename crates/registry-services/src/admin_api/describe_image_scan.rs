//! DescribeImageScan: how far the last scans of an image are, of all its platforms, and what they have found.

use std::collections::BTreeMap;

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::Page;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use oci::Digest;
use scan::advisory::State;
use scan::feeds::{Form, catalog};
use scan::matching::Class;
use scan::severity::best;
use scanning::image_config::{self, ImageConfig};
use scanning::report::{Finding, Report};
use scanning::scans::{FoundScans, PlatformScan, ScanError};
use serde::Serialize;

use super::errors::WharfError;
use super::image_scans::{ImagePackage, NamedImage, PagedImageMembers, ScanSummary, ShownExploited, present_counts};
use super::shapes::ImageId;

/// Tells how far the last scans of an image are, and what they have found, page by page: the exploited first, then the severe.
pub struct DescribeImageScan;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    image_id: ImageId,
    image_status: &'static str,
    scan_type: &'static str,
    platforms: Vec<Platform>,
    findings: Vec<ShownFinding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

/// An image that is scanned, and its last scan.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Platform {
    image_digest: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scan: Option<ScanSummary>,
    /// None until a scan has ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    found: Option<Found>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    finding_severity_counts: BTreeMap<&'static str, i64>,
    package_count: usize,
    skipped_package_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    operating_system: Option<OperatingSystem>,
    problems: Vec<Problem>,
    feeds: Vec<Feed>,
    /// Feeds on severities and exploits that were not there.
    missing_feeds: Vec<MissingFeed>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OperatingSystem {
    id: String,
    version: String,
    release: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_of_life: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem {
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_digest: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    reason: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Feed {
    name: String,
    revision: i64,
    checked_at: Timestamp,
    age_seconds: i64,
}

#[derive(Serialize)]
struct MissingFeed {
    name: String,
    /// What it tells of any vulnerability; none where there is no such feed any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    tells: Option<&'static str>,
}

impl MissingFeed {
    fn new(feeds: &[catalog::Feed], name: &str) -> Self {
        let known = feeds.iter().find(|feed| name.split('/').next() == Some(feed.name.as_str()));
        let tells = known.and_then(|feed| match feed.form {
            Form::Cve => Some("SEVERITY"),
            Form::Kev => Some("EXPLOITED"),
            Form::Epss => Some("LIKELIHOOD"),
            _ => None,
        });
        Self { name: name.to_owned(), tells }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownFinding {
    image_digest: String,
    vulnerability: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
    severity: &'static str,
    /// CVSS's base score, where somebody rated it.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    name: String,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    fixed_in: Option<String>,
    state: &'static str,
    class: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    exploited: Option<ShownExploited>,
    #[serde(skip_serializing_if = "Option::is_none")]
    likelihood: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    percentile: Option<f64>,
    packages: Vec<ImagePackage>,
    description: String,
    references: Vec<String>,
    first_seen_at: Timestamp,
    last_seen_at: Timestamp,
}

/// What the vendor says of the fix, in a word.
const fn state(state: State) -> &'static str {
    match state {
        State::Affected => "AFFECTED",
        State::WillNotFix => "WILL_NOT_FIX",
        State::Deferred => "DEFERRED",
        State::EndOfLife => "END_OF_LIFE",
        State::UnderInvestigation => "UNDER_INVESTIGATION",
        State::NotAffected => "NOT_AFFECTED",
    }
}

/// Whether what has it may run, in a word.
const fn class(class: Class) -> &'static str {
    match class {
        Class::Runtime => "RUNTIME",
        Class::NotRuntime => "NOT_RUNTIME",
    }
}

impl Found {
    fn new(report: &Report, of: &[catalog::Feed], now_ms: i64) -> Self {
        let system = report.system.as_ref().map(|system| OperatingSystem {
            id: system.id.clone(),
            version: system.version.clone(),
            release: system.release.clone(),
            name: system.pretty_name.clone(),
            end_of_life: report.end_of_life.clone(),
        });
        let problems = report.problems.iter().map(|problem| Problem {
            layer_digest: report.layers.get(problem.layer).cloned(),
            path: problem.path.clone(),
            reason: problem.what.clone(),
        });
        let feeds = report.feeds.iter().map(|feed| Feed {
            name: feed.name.clone(),
            revision: feed.revision,
            checked_at: Timestamp::from_ms(feed.checked_at_ms),
            age_seconds: (now_ms - feed.checked_at_ms) / 1000,
        });
        Self {
            finding_severity_counts: present_counts([&report.counts()]),
            package_count: report.packages.len(),
            skipped_package_count: report.skipped.len(),
            operating_system: system,
            problems: problems.collect(),
            feeds: feeds.collect(),
            missing_feeds: report.missing_feeds.iter().map(|name| MissingFeed::new(of, name)).collect(),
        }
    }
}

/// A finding of the list.
struct Entry<'a> {
    place: String,
    image: &'a Digest,
    report: &'a Report,
    finding: &'a Finding,
}

impl<'a> Entry<'a> {
    fn new(image: &'a Digest, report: &'a Report, finding: &'a Finding) -> Self {
        let Finding { vulnerability, name, version, judged, fixed_in, .. } = finding;
        let is_exploited = report.vulnerabilities.get(vulnerability).is_some_and(|known| known.exploited.is_some());
        let rank = judged.severity.rank();
        let (exploited, fixed) = (u8::from(!is_exploited), u8::from(fixed_in.is_none()));
        let fixed_in = fixed_in.as_deref().unwrap_or_default();
        let place = format!("{exploited} {rank} {fixed} {vulnerability} {name} {version} {fixed_in} {image}");
        Self { place, image, report, finding }
    }

    fn shown(&self) -> ShownFinding {
        let Self { image, report, finding, .. } = self;
        let known = report.vulnerabilities.get(&finding.vulnerability);
        let packages = finding.packages.iter().filter_map(|at| report.packages.get(*at));
        ShownFinding {
            image_digest: image.to_string(),
            vulnerability: finding.vulnerability.clone(),
            aliases: finding.aliases.clone(),
            severity: finding.judged.severity.name(),
            score: known.and_then(|known| best(&known.ratings)).map(|rating| rating.score),
            name: finding.name.clone(),
            version: finding.version.clone(),
            fixed_in: finding.fixed_in.clone(),
            state: state(finding.state),
            class: class(finding.class),
            exploited: known.and_then(|known| known.exploited.as_ref()).map(Into::into),
            likelihood: known.and_then(|known| known.likelihood),
            percentile: known.and_then(|known| known.percentile),
            packages: packages.map(|package| ImagePackage::new(report, package)).collect(),
            description: known.map(|known| known.description.clone()).unwrap_or_default(),
            references: known.map(|known| known.references.clone()).unwrap_or_default(),
            first_seen_at: Timestamp::from_ms(finding.first_seen_ms),
            last_seen_at: Timestamp::from_ms(finding.last_seen_ms),
        }
    }
}

/// The findings of a page, and the token of the next.
fn findings(found: &FoundScans, page: &Page<[String; 1]>) -> (Vec<ShownFinding>, Option<String>) {
    let mut entries = Vec::new();
    for PlatformScan { image, report, .. } in &found.platforms {
        let Some(report) = report else { continue };
        entries.extend(report.findings.iter().map(|finding| Entry::new(&image.digest, report, finding)));
    }
    entries.retain(|entry| entry.place > page.after[0]);
    entries.sort_by(|one, other| one.place.cmp(&other.place));
    let next_token = page.cut(&mut entries, |last| [last.place.clone()]);
    (entries.iter().map(Entry::shown).collect(), next_token)
}

impl Operation for DescribeImageScan {
    const NAME: &'static str = "DescribeImageScan";
    const ACTION: Action = Action::EcrDescribeImageScanFindings;
    const READ_ONLY: bool = true;
    type Input = PagedImageMembers;
    type Output = Output;
    type Checked = (NamedImage, Page<[String; 1]>);
    type Error = WharfError;

    fn check(call: &Call<'_>, input: PagedImageMembers) -> Result<Self::Checked, WharfError> {
        input.check(call, Self::NAME)
    }

    fn needs(_: &Call<'_>, (named, _): &Self::Checked) -> Vec<Need> {
        vec![named.need(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (named, page): Self::Checked) -> Result<Output, WharfError> {
        let app = call.app;
        let found = named.find(call).await?;
        if !found.is_archived() && !found.is_scanned() {
            return Err(named.failed(ScanError::NotScanned));
        }
        let mut platforms = Vec::with_capacity(found.platforms.len());
        for PlatformScan { image, scan, report } in &found.platforms {
            let config = image_config::find(app, &named.place, image).await?;
            platforms.push(Platform {
                image_digest: image.digest.to_string(),
                platform: config.and_then(platform),
                scan: scan.as_ref().map(Into::into),
                found: report.as_ref().map(|report| Found::new(report, &app.advisories.feeds, app.now_ms())),
            });
        }
        let (findings, next_token) = findings(&found, &page);
        let NamedImage { place, id, .. } = named;
        Ok(Output {
            registry_id: place.registry.account.to_string(),
            repository_name: place.name.to_string(),
            image_id: ImageId { image_digest: Some(found.image.digest.to_string()), image_tag: id.image_tag },
            image_status: found.image.status.as_str(),
            scan_type: found.scan_type.as_str(),
            platforms,
            findings,
            next_token,
        })
    }
}

/// As people write it: `linux/amd64`.
fn platform(config: ImageConfig) -> Option<String> {
    let ImageConfig { os, architecture, .. } = config;
    (!os.is_empty() && !architecture.is_empty()).then(|| format!("{os}/{architecture}"))
}
