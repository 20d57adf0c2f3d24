//! An explanation for people: what the vulnerability is, and what is said of the packages that get their fix together.

use std::fmt::Write as _;

use super::{Evidence, ExplainedPackage, Explanation, Known, Rating};
use crate::image_scan::{ImageScan, Platform, percent};
use crate::output::{Field, clean, field, fields, short};

/// Letters of a description that are shown; those of some feeds are as long as an article.
const DESCRIPTION: usize = 600;
/// The feed of what is known to be exploited.
const EXPLOITED_FEED: &str = "kev";
/// Pages on it that are named.
const REFERENCES: usize = 3;

/// All of it, without a line break at the end.
pub(super) fn of(explanation: &Explanation, state: &ImageScan) -> String {
    let (name, vulnerability) = (clean(&state.name()), clean(&explanation.vulnerability));
    let (mut feeds, mut has_list): (Vec<String>, bool) = (Vec::new(), false);
    for feed in state.platforms.iter().filter_map(|platform| platform.found.as_ref()).flat_map(|found| &found.feeds) {
        let words = format!("{} ({} old)", clean(&feed.name), crate::duration::age(feed.age_seconds));
        has_list |= feed.name == EXPLOITED_FEED;
        if !feeds.contains(&words) {
            feeds.push(words);
        }
    }
    if explanation.packages.is_empty() {
        return format!(
            "{name} has nothing to do with {vulnerability}: no advisory in force tells of it in a package that is installed\n\
             Advisories: {}",
            if feeds.is_empty() { "none".to_owned() } else { feeds.join(", ") }
        );
    }
    let found = explanation.packages.iter().any(|package| package.is_found);
    // That it has not would be too much: some records cannot be compared.
    let mut text = format!("{name} {} {vulnerability}", if found { "has" } else { "is not said to have" });
    if let Some(known) = &explanation.known {
        // Writing cannot fail: it is a text.
        let _ = write!(text, "\n\n{}", fields(&known_fields(known, has_list)));
    }
    for group in grouped(&explanation.packages) {
        let platform = state.platforms.iter().find(|platform| platform.image_digest == group[0].image_digest);
        let platform = platform.filter(|_| state.platforms.len() > 1).map(Platform::name);
        let _ = write!(text, "\n\n{}", fields(&group_fields(&group, platform)));
    }
    text
}

/// Packages of which the same is said, in the order of the first of each group: mostly those that were built from one source.
fn grouped(packages: &[ExplainedPackage]) -> Vec<Vec<&ExplainedPackage>> {
    let mut groups: Vec<Vec<&ExplainedPackage>> = Vec::new();
    for package in packages {
        match groups.iter_mut().find(|group| group[0].is_said_as(package)) {
            Some(group) => group.push(package),
            None => groups.push(vec![package]),
        }
    }
    groups
}

impl ExplainedPackage {
    /// Whether the same is said of both, but for where their files are.
    fn is_said_as(&self, other: &Self) -> bool {
        let said = |package: &Self| {
            (package.is_found, package.severity, package.severity_source.clone(), package.fixed_in.clone())
        };
        let place = |package: &Self| {
            (package.image_digest.clone(), package.package.layer_digest.clone(), package.layer_created_by.clone())
        };
        said(self) == said(other) && place(self) == place(other) && self.evidence == other.evidence
    }

    /// The package in a line.
    fn words(&self) -> String {
        let package = &self.package;
        let arch = if package.arch.is_empty() { String::new() } else { format!(", {}", package.arch) };
        let source = match (&self.source_name, &self.source_version) {
            (Some(name), _) if *name == package.name => String::new(),
            (Some(name), Some(version)) if *version != package.version => format!(", of the source {name} {version}"),
            (Some(name), _) => format!(", of the source {name}"),
            (None, _) => String::new(),
        };
        format!("{} {} ({}{arch}{source})", package.name, package.version, package.kind)
    }

    /// How severe it is, and who says so; none where it was not found.
    fn severity_words(&self) -> Option<String> {
        let feed = self.evidence.first().map_or("the feed", |evidence| evidence.feed.as_str());
        let by = match self.severity_source.as_deref()? {
            "VENDOR" => format!("the word of {feed}"),
            "VENDOR_CVSS" => format!("by the CVSS of {feed}"),
            "NATIONAL_CVSS" => "by the CVSS of the CVE's own record".to_owned(),
            "ELSEWHERE" => "the word of another advisory on it".to_owned(),
            "NOBODY" => "nobody has rated it".to_owned(),
            other => other.to_lowercase().replace('_', " "),
        };
        Some(format!("{} ({by})", self.severity?.name()))
    }
}

/// What the vulnerability is, whoever has it. Without the list of what is exploited, that it is not said to be means nothing.
fn known_fields(known: &Known, has_list: bool) -> Vec<Field> {
    let mut lines = Vec::new();
    if !known.aliases.is_empty() {
        lines.push(field("Names", known.aliases.join(", ")));
    }
    let about = known.description.split_whitespace().collect::<Vec<_>>().join(" ");
    if !about.is_empty() {
        lines.push(field("About", short(&about, DESCRIPTION)));
    }
    if !known.ratings.is_empty() {
        let words = |Rating { source, version, vector, score }: &Rating| {
            let vector = if vector.is_empty() { format!("version {version}") } else { vector.clone() };
            format!("{score:.1} by {source} ({vector})")
        };
        lines.push(("CVSS", known.ratings.iter().map(words).collect()));
    }
    match &known.exploited {
        Some(exploited) => lines.push(field("Exploited", exploited.words())),
        None if has_list => lines.push(field("Exploited", "not known to be (CISA's list)")),
        None => {}
    }
    if let Some(likelihood) = known.likelihood {
        let among = known.percentile.map(|share| format!(", percentile {}", percent(share))).unwrap_or_default();
        lines.push(field("EPSS", format!("{} within 30 days{among}", percent(likelihood))));
    }
    if !known.references.is_empty() {
        lines.push(("See", known.references.iter().take(REFERENCES).cloned().collect()));
    }
    lines
}

/// What is said of a group, in which there is one package or more.
fn group_fields(group: &[&ExplainedPackage], platform: Option<&str>) -> Vec<Field> {
    let first = group[0];
    let ExplainedPackage { package, is_found, fixed_in, layer_created_by, evidence, .. } = first;
    let label = if group.len() == 1 { "Package" } else { "Packages" };
    let mut lines = vec![(label, group.iter().map(|package| package.words()).collect())];
    lines.extend(platform.map(|platform| field("Platform", platform)));
    let answer = match (is_found, fixed_in, evidence.first()) {
        (true, Some(version), _) => format!("affected, fixed in {version}"),
        (true, None, _) => "affected, without a version that fixes it".to_owned(),
        (false, _, Some(deciding)) => format!("not found: {}", deciding.rule),
        (false, _, None) => "not found".to_owned(),
    };
    lines.push(field("Answer", answer));
    lines.extend(first.severity_words().map(|words| field("Severity", words)));
    let mut files: Vec<String> = group.iter().flat_map(|package| package.package.paths.clone()).collect();
    files.sort_unstable();
    files.dedup();
    lines.push(("Files", files));
    lines.extend(package.layer_digest.as_ref().map(|layer| field("Layer", layer)));
    // A Dockerfile's line goes on over several, indented by tabs.
    let one_line = |line: &String| line.split_whitespace().collect::<Vec<_>>().join(" ");
    lines.extend(layer_created_by.as_ref().map(|line| field("Made by", one_line(line))));
    lines.extend(record_fields(evidence));
    lines
}

/// A field for each record, with all of its ranges that were looked at one after the other.
fn record_fields(evidence: &[Evidence]) -> Vec<Field> {
    let is_of_one = |one: &Evidence, other: &Evidence| {
        (&one.feed, &one.record, &one.modified) == (&other.feed, &other.record, &other.modified)
    };
    let field =
        |ranges: &[Evidence]| {
            let Evidence { feed, record, modified, .. } = &ranges[0];
            let when = modified.as_ref().map(|when| format!(", modified {when}")).unwrap_or_default();
            let mut of = vec![format!("{record} of {feed}{when}")];
            of.extend(ranges.iter().map(|Evidence { name, version, range, rule, .. }| {
                format!("{name} {version} against {range}: {rule}")
            }));
            ("Record", of)
        };
    evidence.chunk_by(is_of_one).map(field).collect()
}
