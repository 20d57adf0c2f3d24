//! Photon's list of CVEs: package, score, and the version that resolves it.

use std::{io::Read, ops::ControlFlow};

use serde::Deserialize;
use serde_json::Value;

use super::{Import, is_cve, is_name, json, reckoning::Weights};
use crate::{
    advisory::{Advisory, Affected, Head, Rating, Versions},
    ecosystem::Ecosystem,
};

#[derive(Deserialize)]
struct Entry {
    #[serde(default)]
    os_version: Option<String>,
    cve_id: String,
    pkg: String,
    #[serde(default)]
    cve_score: Value,
    #[serde(default)]
    aff_ver: Option<String>,
    #[serde(default)]
    res_ver: Option<String>,
}

/// Reads the list.
pub fn read(import: &mut Import<'_>, input: &mut dyn Read) -> ControlFlow<()> {
    json::values(import, input, Weights::OF_VALUES, |import, bytes| match json::parse::<Entry>(bytes) {
        Ok(entry) => give(import, entry),
        Err(why) => {
            import.report.broken("an entry", why);
            ControlFlow::Continue(())
        }
    })
}

fn give(import: &mut Import<'_>, entry: Entry) -> ControlFlow<()> {
    let version = |text: Option<String>| text.filter(|text| text.starts_with(|first: char| first.is_ascii_digit()));
    let resolved = version(entry.res_ver);
    let all = entry.aff_ver.unwrap_or_default();
    let built_for = || resolved.as_deref().or(Some(&all)).and_then(release);
    let release = entry.os_version.or_else(|| import.about.release.map(str::to_owned)).or_else(built_for);
    let (Some(release), true) = (release, is_name(&entry.pkg) && is_name(&entry.cve_id) && is_cve(&entry.cve_id))
    else {
        import.report.broken(&entry.cve_id, "it names no release, package or CVE");
        return ControlFlow::Continue(());
    };
    let mut row = Affected::all(Ecosystem::Photon, release.clone(), entry.pkg.clone());
    row.of = crate::advisory::NameOf::Either;
    if let Some(resolved) = resolved {
        row.versions = Versions::before(resolved);
    }
    let score = entry.cve_score.as_f64().or_else(|| entry.cve_score.as_str()?.parse().ok());
    let rating = |score| Rating { source: "Photon".to_owned(), version: 3, vector: String::new(), score };
    let head = Head {
        id: format!("{} {release} {}", entry.cve_id, entry.pkg),
        vulnerabilities: vec![entry.cve_id],
        ratings: score.filter(|score| (0.0..=10.0).contains(score)).map(rating).into_iter().collect(),
        ..Head::default()
    };
    import.advisory(Advisory { head, affected: vec![row] })
}

/// The release that a version was built for: `8.5.40-1.ph3` is of 3.0.
fn release(text: &str) -> Option<String> {
    let number = text.rsplit_once(".ph")?.1.split(' ').next()?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{number}.0"))
}
