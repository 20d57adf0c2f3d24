//! The shapes of scans and of what they found (reference/scanning.md 3).

pub mod basic;
pub mod enhanced;
mod vulnerable_package;

use std::collections::BTreeMap;

use aws::Timestamp;
use scan::severity::Severity;
use scanning::judgement::{ACTIVE, COMPLETE};
use scanning::report::Finding;
use scanning::scans::FoundScans;
use serde::Serialize;
use store::tables::image_scans::{ImageScan, ScanStatus};
use store::tables::scanning_configurations::ScanType;

use basic::ImageScanFinding;
use enhanced::EnhancedImageScanFinding;

/// `ImageScanStatus`.
#[derive(Debug, Serialize)]
pub struct ImageScanStatus {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
}

impl ImageScanStatus {
    /// Of a status of the model.
    pub fn new(status: &'static str, description: Option<String>) -> Self {
        Self { status, description }
    }

    /// Of an image: how far the scan is that keeps the others from being told.
    pub fn of(found: &FoundScans) -> Self {
        if found.is_archived() {
            return Self::new("IMAGE_ARCHIVED", Some("The image is archived.".to_owned()));
        }
        match found.deciding() {
            Some(scan) => Self::of_scan(found.scan_type, scan),
            // Others of the same index have been asked for.
            None => Self::new(waiting(found.scan_type), None),
        }
    }

    fn of_scan(scan_type: ScanType, scan: &ImageScan) -> Self {
        let status = match scan.status {
            ScanStatus::Pending => waiting(scan_type),
            other => other.as_str(),
        };
        let usual = match scan.status {
            ScanStatus::Complete => Some(COMPLETE),
            ScanStatus::Active => Some(ACTIVE),
            ScanStatus::Pending | ScanStatus::InProgress | ScanStatus::Failed | ScanStatus::UnsupportedImage => None,
        };
        Self::new(status, scan.description.clone().or_else(|| usual.map(str::to_owned)))
    }
}

/// What a scan is that waits for its turn: only enhanced scanning has a word for that.
const fn waiting(scan_type: ScanType) -> &'static str {
    match scan_type {
        ScanType::Basic => ScanStatus::InProgress.as_str(),
        ScanType::Enhanced => ScanStatus::Pending.as_str(),
    }
}

/// `ImageScanFindings`.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageScanFindings {
    #[serde(skip_serializing_if = "Option::is_none")]
    image_scan_completed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vulnerability_source_updated_at: Option<Timestamp>,
    finding_severity_counts: BTreeMap<&'static str, usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    findings: Option<Vec<ImageScanFinding>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enhanced_findings: Option<Vec<EnhancedImageScanFinding>>,
}

impl ImageScanFindings {
    /// Of scans that have all ended: when the last of them did, and how old the oldest advisories were.
    pub fn of(found: &FoundScans) -> Self {
        let scans = || found.platforms.iter().filter_map(|platform| platform.scan.as_ref());
        Self {
            image_scan_completed_at: scans().filter_map(|scan| scan.ended_at_ms).max().map(Timestamp::from_ms),
            vulnerability_source_updated_at: scans()
                .filter_map(|scan| scan.source_updated_at_ms)
                .min()
                .map(Timestamp::from_ms),
            ..Self::default()
        }
    }

    /// Counts all findings of the image, whatever the page has. Severities that none is of are left out.
    pub fn count(&mut self, all: &[impl Entry]) {
        for entry in all {
            *self.finding_severity_counts.entry(entry.severity().name()).or_default() += 1;
        }
    }

    /// With a page of findings.
    #[must_use]
    pub fn with_basic(self, findings: Vec<ImageScanFinding>) -> Self {
        Self { findings: Some(findings), ..self }
    }

    /// The same of enhanced ones. Where there are none, ECR has shown an empty list of the others.
    #[must_use]
    pub fn with_enhanced(self, findings: Vec<EnhancedImageScanFinding>) -> Self {
        let none = findings.is_empty().then(Vec::new);
        Self { findings: none, enhanced_findings: Some(findings), ..self }
    }
}

/// A finding as a list of them has it.
pub trait Entry {
    /// Its place in the list: what sorts before is listed before.
    fn place(&self) -> &str;
    /// How severe it is.
    fn severity(&self) -> Severity;
}

/// What tells a finding from the others of its image: one vulnerability of one package may have several fixes.
fn key(finding: &Finding) -> String {
    let Finding { vulnerability, name, version, fixed_in, .. } = finding;
    match fixed_in {
        Some(fixed_in) => format!("{vulnerability} {name} {version} {fixed_in}"),
        None => format!("{vulnerability} {name} {version}"),
    }
}

/// The page on a vulnerability, where no feed names one.
fn page_on(vulnerability: &str) -> String {
    if vulnerability.starts_with("CVE-") {
        return format!("https://cve.mitre.org/cgi-bin/cvename.cgi?name={vulnerability}");
    }
    if vulnerability.starts_with("GHSA-") {
        return format!("https://github.com/advisories/{vulnerability}");
    }
    format!("https://osv.dev/vulnerability/{vulnerability}")
}
