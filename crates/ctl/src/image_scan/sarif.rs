//! What scans have found, in the form of SARIF 2.1.0, which code hosts show beside the code.

use std::collections::HashMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::finding::{Finding, Package};
use super::gate::{Gate, Severity};
use super::{ImageScan, Platform};

const SCHEMA: &str = "https://json.schemastore.org/sarif-2.1.0.json";
/// What RFC 3986 lets stand in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/').remove(b'+');

/// One run: a rule for each vulnerability, and a result for each package of a finding.
pub(super) fn of(scan: &ImageScan, gate: Gate, gaps: &[String]) -> Value {
    let (mut rules, mut at): (Vec<Value>, HashMap<&str, usize>) = (Vec::new(), HashMap::new());
    let mut results = Vec::new();
    for finding in &scan.findings {
        let index = *at.entry(&finding.vulnerability).or_insert_with(|| {
            rules.push(rule(finding));
            rules.len() - 1
        });
        let platform = scan.platforms.iter().find(|platform| platform.image_digest == finding.image_digest);
        results.extend(finding.packages.iter().map(|package| result(scan, gate, platform, finding, package, index)));
    }
    let driver = json!({ "name": "Wharf", "version": env!("CARGO_PKG_VERSION"), "rules": rules });
    let notes: Vec<Value> = gaps
        .iter()
        .map(|gap| json!({ "level": "error", "message": { "text": gap } }))
        .chain(scan.platforms.iter().flat_map(problems))
        .collect();
    let invocation = json!({ "executionSuccessful": gaps.is_empty(), "toolExecutionNotifications": notes });
    let run = json!({
        "tool": { "driver": driver },
        "automationDetails": { "id": format!("wharf/{}/", scan.repository_name) },
        "invocations": [invocation],
        "results": results,
        "columnKind": "utf16CodeUnits",
        "properties": {
            "repositoryName": scan.repository_name,
            "imageDigest": scan.image_id.image_digest,
            "imageTags": scan.image_id.image_tag.iter().collect::<Vec<_>>(),
        },
    });
    json!({ "$schema": SCHEMA, "version": "2.1.0", "runs": [run] })
}

/// Why parts of a platform were not analysed.
fn problems(platform: &Platform) -> impl Iterator<Item = Value> {
    let problems = platform.found.iter().flat_map(|found| &found.problems);
    problems.map(move |problem| {
        let place = problem.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
        let text = format!("{}: {place}{}", platform.name(), problem.reason);
        json!({ "level": "warning", "message": { "text": text } })
    })
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Informational | Severity::Undefined => "note",
    }
}

/// CVSS's score where there is one, else the least of what the severity stands for; none where nobody judged it.
fn score(finding: &Finding) -> Option<String> {
    let least = match finding.severity {
        Severity::Critical => Some(9.0),
        Severity::High => Some(7.0),
        Severity::Medium => Some(4.0),
        Severity::Low => Some(0.1),
        Severity::Informational => Some(0.0),
        Severity::Undefined => None,
    };
    finding.score.or(least).map(|score| format!("{score:.1}"))
}

fn rule(finding: &Finding) -> Value {
    let name = &finding.vulnerability;
    let description = if finding.description.is_empty() { name } else { &finding.description };
    let mut tags = vec!["vulnerability", "security", finding.severity.name()];
    if finding.exploited.is_some() {
        tags.push("known-exploited");
    }
    let mut properties = json!({ "tags": tags, "precision": "very-high" });
    if let Some(score) = score(finding) {
        properties["security-severity"] = score.into();
    }
    let mut rule = json!({
        "id": name,
        "name": "VulnerablePackage",
        "shortDescription": { "text": format!("{name} in {}", finding.name) },
        "fullDescription": { "text": description },
        "defaultConfiguration": { "level": level(finding.severity) },
        "help": { "text": help(finding) },
        "properties": properties,
    });
    // What is no URL of the web would make the whole document none.
    let is_url = |url: &&String| reqwest::Url::parse(url).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    if let Some(url) = finding.references.iter().find(is_url) {
        rule["helpUri"] = url.clone().into();
    }
    rule
}

fn help(finding: &Finding) -> String {
    let mut lines =
        vec![if finding.description.is_empty() { finding.vulnerability.clone() } else { finding.description.clone() }];
    if !finding.aliases.is_empty() {
        lines.push(format!("Also known as {}", finding.aliases.join(", ")));
    }
    lines.extend(finding.references.iter().cloned());
    lines.join("\n")
}

fn result(
    scan: &ImageScan,
    gate: Gate,
    platform: Option<&Platform>,
    finding: &Finding,
    package: &Package,
    rule: usize,
) -> Value {
    let fix = match &finding.fixed_in {
        Some(version) => format!("fixed in {version}"),
        None => finding.fix_words(),
    };
    let of = platform.filter(|_| scan.platforms.len() > 1).map(|platform| format!(" ({})", platform.name()));
    let text = format!(
        "{} {} of {}{} has {} ({}): {fix}",
        package.name,
        package.version,
        scan.name(),
        of.unwrap_or_default(),
        finding.vulnerability,
        finding.severity.name()
    );
    let name = json!({ "name": package.name, "fullyQualifiedName": format!("{} {}", package.name, package.version), "kind": "module" });
    let location = |path: &String| {
        json!({
            "physicalLocation": {
                "artifactLocation": { "uri": utf8_percent_encode(path, PATH).to_string() },
                "region": { "startLine": 1 },
            },
            "logicalLocations": [name],
        })
    };
    let path = package.paths.first().map_or("", String::as_str);
    let mut shown = json!({
        "ruleId": finding.vulnerability,
        "ruleIndex": rule,
        "level": level(finding.severity),
        "message": { "text": text },
        "locations": package.paths.iter().take(1).map(location).collect::<Vec<_>>(),
        "partialFingerprints": {
            "vulnerablePackage/v1":
                format!("{} {} {} {path}", finding.vulnerability, package.kind, package.name),
        },
        "properties": {
            "imageDigest": finding.image_digest,
            "platform": platform.map(Platform::name),
            "packageKind": package.kind,
            "installedVersion": package.version,
            "fixedVersion": finding.fixed_in,
            "layerDigest": package.layer_digest,
            "isCounted": gate.counts(finding),
        },
    });
    let others: Vec<Value> = package.paths.iter().skip(1).map(location).collect();
    if !others.is_empty() {
        shown["relatedLocations"] = others.into();
    }
    if !gate.includes(finding) {
        let why = "It is in a package whose files do not run";
        shown["suppressions"] = json!([{ "kind": "external", "justification": why }]);
    }
    shown
}
