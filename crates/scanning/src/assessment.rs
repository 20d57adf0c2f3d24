//! From the facts of an image's layers to its packages, and from these and advisories to findings.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use scan::facts::LayerFacts;
use scan::inventory::{self, ImagePackage, Inventory};
use scan::matching::{self, Answer, Assessment, Class, Match};
use scan::package::Package;
use scan::severity::Severity;

use crate::advisory_state::Places;
use crate::report::{Finding, Place, Report, ReportedPackage, ReportedProblem};

/// Packages that a report has at most: hostile images have more.
const PACKAGES: usize = 200_000;

/// What an image holds, before it is compared with anything: `facts` of its layers, from the lowest on.
pub fn inventory(layers: Vec<String>, facts: &[&LayerFacts]) -> Report {
    let Inventory { os, mut packages, problems, .. } = inventory::fold(facts);
    let too_many = (packages.len() > PACKAGES).then(|| ReportedProblem {
        layer: 0,
        path: None,
        what: format!("the image has more than {PACKAGES} packages"),
    });
    packages.truncate(PACKAGES);
    let problem =
        |problem: inventory::Problem| ReportedProblem { layer: problem.layer, path: problem.path, what: problem.what };
    // A system without packages has lost the list of them: that nothing is found in it says nothing.
    let has_lost_packages = os.as_ref().is_some_and(|os| matching::place(os).is_some())
        && !packages.iter().any(|package| package.package.kind.is_of_system());
    let lost = has_lost_packages.then(|| ReportedProblem {
        layer: 0,
        path: None,
        what: "the operating system's list of its packages is not there".to_owned(),
    });
    Report {
        end_of_life: os.as_ref().and_then(matching::end_of_life).map(str::to_owned),
        system: os,
        layers,
        packages: packages.into_iter().map(reported).collect(),
        problems: lost.into_iter().chain(too_many).chain(problems.into_iter().map(problem)).collect(),
        ..Report::default()
    }
}

fn reported(package: ImagePackage) -> ReportedPackage {
    let place = |occurrence: inventory::Occurrence| Place {
        path: occurrence.path,
        within: occurrence.within,
        owner: occurrence.owner,
    };
    ReportedPackage {
        package: package.package,
        layer: package.layer,
        places: package.occurrences.into_iter().map(place).collect(),
    }
}

/// What a report has packages of.
pub fn places(report: &Report) -> Places {
    matching::places(&report.match_input())
}

/// Notes what was found, with when it was found first by an earlier scan.
pub fn note_findings(report: &mut Report, assessment: Assessment, before: Option<&Report>, now_ms: i64) {
    let first_seen = before.map(first_seen).unwrap_or_default();
    report.skipped = assessment.skipped;
    report.problems.extend(assessment.ended.map(|what| ReportedProblem { layer: 0, path: None, what }));
    // Packages that were built from one source get their fix together.
    let mut groups: BTreeMap<(String, String, String, Option<String>), Finding> = BTreeMap::new();
    for found in assessment.matches {
        let Answer::Affected { fixed_in } = &found.answer else { continue };
        let Some(package) = report.packages.get(found.package) else { continue };
        let (name, version) = built_from(&package.package);
        let key = (found.vulnerability.clone(), name, version, fixed_in.clone());
        match groups.get_mut(&key) {
            Some(finding) => add(finding, found),
            None => drop(groups.insert(key.clone(), finding_of(key, found, &first_seen, now_ms))),
        }
    }
    report.findings = groups.into_values().collect();
    report.findings.sort_by(|one, other| {
        let rank = |finding: &Finding| (Reverse(finding.judged.severity), finding.class == Class::NotRuntime);
        let name = |finding: &Finding| (finding.vulnerability.clone(), finding.name.clone());
        rank(one).cmp(&rank(other)).then_with(|| name(one).cmp(&name(other)))
    });
}

/// The name and version of what a package was built from.
fn built_from(package: &Package) -> (String, String) {
    match &package.source {
        Some(source) if package.kind.is_of_system() => (source.name.clone(), matching::source_version(package, source)),
        Some(_) | None => (package.name.clone(), package.version.clone()),
    }
}

/// When each vulnerability of each package was found first, by names: versions change, and the finding is the same.
fn first_seen(before: &Report) -> HashMap<(&str, &str), i64> {
    let seen = |finding: &Finding| finding.first_seen_ms;
    let mut first = HashMap::new();
    for finding in &before.findings {
        let at_ms = first.entry((finding.vulnerability.as_str(), finding.name.as_str())).or_insert(seen(finding));
        *at_ms = (*at_ms).min(seen(finding));
    }
    first
}

fn finding_of(
    (vulnerability, name, version, fixed_in): (String, String, String, Option<String>),
    found: Match,
    first_seen: &HashMap<(&str, &str), i64>,
    now_ms: i64,
) -> Finding {
    Finding {
        first_seen_ms: first_seen.get(&(vulnerability.as_str(), name.as_str())).copied().unwrap_or(now_ms),
        last_seen_ms: now_ms,
        aliases: found.aliases,
        packages: vec![found.package],
        judged: found.severity,
        state: found.state,
        class: found.class,
        evidence: found.evidence,
        vulnerability,
        name,
        version,
        fixed_in,
    }
}

/// Adds another package of the same source.
fn add(finding: &mut Finding, found: Match) {
    finding.packages.push(found.package);
    if finding.judged.severity == Severity::Undefined || found.severity.severity > finding.judged.severity {
        finding.judged = found.severity;
    }
    // It may run if one of them may.
    if found.class == Class::Runtime {
        finding.class = Class::Runtime;
    }
    for alias in found.aliases {
        if !finding.aliases.contains(&alias) {
            finding.aliases.push(alias);
        }
    }
}
