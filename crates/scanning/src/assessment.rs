//! From the facts of an image's layers to its packages, and from these and advisories to findings.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use scan::facts::LayerFacts;
use scan::inventory::{self, ImagePackage, Inventory};
use scan::matching::{self, Answer, Assessment, Class, Match, Skipped};
use scan::package::Package;
use scan::severity::Severity;

use crate::advisory_state::Places;
use crate::report::{Finding, FirstSeen, Place, Report, ReportedPackage, ReportedProblem};

/// Packages that a report has at most, each version once: hostile images have more.
const PACKAGES: usize = 50_000;

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

/// What comparing packages with advisories came to.
pub struct Found {
    /// The findings, the most severe first.
    pub findings: Vec<Finding>,
    /// Packages that were compared with nothing, and why.
    pub skipped: Vec<Skipped>,
    /// Why it ended before the last package, if it did.
    pub problem: Option<ReportedProblem>,
    /// What there are packages of, but no advisories.
    pub uncovered: Places,
}

/// What was found of a report's packages, with when it was found first by an earlier scan.
pub fn found(packages: &[ReportedPackage], assessment: Assessment, before: &FirstSeen, now_ms: i64) -> Found {
    let problem = assessment.ended.map(|what| ReportedProblem { layer: 0, path: None, what });
    // Packages that were built from one source get their fix together.
    let mut groups: BTreeMap<(String, String, String, Option<String>), Finding> = BTreeMap::new();
    for found in assessment.matches {
        let Answer::Affected { fixed_in } = &found.answer else { continue };
        let Some(package) = packages.get(found.package) else { continue };
        let (name, version) = built_from(&package.package);
        let key = (found.vulnerability.clone(), name, version, fixed_in.clone());
        match groups.get_mut(&key) {
            Some(finding) => add(finding, found),
            None => drop(groups.insert(key.clone(), finding_of(key, found, before, now_ms))),
        }
    }
    let mut findings: Vec<Finding> = groups.into_values().collect();
    findings.sort_by(|one, other| {
        let rank = |finding: &Finding| (Reverse(finding.judged.severity), finding.class == Class::NotRuntime);
        let name = |finding: &Finding| (finding.vulnerability.clone(), finding.name.clone());
        rank(one).cmp(&rank(other)).then_with(|| name(one).cmp(&name(other)))
    });
    Found { findings, skipped: assessment.skipped, problem, uncovered: assessment.uncovered.into_iter().collect() }
}

/// The name and version of what a package was built from.
fn built_from(package: &Package) -> (String, String) {
    match &package.source {
        Some(source) if package.kind.is_of_system() => {
            (source.name.clone(), matching::source_version(package, source).into_owned())
        }
        Some(_) | None => (package.name.clone(), package.version.clone()),
    }
}

fn finding_of(
    (vulnerability, name, version, fixed_in): (String, String, String, Option<String>),
    found: Match,
    before: &FirstSeen,
    now_ms: i64,
) -> Finding {
    Finding {
        first_seen_ms: before.of(&vulnerability, &name).unwrap_or(now_ms),
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
