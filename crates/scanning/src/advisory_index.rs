//! The advisories in force, as matching looks them up; and what they say of an image.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use registry::Registry;
use runtime::boxed;
use runtime::timer;
use scan::advisory::Head;
use scan::ecosystem::Ecosystem;
use scan::matching::{self, AdvisoryIndex, Evidence, Facts, Key, MatchLimits, Row};
use scan::stored::{self, Details};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::advisory_records::{self, Part, Record, RecordKind};

use crate::advisory_state::{self, AdvisoryState, Places};
use crate::assessment;
use crate::context::Scanning;
use crate::report::{Exploited, Finding, FirstSeen, Report, Vulnerability};

/// Pages on a vulnerability that a report keeps.
const REFERENCES: usize = 10;

fn damaged(what: &str, why: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("what is stored of {what} is damaged: {why}"))
}

/// The advisories in force, at one moment of the database.
struct Index<'a>(RefCell<&'a mut dyn Tx>);

impl AdvisoryIndex for Index<'_> {
    type Error = StoreError;

    fn rows(&self, keys: &BTreeSet<Key>, most: usize) -> Result<Vec<Row>, StoreError> {
        let mut tx = self.0.borrow_mut();
        let mut by_place: BTreeMap<(Ecosystem, &str), Vec<&str>> = BTreeMap::new();
        for key in keys {
            by_place.entry((key.ecosystem, &key.release)).or_default().push(&key.name);
        }
        let mut found = Vec::new();
        for ((ecosystem, release), names) in by_place {
            let left = most.saturating_sub(found.len());
            let rows = advisory_records::of_packages(&mut **tx, ecosystem.name(), release, &names, left)?;
            found.extend(rows.into_iter().map(|row| (ecosystem, row)));
        }
        let ids: BTreeSet<i64> = found.iter().map(|(_, row)| row.record_id).collect();
        let ids: Vec<i64> = ids.into_iter().collect();
        let heads: HashMap<i64, Arc<Head>> =
            heads(&mut **tx, &ids)?.into_iter().map(|(id, head)| (id, Arc::new(head))).collect();
        let row = |(ecosystem, row): (Ecosystem, advisory_records::PackageRow)| {
            let head = heads.get(&row.record_id)?;
            let (release, name) = (&row.key.release, &row.key.name);
            let affected = stored::row_from_bytes(ecosystem, release, name, &row.body);
            let affected = affected.map_err(|why| damaged(&format!("advisory {} on {name}", head.id), why));
            Some(affected.map(|affected| Row { head: Arc::clone(head), affected }))
        };
        found.into_iter().filter_map(row).collect()
    }

    fn facts(&self, ids: &BTreeSet<String>) -> Result<HashMap<String, Facts>, StoreError> {
        let mut tx = self.0.borrow_mut();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let mut facts: HashMap<String, Facts> = HashMap::new();
        for record in advisory_records::of_vulnerabilities(&mut **tx, &ids)? {
            if record.kind == RecordKind::Scores {
                let scores = stored::scores_from_bytes(&record.record, &record.content)
                    .map_err(|why| damaged(&record.record, why))?;
                facts.entry(record.record).or_default().ratings.extend(scores.ratings);
            }
        }
        // Another advisory's word counts only where nobody rates the vulnerability.
        let unrated: Vec<&str> =
            ids.into_iter().filter(|id| facts.get(*id).is_none_or(|facts| facts.ratings.is_empty())).collect();
        let spoken = advisory_records::advisories_on(&mut **tx, &unrated)?;
        let heads = heads(&mut **tx, &rows_of(&spoken))?;
        for (id, row) in spoken {
            if let Some(word) = heads.get(&row).and_then(|head| head.severity.as_ref()) {
                facts.entry(id).or_default().word.get_or_insert_with(|| word.clone());
            }
        }
        Ok(facts)
    }

    fn covers(&self, ecosystem: Ecosystem, release: &str) -> Result<bool, StoreError> {
        advisory_records::covers(&mut **self.0.borrow_mut(), ecosystem.name(), release)
    }
}

/// The heads of advisories in force, by their rows.
fn heads(tx: &mut dyn Tx, rows: &[i64]) -> Result<HashMap<i64, Head>, StoreError> {
    let mut heads = HashMap::with_capacity(rows.len());
    for record in advisory_records::by_ids(tx, rows, Part::Head)? {
        let head = stored::head_from_bytes(&record.feed, &record.record, &record.content)
            .map_err(|why| damaged(&format!("advisory {}", record.record), why))?;
        heads.insert(record.id, head);
    }
    Ok(heads)
}

/// The rows of advisories, each once, however many vulnerabilities it speaks of.
fn rows_of(spoken: &[(String, i64)]) -> Vec<i64> {
    spoken.iter().map(|(_, row)| *row).collect::<BTreeSet<i64>>().into_iter().collect()
}

/// Compares what an image holds with the advisories in force, at one moment of the database, so that the revisions that it
/// names are those that it was compared with. Says too what there are packages of, but no advisories. None if there are no
/// advisories that count any more.
#[boxed]
pub(crate) async fn compare(
    app: &Scanning,
    report: Report,
    before: FirstSeen,
    places: &Places,
) -> Result<Option<(Report, Places)>, StoreError> {
    let (now_ms, advisories, places) = (app.now_ms(), app.advisories.clone(), places.clone());
    // The transaction may be tried again, and an image may hold much: what it holds is not copied for each try.
    let report = Arc::new(report);
    let held = Arc::clone(&report);
    let begun = timer::now();
    let compared = app.db.read(move |tx| {
        let AdvisoryState::Current(feeds) = advisory_state::find(tx, &advisories, &places, now_ms)? else {
            return Ok(None);
        };
        let assessment = matching::find(&held.match_input(), &Index(RefCell::new(tx)), &MatchLimits::default())?;
        let found = assessment::found(&held.packages, assessment, &before, now_ms);
        let vulnerabilities = vulnerabilities(tx, &found.findings)?;
        Ok::<_, StoreError>(Some((found, vulnerabilities, feeds)))
    });
    let compared = compared.await?;
    let took = u64::try_from(timer::since(begun).as_micros()).unwrap_or(u64::MAX);
    app.metrics.scans.matching_micros.record(took);
    let Some((found, vulnerabilities, feeds)) = compared else { return Ok(None) };
    let mut report = Arc::unwrap_or_clone(report);
    report.findings = found.findings;
    report.skipped = found.skipped;
    report.problems.extend(found.problem);
    report.vulnerabilities = vulnerabilities;
    report.feeds = feeds.used;
    report.missing_feeds = feeds.missing;
    Ok(Some((report, found.uncovered)))
}

/// What the records on a vulnerability say of the packages of an image: the place of each in the report, and why it is affected
/// or not.
#[boxed]
pub async fn explain(
    app: &Registry,
    report: &Report,
    vulnerability: &str,
) -> Result<Vec<(usize, Evidence)>, StoreError> {
    let (input, vulnerability) = (report.match_input(), vulnerability.to_owned());
    app.db.read(move |tx| matching::explain(&input, &Index(RefCell::new(tx)), &vulnerability)).await
}

/// What is said of the vulnerabilities of these findings.
fn vulnerabilities(tx: &mut dyn Tx, findings: &[Finding]) -> Result<BTreeMap<String, Vulnerability>, StoreError> {
    let ids: BTreeSet<&str> = findings.iter().map(|finding| finding.vulnerability.as_str()).collect();
    let mut known: BTreeMap<String, Vulnerability> = BTreeMap::new();
    let names: Vec<&str> = ids.iter().copied().collect();
    // The record that decided describes it; others add what they know.
    let deciding: HashSet<(&str, &str, &str)> = findings
        .iter()
        .filter_map(|finding| {
            let first = finding.evidence.first()?;
            Some((finding.vulnerability.as_str(), first.source.as_str(), first.record.as_str()))
        })
        .collect();
    let spoken = advisory_records::advisories_on(tx, &names)?;
    let rows = rows_of(&spoken);
    let mut heads = heads(tx, &rows)?;
    for record in advisory_records::by_ids(tx, &rows, Part::Details)? {
        let details =
            Details::from_bytes(&record.content).map_err(|why| damaged(&format!("advisory {}", record.record), why))?;
        if let Some(head) = heads.get_mut(&record.id) {
            details.put_into(head);
        }
    }
    let mut advisories: Vec<(&str, &Head)> =
        spoken.iter().filter_map(|(id, row)| Some((id.as_str(), heads.get(row)?))).collect();
    advisories.sort_by_key(|(id, head)| !deciding.contains(&(*id, head.source.as_str(), head.id.as_str())));
    for (id, head) in advisories {
        add_advisory(known.entry(id.to_owned()).or_default(), head);
    }
    for record in advisory_records::of_vulnerabilities(tx, &names)? {
        add_facts(&mut known, &record)?;
    }
    Ok(known)
}

fn add_advisory(known: &mut Vulnerability, head: &Head) {
    if known.description.is_empty() {
        known.description.clone_from(if head.details.is_empty() { &head.summary } else { &head.details });
    }
    for reference in &head.references {
        if known.references.len() < REFERENCES && !known.references.contains(reference) {
            known.references.push(reference.clone());
        }
    }
    for rating in &head.ratings {
        if !known.ratings.contains(rating) {
            known.ratings.push(rating.clone());
        }
    }
    if known.published.is_none() {
        known.published.clone_from(&head.published);
    }
    if known.modified.is_none() {
        known.modified.clone_from(&head.modified);
    }
    if known.vendor_severity.is_none() {
        known.vendor_severity.clone_from(&head.severity);
    }
}

/// Adds what is known of a vulnerability whoever has it.
fn add_facts(known: &mut BTreeMap<String, Vulnerability>, record: &Record) -> Result<(), StoreError> {
    let id = &record.record;
    let known = known.entry(id.clone()).or_default();
    let wrong = |why| damaged(id, why);
    match record.kind {
        RecordKind::Advisory => {}
        RecordKind::Scores => {
            let scores = stored::scores_from_bytes(id, &record.content).map_err(wrong)?;
            known.ratings.extend(scores.ratings);
            if known.description.is_empty() {
                known.description = scores.summary;
            }
        }
        RecordKind::Exploited => {
            let exploited = stored::exploited_from_bytes(id, &record.content).map_err(wrong)?;
            known.exploited =
                Some(Exploited { added: exploited.added, due: exploited.due, is_ransomware: exploited.is_ransomware });
        }
        RecordKind::Likelihood => {
            let likelihood = stored::likelihood_from_bytes(id, &record.content).map_err(wrong)?;
            known.likelihood = Some(likelihood.score);
            known.percentile = Some(likelihood.percentile);
        }
    }
    Ok(())
}
