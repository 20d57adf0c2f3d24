//! What scans have found, for people: of each platform its system, the age of the advisories and a table.

use super::finding::Finding;
use super::gate::{Gate, Severity};
use super::{EXPLOITED, Feed, Found, ImageId, ImageScan, Platform, Scan};
use crate::count::counted;
use crate::output::{Colour, Field, Output, clean, field, fields};
use crate::{date, digest, duration};

const COLUMNS: [&str; 8] = ["SEVERITY", "VULNERABILITY", "PACKAGE", "INSTALLED", "FIXED IN", "KEV", "EPSS", "WHERE"];
/// Those of which the end may be cut off, in this order, where a terminal is too narrow: where it is, and the packages.
const CUT: [usize; 2] = [7, 2];

/// All of it, without a line break at the end. The findings are in order, and none is left out.
pub(super) fn of(scan: &ImageScan, gate: Gate, gaps: &[String], output: &Output<'_>) -> String {
    let mut parts = Vec::new();
    let mut heading = vec![field("Image", clean(&scan.name()))];
    if let ImageId { image_digest: Some(digest), image_tag: Some(_) } = &scan.image_id {
        heading.push(field("Digest", digest));
    }
    let is_index = scan.is_index();
    if is_index {
        parts.push(fields(&heading));
    }
    for platform in &scan.platforms {
        let mut lines = if is_index { Vec::new() } else { std::mem::take(&mut heading) };
        lines.extend(platform_fields(platform, is_index));
        parts.push(fields(&lines));
        let findings: Vec<&Finding> =
            scan.findings.iter().filter(|finding| finding.image_digest == platform.image_digest).collect();
        let (included, apart): (Vec<&Finding>, Vec<&Finding>) =
            findings.into_iter().partition(|finding| gate.includes(finding));
        if !included.is_empty() {
            parts.push(rows(&included, output));
        }
        if !apart.is_empty() {
            let found = counted(apart.len(), "finding is", "findings are");
            let remark = format!("{found} in packages that do not run (--include-not-runtime counts them):");
            parts.push(format!("{remark}\n{}", rows(&apart, output)));
        }
    }
    if scan.platforms.is_empty() {
        parts.push(fields(&heading));
    }
    parts.push(summary(scan, gate, gaps));
    parts.join("\n\n")
}

/// What is said of a platform above its findings.
fn platform_fields(platform: &Platform, is_index: bool) -> Vec<Field> {
    let mut lines = Vec::new();
    if let Some(name) = &platform.platform {
        lines.push(field("Platform", name));
    }
    if is_index {
        lines.push(field("Digest", &platform.image_digest));
    }
    lines.push(field("Scan", platform.scan.as_ref().map_or_else(|| "none".to_owned(), scan_words)));
    if let Some(found) = &platform.found {
        lines.extend(found_fields(found));
    }
    lines
}

fn scan_words(scan: &Scan) -> String {
    let when = |seconds: f64| date::of_iso8601(&date::iso8601(seconds));
    let cause = match scan.cause.as_str() {
        "MANUAL" => "hand".to_owned(),
        other => other.to_lowercase(),
    };
    let time = match scan.ended_at {
        Some(at) => format!("ended {}", when(at)),
        None => format!("asked for {}", when(scan.requested_at)),
    };
    // What has not ended with what it found says itself why.
    let whole = if scan.is_whole || !scan.is_done() { "" } else { "analysed in part; " };
    format!("{whole}{} ({time}, by {cause})", scan.words())
}

fn found_fields(found: &Found) -> Vec<Field> {
    let mut lines = Vec::new();
    if let Some(system) = &found.operating_system {
        let name =
            if system.name.is_empty() { format!("{} {}", system.id, system.version) } else { system.name.clone() };
        let end =
            system.end_of_life.as_ref().map(|day| format!("; its last day of fixes is {day}")).unwrap_or_default();
        lines.push(field("System", format!("{name}{end}")));
    } else {
        lines.push(field("System", "no operating system"));
    }
    let skipped = match found.skipped_package_count {
        0 => String::new(),
        skipped => format!(", {skipped} of them compared with nothing"),
    };
    lines.push(field("Packages", format!("{}{skipped}", found.package_count)));
    let age = |feed: &Feed| format!("{} ({} old)", feed.name, duration::age(feed.age_seconds));
    lines.push(("Advisories", vec![found.feeds.iter().map(age).collect::<Vec<_>>().join(", ")]));
    if !found.missing_feeds.is_empty() {
        let names: Vec<&str> = found.missing_feeds.iter().map(|feed| feed.name.as_str()).collect();
        lines.push(field("Missing", format!("{}: what these tell is not known", names.join(", "))));
    }
    if !found.problems.is_empty() {
        let problem = |problem: &super::Problem| {
            let layer = problem.layer_digest.as_ref().map(|layer| format!("layer {}", digest::short(layer)));
            let places: Vec<String> = layer.into_iter().chain(problem.path.clone()).collect();
            let colon = if places.is_empty() { "" } else { ": " };
            format!("{}{colon}{}", places.join(", "), problem.reason)
        };
        lines.push(("Problems", found.problems.iter().map(problem).collect()));
    }
    lines
}

fn rows(findings: &[&Finding], output: &Output<'_>) -> String {
    let cells: Vec<Vec<String>> = findings
        .iter()
        .map(|finding| {
            vec![
                finding.severity.name().to_owned(),
                finding.vulnerability.clone(),
                finding.package_words(),
                finding.version.clone(),
                finding.fix_words(),
                finding.exploited_words(),
                finding.likelihood_words(),
                finding.place_words(),
            ]
        })
        .collect();
    output.table_text(&COLUMNS, &cells, &CUT, |at, line| {
        let is_loud = findings[at].exploited.is_some() || findings[at].severity == Severity::Critical;
        if is_loud { output.coloured(&line, Colour::Red) } else { line }
    })
}

/// How many there are, and what it means.
fn summary(scan: &ImageScan, gate: Gate, gaps: &[String]) -> String {
    let included: Vec<&Finding> = scan.findings.iter().filter(|finding| gate.includes(finding)).collect();
    let mut lines = Vec::new();
    if included.is_empty() {
        let filters = if gate.is_only_fixed { " that a version fixes" } else { "" };
        let other = if scan.findings.is_empty() { "" } else { "other " };
        // Where nothing was found out, that there are none would sound like an answer.
        let part = if gaps.is_empty() {
            Some("")
        } else if scan.open().next().is_some() {
            Some(" so far")
        } else if scan.is_told() {
            Some(" in what was analysed")
        } else {
            None
        };
        lines.extend(part.map(|part| format!("No {other}findings{}{filters}{part}", gate.least.words())));
    } else {
        let mut counts: Vec<(Severity, usize)> = Vec::new();
        let mut severities: Vec<Severity> = included.iter().map(|finding| finding.severity).collect();
        severities.sort_unstable();
        for severity in severities {
            match counts.last_mut() {
                Some((last, count)) if *last == severity => *count += 1,
                _ => counts.push((severity, 1)),
            }
        }
        let counts: Vec<String> =
            counts.iter().map(|(severity, count)| format!("{count} {}", severity.name())).collect();
        let exploited = included.iter().filter(|finding| finding.exploited.is_some()).count();
        let is_untold = |platform: &Platform| platform.found.as_ref().is_some_and(|it| !it.lacks(EXPLOITED).is_empty());
        let exploited = match exploited {
            0 if scan.platforms.iter().any(is_untold) => "not known which are exploited".to_owned(),
            number => format!("{number} known to be exploited"),
        };
        let fixed = included.iter().filter(|finding| finding.fixed_in.is_some()).count();
        lines.push(format!(
            "{}: {}; {exploited}, {fixed} with a fix",
            counted(included.len(), "finding", "findings"),
            counts.join(", ")
        ));
        let counting = included.iter().filter(|finding| gate.counts(finding)).count();
        if counting < included.len() {
            let number = match counting {
                0 => "None of them is".to_owned(),
                1 => "1 of them is".to_owned(),
                more => format!("{more} of them are"),
            };
            lines.push(format!("{number}{}", gate.fail_on.words()));
        }
    }
    lines.extend(gaps.iter().map(|gap| format!("Not known: {}", clean(gap))));
    lines.join("\n")
}
