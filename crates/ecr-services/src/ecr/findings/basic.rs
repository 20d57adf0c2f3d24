//! Findings of basic scanning: one for each vulnerability and source package, with the CVSS that counts.

use std::collections::BTreeMap;

use scan::severity::{Severity, best};
use scanning::report::{Finding, Vulnerability};
use scanning::scans::FoundScans;
use serde::Serialize;

use super::{Entry, key, page_on};

/// Characters of the value of an attribute (ECR's model).
const MAX_VALUE: usize = 256;

/// `ImageScanFinding`.
#[derive(Debug, Serialize)]
pub struct ImageScanFinding {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    uri: String,
    severity: &'static str,
    attributes: Vec<Attribute>,
}

/// `Attribute`.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Attribute {
    key: String,
    value: String,
}

/// A finding of the list. Platforms of an index that have the same packages have the same findings: each is listed once.
pub struct BasicEntry<'a> {
    place: String,
    finding: &'a Finding,
    vulnerability: Option<&'a Vulnerability>,
}

/// The findings of all images that were scanned.
pub fn entries(found: &FoundScans) -> Vec<BasicEntry<'_>> {
    let reports = found.platforms.iter().filter_map(|platform| platform.report.as_ref());
    let mut entries = BTreeMap::new();
    for report in reports {
        for finding in &report.findings {
            let place = format!("{} {}", finding.judged.severity.rank(), key(finding));
            let vulnerability = report.vulnerabilities.get(&finding.vulnerability);
            entries.entry(place.clone()).or_insert(BasicEntry { place, finding, vulnerability });
        }
    }
    entries.into_values().collect()
}

impl Entry for BasicEntry<'_> {
    fn place(&self) -> &str {
        &self.place
    }

    fn severity(&self) -> Severity {
        self.finding.judged.severity
    }
}

impl BasicEntry<'_> {
    /// As the answer has it.
    pub fn finding(&self) -> ImageScanFinding {
        let Finding { vulnerability, name, version, judged, .. } = self.finding;
        let known = self.vulnerability;
        let mut attributes = Vec::new();
        let mut add = |key: &str, value: &str| {
            let value: String = value.chars().take(MAX_VALUE).collect();
            if !value.is_empty() {
                attributes.push(Attribute { key: key.to_owned(), value });
            }
        };
        add("package_name", name);
        add("package_version", version);
        if let Some(rating) = known.and_then(|known| best(&known.ratings)) {
            add(&format!("CVSS{}_SCORE", rating.version), &format!("{:.1}", rating.score));
            add(&format!("CVSS{}_VECTOR", rating.version), &rating.vector);
        }
        ImageScanFinding {
            name: vulnerability.clone(),
            description: known.map(|known| known.description.clone()).filter(|text| !text.is_empty()),
            uri: known.and_then(|known| known.references.first().cloned()).unwrap_or_else(|| page_on(vulnerability)),
            severity: judged.severity.name(),
            attributes,
        }
    }
}
