//! OSV, and what each publisher of it says in fields of its own.

use std::ops::ControlFlow;

use serde::Deserialize;
use serde_json::Value;

use super::{
    DETAILS_BYTES, Import, REFERENCES, SUMMARY_BYTES, clip, is_cve, is_name, json,
    osv_words::{self, Words},
};
use crate::{
    advisory::{Advisory, Affected, Event, Head, Kind, Module, NameOf, Rating, State, Versions},
    ecosystem::{Ecosystem, EcosystemRelease},
};

#[derive(Deserialize)]
struct Osv {
    id: String,
    #[serde(default)]
    aliases: Option<Vec<String>>,
    #[serde(default)]
    upstream: Option<Vec<String>>,
    #[serde(default)]
    related: Option<Vec<String>>,
    #[serde(default)]
    published: Option<String>,
    #[serde(default)]
    modified: Option<String>,
    #[serde(default)]
    withdrawn: Option<String>,
    #[serde(default)]
    summary: Option<String>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    severity: Option<Vec<Severity>>,
    #[serde(default)]
    affected: Option<Vec<Row>>,
    #[serde(default)]
    references: Option<Vec<Reference>>,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Deserialize)]
struct Severity {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    score: Value,
}

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    url: String,
}

#[derive(Deserialize)]
struct Row {
    #[serde(default)]
    package: Option<PackageName>,
    #[serde(default)]
    ranges: Option<Vec<Range>>,
    #[serde(default)]
    versions: Option<Vec<String>>,
    #[serde(default)]
    severity: Option<Vec<Severity>>,
    #[serde(default)]
    ecosystem_specific: Value,
    #[serde(default)]
    database_specific: Value,
}

#[derive(Deserialize)]
struct PackageName {
    #[serde(default)]
    ecosystem: String,
    #[serde(default)]
    name: String,
}

#[derive(Deserialize)]
struct Range {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    events: Vec<RangeEvent>,
}

#[derive(Deserialize)]
struct RangeEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

/// Reads one record.
pub fn record(import: &mut Import<'_>, bytes: &[u8]) -> ControlFlow<()> {
    let osv: Osv = match json::parse(bytes) {
        Ok(osv) => osv,
        Err(why) => {
            let which = String::from_utf8_lossy(bytes.get(..60).unwrap_or(bytes)).into_owned();
            import.report.broken(&which, why);
            return ControlFlow::Continue(());
        }
    };
    if !is_name(&osv.id) {
        import.report.broken(&osv.id, "it has no id");
        return ControlFlow::Continue(());
    }
    let names = [&osv.aliases, &osv.upstream, &osv.related].into_iter().flatten().map(Vec::len).sum();
    if let Err(why) = import.limits.check_names(names) {
        import.report.broken(&osv.id, why);
        return ControlFlow::Continue(());
    }
    let advisory = read(import, osv);
    import.advisory(advisory)
}

fn read(import: &mut Import<'_>, osv: Osv) -> Advisory {
    let own = &osv.database_specific;
    let rows = osv.affected.unwrap_or_default();
    let summary = osv.summary.unwrap_or_default();
    let words = Words::of(&osv.id, own, &summary);
    let mut head = Head {
        kind: kind(&osv.id, own, &rows),
        severity: words.severity.clone(),
        ratings: words.ratings.clone(),
        published: osv.published,
        modified: osv.modified,
        withdrawn: osv.withdrawn,
        summary: clip(&summary, SUMMARY_BYTES).to_owned(),
        details: clip(&osv.details.unwrap_or_default(), DETAILS_BYTES).to_owned(),
        references: references(osv.references.unwrap_or_default()),
        ..Head::default()
    };
    let (word, ratings) = severities(import.about.source, osv.severity.unwrap_or_default());
    head.severity = head.severity.or(word);
    head.ratings.splice(..0, ratings);

    let mut affected = Vec::new();
    // One row more than there may be is told of when the advisory is given on.
    let most = import.limits.rows.saturating_add(1);
    for mut row in rows {
        if affected.len() >= most {
            break;
        }
        let Some((place, name)) = row.package.as_ref().and_then(place) else {
            import.report.skipped_rows += 1;
            continue;
        };
        let read = read_row(import.about.source, &mut row, place, name, &words);
        osv_words::split_binaries(read, &row.ecosystem_specific, &mut affected, most);
    }
    for (place, name) in not_affected(own).take(most.saturating_sub(affected.len())) {
        affected.push(denial(place, name));
    }
    name(&mut head, osv.id, osv.aliases, osv.upstream, osv.related, &affected);
    Advisory { head, affected }
}

/// What the record is about. A distribution's advisory is about CVEs, each of its own; the record of a language is about one
/// vulnerability, which has other names.
fn name(
    head: &mut Head,
    id: String,
    aliases: Option<Vec<String>>,
    upstream: Option<Vec<String>>,
    related: Option<Vec<String>>,
    affected: &[Affected],
) {
    let aliases = aliases.unwrap_or_default();
    let is_of_distribution = affected.iter().any(|row| row.ecosystem.is_distribution());
    let mut named: Vec<String> = upstream.unwrap_or_default();
    if is_of_distribution {
        // Some distributions name their CVEs as what is only related.
        named.extend(related.unwrap_or_default());
        named.extend(aliases.iter().cloned());
        named.push(id.clone());
    } else {
        named.push(id.clone());
        named.extend(aliases.iter().cloned());
    }
    let mut vulnerabilities: Vec<String> = named.into_iter().filter(|name| is_name(name) && is_cve(name)).collect();
    vulnerabilities.sort();
    vulnerabilities.dedup();
    if vulnerabilities.is_empty() && is_of_distribution {
        if osv_words::is_no_security_advisory(&id) {
            head.kind = Kind::Notice;
        }
        vulnerabilities.push(id.clone());
    }
    head.aliases =
        if is_of_distribution { Vec::new() } else { aliases.into_iter().filter(|name| is_name(name)).collect() };
    head.vulnerabilities = vulnerabilities;
    head.id = id;
}

fn kind(id: &str, own: &Value, rows: &[Row]) -> Kind {
    if id.starts_with("MAL-") {
        return Kind::Malicious;
    }
    let is_informational = |specific: &Value| !specific["informational"].is_null();
    if is_informational(own)
        || rows.iter().any(|row| is_informational(&row.ecosystem_specific) || is_informational(&row.database_specific))
    {
        return Kind::Notice;
    }
    Kind::Vulnerability
}

fn place(package: &PackageName) -> Option<(EcosystemRelease, String)> {
    if !is_name(&package.ecosystem) {
        return None;
    }
    let place = EcosystemRelease::of_osv(&package.ecosystem)?;
    is_name(&package.name).then(|| {
        let name = place.ecosystem.package_name(&package.name);
        (place, name)
    })
}

fn read_row(source: &str, row: &mut Row, place: EcosystemRelease, name: String, words: &Words) -> Affected {
    let mut affected = Affected::all(place.ecosystem, place.release, name);
    affected.repository = row.ecosystem_specific["repository"].as_str().map(str::to_owned).or(place.repository);
    affected.of = name_of(affected.ecosystem);
    affected.versions = versions(row);
    let specific = [&row.database_specific, &row.ecosystem_specific];
    if let Some(text) = specific.into_iter().find_map(|specific| specific["state"].as_str()) {
        affected.state = osv_words::state(text);
        affected.note = Some(clip(text, SUMMARY_BYTES).to_owned());
    }
    let (word, ratings) = severities(source, row.severity.as_deref().unwrap_or_default());
    affected.severity =
        specific.into_iter().find_map(|specific| specific["urgency"].as_str()).map(str::to_owned).or(word);
    if affected.severity.as_deref() == Some("end-of-life") {
        affected.state = State::EndOfLife;
    }
    affected.ratings = ratings;
    let imports = row.ecosystem_specific["imports"].as_array().map(Vec::as_slice).unwrap_or_default();
    affected.imports = imports.iter().filter_map(|import| import["path"].as_str()).map(str::to_owned).collect();
    modules(&mut affected, &words.modules);
    affected
}

/// The stream that a row is for: in its name (`php:7.4/php`), or in the advisory's title if the fix was built for a module.
fn modules(affected: &mut Affected, titled: &[Module]) {
    if let Some((label, name)) = affected.name.split_once('/')
        && let Some(module) = Module::read(label)
        && affected.ecosystem.is_distribution()
    {
        affected.modules = vec![module];
        affected.name = name.to_owned();
        return;
    }
    if affected.versions.fixes().any(|fixed| fixed.contains(".module")) {
        affected.modules = titled.to_vec();
    }
}

/// Which name the ecosystem's records speak of.
fn name_of(ecosystem: Ecosystem) -> NameOf {
    match ecosystem {
        Ecosystem::Alpine
        | Ecosystem::Wolfi
        | Ecosystem::Chainguard
        | Ecosystem::MinimOs
        | Ecosystem::Debian
        | Ecosystem::Ubuntu
        | Ecosystem::RockyLinux => NameOf::Source,
        Ecosystem::Suse | Ecosystem::OpenSuse | Ecosystem::RedHat | Ecosystem::AzureLinux => NameOf::Either,
        _ => NameOf::Binary,
    }
}

fn versions(row: &mut Row) -> Versions {
    let mut versions = Versions { listed: row.versions.take().unwrap_or_default(), ..Versions::default() };
    for range in row.ranges.as_deref().unwrap_or_default() {
        // Ranges of commits say nothing of versions.
        if range.kind != "GIT" {
            versions.ranges.push(range.events.iter().flat_map(events).collect());
        }
    }
    osv_words::bound(&mut versions, row.database_specific["last_known_affected_version_range"].as_str());
    for kind in ["patched_versions", "unaffected_versions"] {
        let requirements = row.database_specific[kind].as_array().map(Vec::as_slice).unwrap_or_default();
        versions.unaffected.extend(requirements.iter().filter_map(Value::as_str).filter_map(super::read_requirement));
    }
    versions
}

fn events(event: &RangeEvent) -> impl Iterator<Item = Event> {
    let introduced = event.introduced.clone().map(Event::Introduced);
    let fixed = event.fixed.clone().map(Event::Fixed);
    let last = event.last_affected.clone().map(Event::LastAffected);
    let limit = event.limit.clone().map(Event::Limit);
    [introduced, fixed, last, limit].into_iter().flatten()
}

/// A word and the ratings of OSV's list of severities.
fn severities(
    source: &str,
    list: impl IntoIterator<Item = impl std::borrow::Borrow<Severity>>,
) -> (Option<String>, Vec<Rating>) {
    let mut word = None;
    let mut ratings = Vec::new();
    for severity in list {
        let severity = severity.borrow();
        let Some(score) = severity.score.as_str() else { continue };
        if severity.kind.starts_with("CVSS") {
            ratings.extend(Rating::of_vector(source, score));
        } else {
            word = Some(clip(score, 64).to_owned());
        }
    }
    (word, ratings)
}

fn references(list: Vec<Reference>) -> Vec<String> {
    let is_url = |url: &String| url.starts_with("http") && url.len() <= 2048;
    list.into_iter().map(|reference| reference.url).filter(is_url).take(REFERENCES).collect()
}

/// Packages that the record says are not affected.
fn not_affected(own: &Value) -> impl Iterator<Item = (EcosystemRelease, String)> {
    let list = own["not_affected"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter().filter_map(|entry| {
        let name = entry["name"].as_str()?.to_owned();
        place(&PackageName { ecosystem: entry["ecosystem"].as_str()?.to_owned(), name })
    })
}

fn denial(place: EcosystemRelease, name: String) -> Affected {
    let mut row = Affected::all(place.ecosystem, place.release, name);
    row.of = name_of(row.ecosystem);
    row.repository = place.repository;
    row.state = State::NotAffected;
    if row.ecosystem == Ecosystem::Alpine {
        row.scope = crate::advisory::Scope::PackageAndFiles;
    }
    modules(&mut row, &[]);
    row
}
