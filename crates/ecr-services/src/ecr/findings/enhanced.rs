//! Findings of enhanced scanning, as Inspector writes them: one for each image, vulnerability and source package.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws::Timestamp;
use oci::Digest;
use registry::Registry;
use registry::images::errors::RegistryError;
use scan::os::{Family, Os};
use scan::severity::{Severity, best};
use scanning::image_config::{self, ImageConfig};
use scanning::report::{Finding, Report, Vulnerability};
use scanning::scans::{FoundScans, PlatformScan};
use serde::Serialize;
use store::error::StoreError;
use store::tables::image_tags;
use store::tables::repositories::RepositoryRef;

use super::vulnerable_package::{self, VulnerablePackage};
use super::{Entry, key, page_on};

/// What Inspector says where it has no advice.
const NO_ADVICE: &str = "None Provided";

/// `EnhancedImageScanFinding`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EnhancedImageScanFinding {
    aws_account_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    finding_arn: String,
    first_observed_at: Timestamp,
    last_observed_at: Timestamp,
    updated_at: Timestamp,
    package_vulnerability_details: PackageVulnerabilityDetails,
    remediation: Remediation,
    resources: Vec<Resource>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score_details: Option<ScoreDetails>,
    severity: &'static str,
    status: &'static str,
    title: String,
    #[serde(rename = "type")]
    kind: &'static str,
    fix_available: &'static str,
    exploit_available: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct PackageVulnerabilityDetails {
    cvss: Vec<CvssScore>,
    reference_urls: Vec<String>,
    related_vulnerabilities: Vec<String>,
    source: String,
    source_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_created_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_severity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vendor_updated_at: Option<Timestamp>,
    vulnerability_id: String,
    vulnerable_packages: Vec<VulnerablePackage>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CvssScore {
    base_score: f64,
    scoring_vector: String,
    source: String,
    version: String,
}

#[derive(Debug, Serialize)]
struct Remediation {
    recommendation: Recommendation,
}

#[derive(Debug, Serialize)]
struct Recommendation {
    text: String,
}

#[derive(Debug, Serialize)]
struct ScoreDetails {
    cvss: CvssScoreDetails,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct CvssScoreDetails {
    adjustments: [(); 0],
    score: f64,
    score_source: String,
    scoring_vector: String,
    version: String,
}

#[derive(Clone, Debug, Serialize)]
struct Resource {
    details: ResourceDetails,
    id: String,
    #[serde(rename = "type")]
    kind: &'static str,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceDetails {
    aws_ecr_container_image: ContainerImage,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerImage {
    #[serde(skip_serializing_if = "Option::is_none")]
    architecture: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    image_hash: String,
    image_tags: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    pushed_at: Timestamp,
    registry: String,
    repository_name: String,
}

/// The images that findings are of, as findings name them, by their places in [`FoundScans::platforms`].
pub struct Resources(BTreeMap<usize, Resource>);

impl Resources {
    /// Of the images that the entries of a page are of.
    pub async fn find(
        app: &Arc<Registry>,
        place: &RepositoryRef,
        found: &FoundScans,
        entries: &[EnhancedEntry<'_>],
    ) -> Result<Self, RegistryError> {
        let named: BTreeSet<usize> = entries.iter().map(|entry| entry.platform).collect();
        let mut resources = BTreeMap::new();
        for (at, PlatformScan { image, report, .. }) in found.platforms.iter().enumerate() {
            if !named.contains(&at) {
                continue;
            }
            let config = image_config::find(app, place, image).await?.unwrap_or_default();
            let image_id = image.id;
            let tags = app.db.read_point(move |tx| image_tags::list_of_image(tx, image_id)).await;
            let image_tags = tags.map_err(|error: StoreError| RegistryError::from(error))?;
            let given = |text: String| Some(text).filter(|text| !text.is_empty());
            let ImageConfig { architecture, author, .. } = config;
            let details = ContainerImage {
                architecture: given(architecture),
                author: given(author),
                image_hash: image.digest.to_string(),
                image_tags,
                platform: report.as_ref().and_then(|report| report.system.as_ref()).map(platform),
                pushed_at: Timestamp::from_ms(image.pushed_at_ms),
                registry: place.registry.account.to_string(),
                repository_name: place.name.to_string(),
            };
            let resource = Resource {
                details: ResourceDetails { aws_ecr_container_image: details },
                id: format!("{}/{}", place.registry.repository_arn(place.name.as_str()), image.digest),
                kind: "AWS_ECR_CONTAINER_IMAGE",
            };
            resources.insert(at, resource);
        }
        Ok(Self(resources))
    }
}

/// The operating system as Inspector names it: `DEBIAN_12`, `AMAZON_LINUX_2`, `UBUNTU_22_04`.
fn platform(system: &Os) -> String {
    let name = match system.family {
        Family::Amazon => "AMAZON_LINUX",
        Family::RedHat => "RHEL",
        Family::Alma => "ALMALINUX",
        Family::Rocky => "ROCKY_LINUX",
        Family::Oracle => "ORACLE_LINUX",
        Family::Sles => "SLES",
        Family::Leap => "OPENSUSE_LEAP",
        Family::Photon => "PHOTON_OS",
        Family::AzureLinux
        | Family::Alpine
        | Family::Debian
        | Family::Ubuntu
        | Family::CentOs
        | Family::CentOsStream
        | Family::Fedora
        | Family::SlMicro
        | Family::Tumbleweed
        | Family::Wolfi
        | Family::Chainguard
        | Family::MinimOs
        | Family::Unknown => system.id.as_str(),
    };
    let release = if system.release.is_empty() { &system.version } else { &system.release };
    let text = format!("{name}_{}", release.trim_start_matches('v'));
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' };
    text.trim_end_matches('_').chars().map(plain).collect()
}

/// The source of a vulnerability as Inspector names it, by the feed that decided.
fn source(feed: &str) -> String {
    let known = [
        ("alpine", "ALPINE"),
        ("debian", "DEBIAN_CVE"),
        ("ubuntu", "UBUNTU_CVE"),
        ("redhat", "REDHAT_CVE"),
        ("almalinux", "ALMALINUX_CVE"),
        ("rocky", "ROCKY_CVE"),
        ("oracle", "ORACLE_CVE"),
        ("amazon", "AMAZON_LINUX"),
        ("opensuse", "SUSE_CVE"),
        ("suse", "SUSE_CVE"),
        ("photon", "PHOTON"),
        ("osv", "GITHUB"),
    ];
    let found = known.iter().find(|(prefix, _)| feed.starts_with(prefix));
    found.map_or_else(|| feed.to_ascii_uppercase().replace('-', "_"), |(_, name)| (*name).to_owned())
}

/// A finding of the list.
pub struct EnhancedEntry<'a> {
    place: String,
    platform: usize,
    image: &'a Digest,
    report: &'a Report,
    finding: &'a Finding,
}

/// The findings of all images that were scanned: the severe first, of these those that are known to be exploited.
pub fn entries(found: &FoundScans) -> Vec<EnhancedEntry<'_>> {
    let mut entries = Vec::new();
    for (platform, scanned) in found.platforms.iter().enumerate() {
        let Some(report) = &scanned.report else { continue };
        for finding in &report.findings {
            let known = report.vulnerabilities.get(&finding.vulnerability);
            let is_exploited = known.is_some_and(|known| known.exploited.is_some());
            let image = &scanned.image.digest;
            let (rank, exploited) = (finding.judged.severity.rank(), u8::from(!is_exploited));
            let place = format!("{rank} {exploited} {} {image}", key(finding));
            entries.push(EnhancedEntry { place, platform, image, report, finding });
        }
    }
    entries
}

impl Entry for EnhancedEntry<'_> {
    fn place(&self) -> &str {
        &self.place
    }

    fn severity(&self) -> Severity {
        self.finding.judged.severity
    }
}

impl EnhancedEntry<'_> {
    /// As the answer has it.
    pub fn finding(&self, place: &RepositoryRef, resources: &Resources) -> EnhancedImageScanFinding {
        let Self { report, finding, image, .. } = self;
        let nothing = Vulnerability::default();
        let known = report.vulnerabilities.get(&finding.vulnerability).unwrap_or(&nothing);
        let rating = best(&known.ratings);
        let names: BTreeSet<&str> = finding
            .packages
            .iter()
            .filter_map(|at| report.packages.get(*at))
            .map(|reported| reported.package.name.as_str())
            .collect();
        let names: Vec<&str> = names.into_iter().collect();
        EnhancedImageScanFinding {
            aws_account_id: place.registry.account.to_string(),
            description: Some(known.description.clone()).filter(|text| !text.is_empty()),
            finding_arn: arn(place, image, finding),
            first_observed_at: Timestamp::from_ms(finding.first_seen_ms),
            last_observed_at: Timestamp::from_ms(finding.last_seen_ms),
            updated_at: Timestamp::from_ms(finding.last_seen_ms),
            package_vulnerability_details: self.details(known),
            remediation: Remediation { recommendation: Recommendation { text: advice(finding) } },
            resources: resources.0.get(&self.platform).cloned().into_iter().collect(),
            score: rating.map(|rating| rating.score),
            score_details: rating.map(|rating| ScoreDetails {
                cvss: CvssScoreDetails {
                    adjustments: [],
                    score: rating.score,
                    score_source: rating.source.clone(),
                    scoring_vector: rating.vector.clone(),
                    version: version_of(rating),
                },
            }),
            severity: finding.judged.severity.name(),
            status: "ACTIVE",
            title: format!("{} - {}", finding.vulnerability, names.join(", ")),
            kind: "PACKAGE_VULNERABILITY",
            fix_available: if finding.fixed_in.is_some() { "YES" } else { "NO" },
            exploit_available: if known.exploited.is_some() { "YES" } else { "NO" },
        }
    }

    fn details(&self, known: &Vulnerability) -> PackageVulnerabilityDetails {
        let Self { report, finding, .. } = self;
        let time = |text: &Option<String>| text.as_deref().and_then(aws::time::parse_iso8601).map(Timestamp::from_ms);
        let source_url = known.references.first().cloned().unwrap_or_else(|| page_on(&finding.vulnerability));
        PackageVulnerabilityDetails {
            cvss: known
                .ratings
                .iter()
                .map(|rating| CvssScore {
                    base_score: rating.score,
                    scoring_vector: rating.vector.clone(),
                    source: rating.source.clone(),
                    version: version_of(rating),
                })
                .collect(),
            reference_urls: known.references.clone(),
            related_vulnerabilities: finding.aliases.clone(),
            source: finding.evidence.first().map_or_else(|| "NVD".to_owned(), |evidence| source(&evidence.source)),
            source_url,
            vendor_created_at: time(&known.published),
            vendor_severity: known.vendor_severity.clone(),
            vendor_updated_at: time(&known.modified),
            vulnerability_id: finding.vulnerability.clone(),
            vulnerable_packages: vulnerable_package::of(report, finding),
        }
    }
}

/// The version of CVSS as a vector says it: `3.1`.
fn version_of(rating: &scan::advisory::Rating) -> String {
    let named = rating.vector.strip_prefix("CVSS:").and_then(|rest| rest.split_once('/'));
    named.map_or_else(|| format!("{}.0", rating.version), |(version, _)| version.to_owned())
}

fn advice(finding: &Finding) -> String {
    match &finding.fixed_in {
        Some(version) => format!("Update {} to version {version}", finding.name),
        None => NO_ADVICE.to_owned(),
    }
}

/// The name of a finding: the same whenever the image is scanned.
fn arn(place: &RepositoryRef, image: &Digest, finding: &Finding) -> String {
    let registry = &place.registry;
    let what = format!("{}/{image} {}", registry.repository_arn(place.name.as_str()), key(finding));
    let id: String = Digest::sha256_of(what.as_bytes()).hex().chars().take(32).collect();
    let (partition, region) = (registry.region.partition(), &registry.region);
    format!("arn:{partition}:inspector2:{region}:{}:finding/{id}", registry.account)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_as_inspector_names_them() {
        for (id, version, name) in [
            ("debian", "12", "DEBIAN_12"),
            ("ubuntu", "22.04", "UBUNTU_22_04"),
            ("amzn", "2", "AMAZON_LINUX_2"),
            ("amzn", "2023", "AMAZON_LINUX_2023"),
            ("alpine", "3.20.3", "ALPINE_3_20"),
            ("rhel", "9.4", "RHEL_9"),
            ("rocky", "9.4", "ROCKY_LINUX_9"),
            ("wolfi", "", "WOLFI"),
        ] {
            assert_eq!(platform(&Os::named(id, version, "")), name);
        }
    }

    #[test]
    fn feeds_as_inspector_names_them() {
        for (feed, name) in [
            ("debian", "DEBIAN_CVE"),
            ("ubuntu-vex", "UBUNTU_CVE"),
            ("redhat-osv", "REDHAT_CVE"),
            ("amazon-2-extras", "AMAZON_LINUX"),
            ("osv-npm", "GITHUB"),
            ("our-own", "OUR_OWN"),
        ] {
            assert_eq!(source(feed), name);
        }
    }
}
