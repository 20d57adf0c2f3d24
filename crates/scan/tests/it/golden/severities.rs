//! How severe vendors, GitHub and NVD call vulnerabilities, as the folder's feeds tell: the cases hold no feed's words.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    ops::ControlFlow,
    path::Path,
};

use flate2::read::GzDecoder;
use scan::{
    advisory::{Advisory, Affected},
    ecosystem::Ecosystem,
    feeds::{self, FeedLimits, Form, Record, Scores},
};

/// What is told of some vulnerabilities.
#[derive(Default)]
pub struct Severities {
    advisories: Vec<Advisory>,
    /// What NVD rates them.
    pub scores: Vec<Scores>,
}

impl Severities {
    /// Reads what the feeds of a folder tell of these vulnerabilities.
    pub fn of(folder: &Path, ids: &BTreeSet<String>) -> Self {
        let mut told = Self::default();
        for entry in fs::read_dir(folder).expect("the folder") {
            let path = entry.expect("entry").path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let is_vendor =
                ["almalinux.", "amazon.", "ubuntu.", "rustsec.", "ghsa-"].iter().any(|start| name.starts_with(start));
            let form = match name.as_str() {
                "cvss.jsonl.gz" => Form::Cve,
                _ if is_vendor => Form::Osv,
                _ => continue,
            };
            let mut add = |record| {
                match record {
                    Record::Advisory(advisory) if advisory.head.vulnerabilities.iter().any(|id| ids.contains(id)) => {
                        told.advisories.push(*advisory);
                    }
                    Record::Scores(scores) if ids.contains(&scores.id) => told.scores.push(scores),
                    _ => {}
                }
                ControlFlow::Continue(())
            };
            let mut input = GzDecoder::new(File::open(&path).expect("a feed"));
            let report = feeds::import(form, "golden", &mut input, &FeedLimits::default(), &mut add);
            assert_eq!(report.ended, None, "{name}");
        }
        told
    }

    /// Puts to a row what its feed says of the severity, where the row itself says nothing.
    pub fn tell(&self, row: &mut Affected, id: &str) {
        row.severity = row.severity.take().or_else(|| self.word(row, id));
        let is_ours = |told: &&Advisory| {
            told.head.vulnerabilities.iter().any(|other| other == id)
                && told.affected.iter().any(|other| (other.ecosystem, &other.name) == (row.ecosystem, &row.name))
        };
        if let Some(told) = self.advisories.iter().find(is_ours).filter(|_| row.ecosystem == Ecosystem::CratesIo) {
            row.ratings.clone_from(&told.head.ratings);
        }
    }

    /// The word of the vendor for a row: of the advisory with the same fix, if the vendor has several on the vulnerability.
    fn word(&self, row: &Affected, id: &str) -> Option<String> {
        let on_it = || self.advisories.iter().filter(|told| told.head.vulnerabilities.iter().any(|other| other == id));
        if !row.ecosystem.is_distribution() {
            let of_github = on_it().find(|told| told.head.id.starts_with("GHSA-"));
            return of_github.and_then(|told| told.head.severity.clone());
        }
        let words = |is_ours: &dyn Fn(&Affected) -> bool| {
            let word = |told: &Advisory| {
                let ours = told.affected.iter().find(|other| other.ecosystem == row.ecosystem && is_ours(other))?;
                ours.severity.clone().or_else(|| told.head.severity.clone())
            };
            on_it().find_map(word)
        };
        let fixes = |row: &Affected| row.versions.fixes().map(|fix| fix.trim_start_matches("0:").to_owned()).collect();
        let own: BTreeSet<String> = fixes(row);
        words(&|other| other.release == row.release && fixes(other) == own)
            .or_else(|| words(&|other| other.release == row.release && other.name == row.name))
            .or_else(|| words(&|_| row.ecosystem == Ecosystem::Ubuntu))
    }
}
