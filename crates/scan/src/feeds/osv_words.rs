//! What publishers of OSV say in words of their own: states, severities, streams in titles, bounds beside ranges.

use serde_json::Value;

use super::{SUMMARY_BYTES, clip, is_name, read_requirement, reckoning};
use crate::advisory::{Affected, Comparison, Event, Module, NameOf, Rating, State, Versions};

/// What a whole record says beside OSV's fields.
pub struct Words {
    /// The severity.
    pub severity: Option<String>,
    /// Ratings that are given as numbers.
    pub ratings: Vec<Rating>,
    /// The module streams of the title.
    pub modules: Vec<Module>,
}

impl Words {
    /// Reads `database_specific` and the summary, which begins with the severity in some feeds (`Important: php:7.4 …`).
    pub fn of(id: &str, own: &Value, summary: &str) -> Self {
        let titled = summary.split_once(':').map(|(first, _)| first.trim());
        let is_severity = |word: &&str| matches!(*word, "Low" | "Moderate" | "Important" | "Critical");
        let severity = own["severity"].as_str().or(titled.filter(is_severity)).map(str::to_owned);
        let number = |version: u8| {
            let score = own[format!("cvss_v{version}_score")].as_f64()?;
            Some(Rating { source: source_of(id).to_owned(), version, vector: String::new(), score })
        };
        Self { severity, ratings: [3, 4, 2].into_iter().filter_map(number).collect(), modules: modules(summary) }
    }
}

/// Who an id is of: what is before its first dash.
fn source_of(id: &str) -> &str {
    id.split('-').next().unwrap_or_default()
}

/// The module streams that a title names: `virt:rhel and virt-devel:rhel security update`.
pub fn modules(title: &str) -> Vec<Module> {
    /// Streams of one title, of which real ones have two.
    const STREAMS: usize = 8;
    let words = clip(title, SUMMARY_BYTES).split([' ', ',', ';', '/', '(', ')']);
    words.filter(|word| !word.ends_with(':')).filter_map(Module::read).take(STREAMS).collect()
}

/// Whether the id is one of a bug fix or an enhancement (`ALBA`, `RHEA`): without a CVE it is no finding.
pub fn is_no_security_advisory(id: &str) -> bool {
    let word = source_of(id);
    word.len() == 4 && (word.ends_with("BA") || word.ends_with("EA"))
}

/// The state that a vendor's words stand for.
pub fn state(words: &str) -> State {
    match words.trim().to_ascii_lowercase().as_str() {
        "will not fix" | "ignored" | "won't fix" | "wontfix" => State::WillNotFix,
        "fix deferred" | "deferred" | "postponed" => State::Deferred,
        "out of support scope" | "end-of-life" | "end of life" => State::EndOfLife,
        "under investigation" | "undetermined" => State::UnderInvestigation,
        "not affected" | "not-affected" => State::NotAffected,
        _ => State::Affected,
    }
}

/// Bounds ranges by `<= 1.2.3`, which GitHub gives beside them where the range itself has no end or a later one.
pub fn bound(versions: &mut Versions, bound: Option<&str>) {
    let Some(requirement) = bound.and_then(read_requirement) else { return };
    let [range] = versions.ranges.as_mut_slice() else { return };
    let mut fixed = None;
    for (comparison, version) in requirement.0 {
        let end = match comparison {
            Comparison::LessOrEqual => Event::LastAffected(version),
            Comparison::Less => Event::Limit(version),
            _ => continue,
        };
        // What is fixed later stays the version to update to.
        range.retain(|event| match event {
            Event::Fixed(version) => {
                fixed.get_or_insert_with(|| version.clone());
                false
            }
            _ => true,
        });
        range.push(end);
    }
    versions.fixed = versions.fixed.take().or(fixed);
}

/// Bytes of memory that the rows of one row's binaries may take; real ones take some hundreds for each.
const COPIES: usize = 32 << 20;

/// Adds a row; SUSE names the binary packages of a source beside it, which are what is installed: a row for each then, until
/// there are `most` of them.
pub fn split_binaries(row: Affected, specific: &Value, rows: &mut Vec<Affected>, most: usize) {
    let binaries = specific["binaries"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut named = Vec::new();
    for entry in binaries {
        match entry {
            Value::String(name) => named.push((name.as_str(), None)),
            Value::Object(map) => named.extend(map.iter().map(|(name, fixed)| (name.as_str(), fixed.as_str()))),
            _ => {}
        }
    }
    named.retain(|(name, _)| is_name(name));
    named.truncate(most.saturating_sub(rows.len()));
    // Each binary has a copy of what the row says.
    if named.is_empty() || named.len().saturating_mul(reckoning::of_row(&row)) > COPIES {
        rows.push(row);
        return;
    }
    for (name, fixed) in named {
        let mut binary = row.clone();
        name.clone_into(&mut binary.name);
        binary.of = NameOf::Binary;
        if let Some(fixed) = fixed {
            binary.versions = Versions::before(fixed);
        }
        rows.push(binary);
    }
}
