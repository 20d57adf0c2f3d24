//! What a scan has found of an image: its packages, and what advisories say of them; and the form in which it is stored.

use std::collections::{BTreeMap, BTreeSet};

use scan::advisory::{Rating, State};
use scan::matching::{Class, Evidence, InputPackage, MatchInput, Skipped};
use scan::os::Os;
use scan::package::Package;
use scan::severity::{Judged, Severity};
use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::tables::image_scans::{ScanStatus, SeverityCounts};

mod stored;

pub use stored::FirstSeen;

/// What a scan has found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The operating system; none where nothing tells of one.
    pub system: Option<Os>,
    /// The last day on which the system's release gets fixes for everyone (`2026-06-30`), if it is known.
    pub end_of_life: Option<String>,
    /// The digests of the image's layers, from the lowest on.
    pub layers: Vec<String>,
    /// All packages.
    pub packages: Vec<ReportedPackage>,
    /// The findings, the most severe first.
    pub findings: Vec<Finding>,
    /// What vulnerabilities are, by their names: those that findings are of.
    pub vulnerabilities: BTreeMap<String, Vulnerability>,
    /// Why parts of the image were not analysed, in words for people.
    pub problems: Vec<ReportedProblem>,
    /// Packages that were compared with nothing, and why.
    pub skipped: Vec<Skipped>,
    /// The advisories that it was compared with.
    pub feeds: Vec<UsedFeed>,
    /// Feeds on vulnerabilities whoever has them (severities, exploits) that were not there: what they tell is not known.
    #[serde(default)]
    pub missing_feeds: Vec<String>,
}

/// A package of an image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReportedPackage {
    /// The package.
    #[serde(flatten)]
    pub package: Package,
    /// The layer that brought it, by its place in [`Report::layers`].
    pub layer: usize,
    /// The files that tell of it.
    pub places: Vec<Place>,
}

/// A file that tells of a package.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// Its path, without a slash in front.
    pub path: String,
    /// The path in the file, of a package that an archive within it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// The package of the operating system that owns the file, if the package is one of a language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

impl Place {
    /// The path of the file, and in it, as people read it.
    pub fn whole_path(&self) -> String {
        match &self.within {
            Some(within) => format!("{}/{within}", self.path),
            None => self.path.clone(),
        }
    }
}

/// A vulnerability that packages of the image have which were built from one source: they get their fix together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// The vulnerability: its CVE where it has one.
    pub vulnerability: String,
    /// Its other names, and the ids of the advisories on it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The name of what they were built from: that of their source package where they have one, else their own.
    pub name: String,
    /// The version of that.
    pub version: String,
    /// The packages, by their places in [`Report::packages`].
    pub packages: Vec<usize>,
    /// How severe it is, and who said so.
    #[serde(flatten)]
    pub judged: Judged,
    /// The version that fixes it, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed_in: Option<String>,
    /// What its vendor says of the fix.
    pub state: State,
    /// What sort of package it is in.
    pub class: Class,
    /// The records that were looked at, the one that decided first.
    pub evidence: Vec<Evidence>,
    /// When a scan found it in this image first.
    pub first_seen_ms: i64,
    /// When a scan found it last.
    pub last_seen_ms: i64,
}

/// What a vulnerability is, as far as advisories in force say.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Vulnerability {
    /// One sentence on it, or more.
    pub description: String,
    /// Pages on it, the feed's own first.
    pub references: Vec<String>,
    /// What it is rated by CVSS, by whoever rated it.
    pub ratings: Vec<Rating>,
    /// When it was published, as the deciding feed writes it.
    pub published: Option<String>,
    /// When that was changed last, as the feed writes it.
    pub modified: Option<String>,
    /// The vendor's word on the severity.
    pub vendor_severity: Option<String>,
    /// What is known of its being exploited.
    pub exploited: Option<Exploited>,
    /// How probably it is exploited within 30 days, from 0 to 1.
    pub likelihood: Option<f64>,
    /// The share of vulnerabilities that are not more probably exploited.
    pub percentile: Option<f64>,
}

/// That a vulnerability is known to be exploited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exploited {
    /// The day on which this was made known.
    pub added: String,
    /// The day until which it has to be fixed.
    pub due: String,
    /// Whether ransomware is known to use it.
    pub is_ransomware: bool,
}

/// Why a part of an image was not analysed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedProblem {
    /// The layer, by its place in [`Report::layers`].
    pub layer: usize,
    /// The file, where it is about one.
    pub path: Option<String>,
    /// The reason, in words for people.
    pub what: String,
}

impl ReportedProblem {
    fn words(&self) -> String {
        match &self.path {
            Some(path) if !self.what.contains(path.as_str()) => format!("{path}: {}", self.what),
            Some(_) | None => self.what.clone(),
        }
    }
}

/// A feed that an image was compared with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UsedFeed {
    /// Its name.
    pub name: String,
    /// The revision.
    pub revision: i64,
    /// When it was last seen to be current.
    pub checked_at_ms: i64,
}

/// Problems that are told in one sentence.
const SHOWN_PROBLEMS: usize = 5;
impl Report {
    /// The form in which it is stored. None if it is larger than what is kept.
    pub fn to_bytes(&self) -> Result<Option<Vec<u8>>, StoreError> {
        stored::to_bytes(self, stored::MOST_WRITTEN)
    }

    /// Reads what [`to_bytes`](Self::to_bytes) wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        stored::from_bytes(bytes)
    }

    /// How long what [`to_bytes`](Self::to_bytes) wrote is unpacked.
    pub fn unpacked_bytes(bytes: &[u8]) -> u64 {
        let packed = bytes.get(1..).unwrap_or_default();
        // What does not say is none of ours, and is found to be damaged when it is read.
        zstd::zstd_safe::get_frame_content_size(packed).ok().flatten().unwrap_or_default()
    }

    /// How many findings there are of each severity.
    pub fn counts(&self) -> SeverityCounts {
        let mut counts = SeverityCounts::default();
        for finding in &self.findings {
            *match finding.judged.severity {
                Severity::Critical => &mut counts.critical,
                Severity::High => &mut counts.high,
                Severity::Medium => &mut counts.medium,
                Severity::Low => &mut counts.low,
                Severity::Informational => &mut counts.informational,
                Severity::Undefined => &mut counts.undefined,
            } += 1;
        }
        counts
    }

    /// What is told of a scan that ended so, with what it found: one that could not read a whole layer, or reached a bound, must
    /// not look clean, nor one that found nothing in what it could read.
    pub fn told_status(&self, ended: ScanStatus) -> ScanStatus {
        let is_of_more_than_files = self.problems.iter().any(|problem| problem.path.is_none());
        let is_nothing_known = !self.problems.is_empty() && self.findings.is_empty();
        match ended {
            ScanStatus::Complete | ScanStatus::Active if is_of_more_than_files || is_nothing_known => {
                ScanStatus::Failed
            }
            other => other,
        }
    }

    /// What could not be read, in words for people; none if there is nothing.
    pub fn problem_words(&self) -> Option<String> {
        let shown: BTreeSet<String> = self.problems.iter().take(SHOWN_PROBLEMS).map(ReportedProblem::words).collect();
        let more = match self.problems.len().saturating_sub(SHOWN_PROBLEMS) {
            0 => String::new(),
            more => format!("; and {more} more"),
        };
        let shown: Vec<String> = shown.into_iter().collect();
        (!shown.is_empty()).then(|| format!("The image was analysed in part: {}{more}.", shown.join("; ")))
    }

    /// What is compared with advisories, of whose packages [`Finding::packages`] counts the places.
    pub fn match_input(&self) -> MatchInput {
        let packages = self.packages.iter().map(|reported| InputPackage {
            package: reported.package.clone(),
            paths: reported.places.iter().map(|place| place.path.clone()).collect(),
            // One that the system brought in one place and somebody else in another is no package of the system.
            owner: match reported.places.split_first() {
                Some((first, others)) if others.iter().all(|place| place.owner.is_some()) => first.owner.clone(),
                _ => None,
            },
        });
        MatchInput { system: self.system.clone(), packages: packages.collect() }
    }
}

#[cfg(test)]
mod tests {
    use scan::package::PackageKind;
    use scan::severity::Judge;
    use store::error::StoreErrorKind;

    use super::*;

    fn package(name: &str, owners: &[Option<&str>]) -> ReportedPackage {
        let place = |owner: Option<&str>| Place {
            path: "usr/lib/python3/x".to_owned(),
            within: None,
            owner: owner.map(str::to_owned),
        };
        ReportedPackage {
            package: Package::installed(PackageKind::Python, name, "1.0"),
            layer: 0,
            places: owners.iter().copied().map(place).collect(),
        }
    }

    fn report() -> Report {
        let finding = |severity, package| Finding {
            vulnerability: "CVE-2026-1".to_owned(),
            aliases: vec!["GHSA-1".to_owned()],
            name: "name".to_owned(),
            version: "1.0".to_owned(),
            packages: vec![package],
            judged: Judged { severity, by: Judge::Vendor },
            fixed_in: Some("2.0".to_owned()),
            state: State::Affected,
            class: Class::Runtime,
            evidence: Vec::new(),
            first_seen_ms: 1,
            last_seen_ms: 2,
        };
        Report {
            system: Some(Os::named("debian", "12", "Debian")),
            layers: vec!["sha256:0".to_owned()],
            packages: vec![
                package("owned", &[Some("python3-owned")]),
                package("both", &[Some("python3-both"), None]),
                package("free", &[None]),
            ],
            findings: vec![
                finding(Severity::Critical, 0),
                finding(Severity::Undefined, 1),
                finding(Severity::Critical, 2),
            ],
            ..Report::default()
        }
    }

    #[test]
    fn a_report_comes_back_as_it_was() {
        let bytes = report().to_bytes().expect("it can be written").expect("it is small");
        assert_eq!(Report::from_bytes(&bytes).expect("it can be read"), report());
        let json = serde_json::to_vec(&report()).expect("JSON");
        assert_eq!(Report::unpacked_bytes(&bytes), json.len() as u64);
        assert_eq!(Report::unpacked_bytes(&bytes[..1]), 0);
        for damaged in [&bytes[..bytes.len() - 1], &bytes[1..], &[], &[1], &[2, 1, 1]] {
            let error = Report::from_bytes(damaged).expect_err("it is damaged");
            assert_eq!(error.kind(), StoreErrorKind::Corrupt);
        }
    }

    #[test]
    fn what_was_read_in_part_never_looks_clean() {
        use ScanStatus::{Active, Complete, Failed, UnsupportedImage};

        let problem = |path: Option<&str>, what: &str| ReportedProblem {
            layer: 0,
            path: path.map(str::to_owned),
            what: what.to_owned(),
        };
        let (file, layer) = (problem(Some("a/package.json"), "it is no JSON"), problem(None, "the layer ends early"));
        for (problems, has_findings, complete) in [
            (vec![], true, Complete),
            (vec![], false, Complete),
            (vec![file.clone()], true, Complete),
            (vec![file.clone()], false, Failed),
            (vec![layer.clone()], true, Failed),
            (vec![file.clone(), layer.clone()], true, Failed),
        ] {
            let mut told = Report { problems: problems.clone(), ..report() };
            if !has_findings {
                told.findings.clear();
            }
            assert_eq!(told.told_status(Complete), complete, "{problems:?}");
            assert_eq!(told.told_status(Active) == Failed, complete == Failed, "{problems:?}");
            assert_eq!(told.told_status(UnsupportedImage), UnsupportedImage);
        }
        let words = |problems| Report { problems, ..Report::default() }.problem_words();
        assert_eq!(words(Vec::new()), None);
        let both = "The image was analysed in part: a/package.json: it is no JSON; the layer ends early.";
        assert_eq!(words(vec![layer, file.clone()]).as_deref(), Some(both));
        let many = (0..7).map(|number| problem(Some(&number.to_string()), "it is no JSON")).collect();
        assert!(words(many).is_some_and(|text| text.ends_with("; and 2 more.")));
    }

    #[test]
    fn findings_are_counted_by_severity() {
        assert_eq!(report().counts(), SeverityCounts { critical: 2, undefined: 1, ..SeverityCounts::default() });
    }

    #[test]
    fn a_package_is_the_systems_if_all_its_files_are() {
        let owners: Vec<Option<String>> =
            report().match_input().packages.into_iter().map(|package| package.owner).collect();
        assert_eq!(owners, [Some("python3-owned".to_owned()), None, None]);
    }
}
