//! Debian's security tracker: one large object, a source package a member, with each vulnerability's state by release.

use std::{collections::BTreeMap, io::Read, ops::ControlFlow};

use serde::Deserialize;

use super::{DETAILS_BYTES, Import, clip, is_name, json, osv_words};
use crate::{
    advisory::{Advisory, Affected, Head, NameOf, State, Versions},
    ecosystem::Ecosystem,
};

#[derive(Deserialize)]
struct Issue {
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    releases: BTreeMap<String, Release>,
}

#[derive(Deserialize)]
struct Release {
    #[serde(default)]
    status: String,
    #[serde(default)]
    fixed_version: Option<String>,
    #[serde(default)]
    urgency: Option<String>,
    #[serde(default)]
    nodsa: Option<String>,
    #[serde(default)]
    nodsa_reason: Option<String>,
}

/// The fixed version of what never was affected.
const NEVER: &str = "0";

/// The releases by their names; `sid` is what no release has yet.
const RELEASES: [(&str, &str); 10] = [
    ("wheezy", "7"),
    ("jessie", "8"),
    ("stretch", "9"),
    ("buster", "10"),
    ("bullseye", "11"),
    ("bookworm", "12"),
    ("trixie", "13"),
    ("forky", "14"),
    ("duke", "15"),
    ("sid", "sid"),
];

/// Reads the tracker, one vulnerability of a package at a time: the kernel has thousands.
pub fn read(import: &mut Import<'_>, input: &mut dyn Read) -> ControlFlow<()> {
    json::members(import, input, |import, package, id, bytes| {
        if !is_name(id) || !is_name(package) {
            import.report.broken(package, "it has no name");
            return ControlFlow::Continue(());
        }
        match json::parse(bytes) {
            Ok(issue) => give(import, package, id, issue),
            Err(why) => {
                import.report.broken(&format!("{id} {package}"), why);
                ControlFlow::Continue(())
            }
        }
    })
}

fn give(import: &mut Import<'_>, package: &str, id: &str, issue: Issue) -> ControlFlow<()> {
    let mut affected = Vec::new();
    for (name, release) in issue.releases {
        let Some((_, number)) = RELEASES.into_iter().find(|(known, _)| *known == name) else {
            import.report.skipped_rows += 1;
            continue;
        };
        affected.push(row(package, number, release));
    }
    let head = Head {
        // A vulnerability is there once for each package.
        id: format!("{id} {package}"),
        references: vec![format!("https://security-tracker.debian.org/tracker/{id}")],
        vulnerabilities: vec![id.to_owned()],
        details: clip(&issue.description.unwrap_or_default(), DETAILS_BYTES).to_owned(),
        ..Head::default()
    };
    import.advisory(Advisory { head, affected })
}

fn row(package: &str, number: &str, release: Release) -> Affected {
    let mut row = Affected::all(Ecosystem::Debian, number, package);
    row.of = NameOf::Source;
    let fixed = release.fixed_version.filter(|version| !version.is_empty());
    match (release.status.as_str(), fixed.as_deref()) {
        (_, Some(NEVER)) => row.state = State::NotAffected,
        ("resolved", Some(version)) => row.versions = Versions::before(version),
        ("undetermined", _) => row.state = State::UnderInvestigation,
        _ => row.state = State::Affected,
    }
    if row.state == State::Affected && fixed.is_none() {
        row.state = match (release.nodsa_reason.as_deref(), release.urgency.as_deref()) {
            (Some(reason), _) if !reason.is_empty() => osv_words::state(reason),
            (_, Some("end-of-life")) => State::EndOfLife,
            _ => State::Affected,
        };
    }
    row.note = release.nodsa.map(|note| clip(&note, super::SUMMARY_BYTES).to_owned());
    row.severity = release.urgency;
    row
}
