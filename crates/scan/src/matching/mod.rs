//! The packages of an image against advisories: for each package and vulnerability an answer, and why.
//!
//! A package of the operating system is judged by its distribution's advisories alone, as distributions fix versions that
//! upstream calls affected; so a package of a language that the distribution brought is not judged by upstream's.

mod answer;
mod class;
mod combine;
mod compare;
mod index;
mod input;
mod lifetime;
mod modules;
mod names;
mod plan;
mod rpm;
mod ruling;
mod system;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use answer::{Answer, Class, Evidence, Match, Skipped};
pub use index::{AdvisoryIndex, Facts, Key, MemoryIndex, Row};
pub use input::{InputPackage, MatchInput};
pub use lifetime::end_of_life;
pub use rpm::source_version;
pub use system::place;

use self::{
    combine::Combined,
    modules::Streams,
    names::Names,
    plan::{Plan, Planned},
    ruling::{Context, Ruling, Says},
};
use crate::{
    advisory::{Rating, Scope, State},
    ecosystem::Ecosystem,
    package::Package,
    severity::{self, Judged, Opinions, Severity},
};

/// What is known of an image.
#[derive(Debug, Clone, Default)]
pub struct Assessment {
    /// An answer for each package and vulnerability that a row is for.
    pub matches: Vec<Match>,
    /// Packages that were matched with nothing, and why.
    pub skipped: Vec<Skipped>,
    /// What there are packages of, but no advisories: that nothing is found says nothing then.
    pub uncovered: Vec<(Ecosystem, String)>,
    /// Why comparing ended before the last package, if it did: the image is partly analysed then.
    pub ended: Option<String>,
}

impl Assessment {
    /// What is to be reported.
    pub fn findings(&self) -> impl Iterator<Item = &Match> {
        self.matches.iter().filter(|found| found.answer.is_finding())
    }
}

/// What there are packages of: the ecosystems and releases whose advisories decide.
pub fn places(input: &MatchInput) -> BTreeSet<(Ecosystem, String)> {
    Plan::of(input).places()
}

/// What comparing the packages of one image may take at most: hostile images reach these bounds, real ones do not.
#[derive(Debug, Clone, Copy)]
pub struct MatchLimits {
    /// Rows of advisories on the packages.
    pub rows: usize,
    /// How often a row is held against a package.
    pub rulings: u64,
    /// Findings, each of one package.
    pub findings: usize,
    /// Bytes that the findings take in memory.
    pub memory: usize,
}

impl Default for MatchLimits {
    fn default() -> Self {
        Self { rows: 250_000, rulings: 20_000_000, findings: 100_000, memory: 48 << 20 }
    }
}

impl MatchLimits {
    const NONE: Self = Self { rows: usize::MAX, rulings: u64::MAX, findings: usize::MAX, memory: usize::MAX };
}

/// Matches packages with advisories: all answers, whatever that takes.
pub fn assess<I: AdvisoryIndex>(input: &MatchInput, index: &I) -> Result<Assessment, I::Error> {
    run(input, index, &MatchLimits::NONE, |_| true)
}

/// Matches packages with advisories, within limits: what is to be reported alone.
pub fn find<I: AdvisoryIndex>(input: &MatchInput, index: &I, limits: &MatchLimits) -> Result<Assessment, I::Error> {
    run(input, index, limits, Answer::is_finding)
}

fn run<I: AdvisoryIndex>(
    input: &MatchInput,
    index: &I,
    limits: &MatchLimits,
    is_kept: fn(&Answer) -> bool,
) -> Result<Assessment, I::Error> {
    let loaded = Loaded::of(input, index, limits.rows)?;
    let mut assessment = Assessment { skipped: loaded.plan.skipped.clone(), ..Assessment::default() };
    for place in loaded.plan.places() {
        if !index.covers(place.0, &place.1)? {
            assessment.uncovered.push(place);
        }
    }
    let too_much = |why: std::fmt::Arguments<'_>| {
        Some(format!("advisories say more of its packages than is compared with one image: {why}"))
    };
    if loaded.is_cut {
        assessment.ended = too_much(format_args!("{} rows", limits.rows));
    }
    let streams = loaded.streams(input);
    let (mut pending, mut memory, mut rulings) = (Vec::new(), 0_usize, 0_u64);
    for planned in &loaded.plan.planned {
        let rows = loaded.rows_of(planned);
        rulings = rulings.saturating_add(rows.len() as u64);
        if rulings > limits.rulings || pending.len() > limits.findings {
            let why = format_args!("{} comparisons, {} findings", limits.rulings, limits.findings);
            assessment.ended = too_much(why);
            break;
        }
        let before = pending.len();
        assess_package(input, planned, &rows, &streams, is_kept, &mut pending);
        let more = pending.iter().skip(before).map(Pending::memory);
        memory = more.fold(memory, usize::saturating_add);
        if memory > limits.memory {
            assessment.ended = too_much(format_args!("findings of {} bytes", limits.memory));
            break;
        }
    }
    let ids: BTreeSet<String> = pending.iter().map(|pending| pending.found.vulnerability.clone()).collect();
    let facts = index.facts(&ids)?;
    let judged = |mut pending: Pending<'_>| {
        pending.found.severity = pending.judge(facts.get(&pending.found.vulnerability));
        pending.found
    };
    assessment.matches = pending.into_iter().map(judged).collect();
    defer_to_owners(input, &loaded, &mut assessment.matches);
    Ok(assessment)
}

/// What every record on a vulnerability says of the packages, also those that are not for them: why something is found, or not.
pub fn explain<I: AdvisoryIndex>(
    input: &MatchInput,
    index: &I,
    vulnerability: &str,
) -> Result<Vec<(usize, Evidence)>, I::Error> {
    let loaded = Loaded::of(input, index, MatchLimits::default().rows)?;
    let streams = loaded.streams(input);
    let mut explained = Vec::new();
    for planned in &loaded.plan.planned {
        let rows = loaded.rows_of(planned);
        let names = Names::of(&rows);
        let Some(context) = context(input, planned, &rows, &streams) else { continue };
        let is_on = |row: &&&Row| {
            let head = &row.head;
            head.id == vulnerability
                || head.aliases.iter().any(|alias| alias == vulnerability)
                || names.of_row(row).iter().any(|name| name == vulnerability)
        };
        let rulings = rows.iter().filter(is_on).filter_map(|row| context.rule(row));
        explained.extend(rulings.map(|ruling| (planned.package, ruling.evidence())));
    }
    Ok(explained)
}

/// What is looked up, and what was found.
struct Loaded {
    plan: Plan,
    rows: HashMap<Key, Vec<Row>>,
    /// Whether there are more rows.
    is_cut: bool,
}

impl Loaded {
    fn of<I: AdvisoryIndex>(input: &MatchInput, index: &I, most: usize) -> Result<Self, I::Error> {
        let plan = Plan::of(input);
        let mut rows: HashMap<Key, Vec<Row>> = HashMap::new();
        let found = index.rows(&plan.keys(), most.saturating_add(1))?;
        let is_cut = found.len() > most;
        for row in found {
            rows.entry(row.key()).or_default().push(row);
        }
        Ok(Self { plan, rows, is_cut })
    }

    fn rows_of<'a>(&'a self, planned: &'a Planned) -> Vec<&'a Row> {
        self.plan.keys_of(planned).filter_map(|key| self.rows.get(key)).flatten().collect()
    }

    fn streams(&self, input: &MatchInput) -> Streams {
        Streams::of(self.plan.planned.iter().filter_map(|planned| {
            let package = input.packages.get(planned.package)?;
            Some((planned.package, &package.package, self.rows_of(planned)))
        }))
    }
}

/// Bytes that a text takes beside its letters.
const TEXT: usize = size_of::<String>() + 16;

/// A match whose severity is not known yet.
struct Pending<'a> {
    found: Match,
    /// The rows that severities are taken from, the deciding one first.
    rows: Vec<&'a Row>,
}

impl Pending<'_> {
    /// What it takes of memory, with what is made of it later.
    fn memory(&self) -> usize {
        let Match { vulnerability, aliases, evidence, .. } = &self.found;
        let text = |text: &String| text.len().saturating_add(TEXT);
        let of = |evidence: &Evidence| {
            let Evidence { source, record, modified, name, version, range, rule } = evidence;
            [source, record, name, version, range, rule].into_iter().chain(modified).map(text).sum::<usize>()
        };
        let own = text(vulnerability) + aliases.iter().map(text).sum::<usize>();
        own + evidence.iter().map(of).sum::<usize>() + size_of_val(&*self.rows) + 2 * size_of::<Self>()
    }

    fn judge(&self, facts: Option<&Facts>) -> Judged {
        let assigns = |word: &&str| Severity::of_word(word).is_some();
        let kind = self.rows.first().map(|row| row.head.kind).unwrap_or_default();
        severity::judge(&Opinions {
            kind,
            word: self.rows.iter().filter_map(|row| word(row)).find(assigns),
            ratings: self.rows.iter().map(|row| ratings(row)).find(|ratings| !ratings.is_empty()).unwrap_or_default(),
            national: facts.map(|facts| facts.ratings.as_slice()).unwrap_or_default(),
            elsewhere: facts.and_then(|facts| facts.word.as_deref()),
        })
    }
}

/// The feed's word for the package, or for all of the advisory.
fn word(row: &Row) -> Option<&str> {
    row.affected.severity.as_deref().or(row.head.severity.as_deref())
}

/// The feed's ratings for the package, or for all of the advisory.
fn ratings(row: &Row) -> &[Rating] {
    if row.affected.ratings.is_empty() { &row.head.ratings } else { &row.affected.ratings }
}

/// What is known of a package when its rows are ruled on.
fn context<'a>(input: &'a MatchInput, planned: &Planned, rows: &[&Row], streams: &'a Streams) -> Option<Context<'a>> {
    Some(Context {
        package: &input.packages.get(planned.package)?.package,
        at: planned.package,
        streams,
        is_in_core: rows.iter().any(|row| row.affected.repository.is_none()),
        has_extended_support: input.system.as_ref().is_some_and(|os| os.is_attached_to_pro),
    })
}

/// Finds the answers for one package.
fn assess_package<'a>(
    input: &'a MatchInput,
    planned: &Planned,
    rows: &[&'a Row],
    streams: &'a Streams,
    is_kept: fn(&Answer) -> bool,
    pending: &mut Vec<Pending<'a>>,
) {
    let Some(context) = context(input, planned, rows, streams) else { return };
    let package = context.package;
    let names = Names::of(rows);
    let mut rulings: BTreeMap<String, Vec<Ruling<'a>>> = BTreeMap::new();
    for row in rows {
        let Some(ruling) = context.rule(row) else { continue };
        if ruling.says == Says::Nothing {
            continue;
        }
        let mut of_row = names.of_row(row);
        // Most rows are about one.
        let last = of_row.pop();
        for name in of_row {
            rulings.entry(name).or_default().push(ruling.clone());
        }
        if let Some(last) = last {
            rulings.entry(last).or_default().push(ruling);
        }
    }
    for (vulnerability, rulings) in rulings {
        let combined = if package.kind.is_of_system() {
            combine::of_system(package, &rulings)
        } else {
            combine::of_language(&rulings)
        };
        if let Some(combined) = combined.filter(|combined| is_kept(&combined.answer)) {
            pending.push(found(planned.package, package, vulnerability, &combined, &rulings));
        }
    }
}

/// Records that are named for a finding: the one that decides, and the first of the others.
const EVIDENCE: usize = 5;

fn found<'a>(
    at: usize,
    package: &Package,
    vulnerability: String,
    combined: &Combined<'a, '_>,
    rulings: &[Ruling<'a>],
) -> Pending<'a> {
    let decided = combined.decided_by;
    let is_other = |ruling: &&Ruling<'a>| !std::ptr::eq(*ruling, decided);
    let others = || rulings.iter().filter(is_other);
    let heads = rulings.iter().map(|ruling| &ruling.row.head);
    let ids = heads.flat_map(|head| head.published_id().into_iter().chain(head.aliases.iter().map(String::as_str)));
    let aliases: BTreeSet<&str> = ids.filter(|id| *id != vulnerability).collect();
    let found = Match {
        package: at,
        aliases: aliases.into_iter().map(str::to_owned).collect(),
        answer: combined.answer.clone(),
        state: combined.state,
        severity: Judged::default(),
        class: class::of(package),
        evidence: std::iter::once(decided).chain(others()).take(EVIDENCE).map(Ruling::evidence).collect(),
        vulnerability,
    };
    Pending { found, rows: std::iter::once(decided).chain(others()).map(|ruling| ruling.row).collect() }
}

/// Takes back findings in packages of languages that the distribution brought: its own advisories judge them.
fn defer_to_owners(input: &MatchInput, loaded: &Loaded, matches: &mut [Match]) {
    for found in matches.iter_mut().filter(|found| found.answer.is_finding()) {
        let Some(owner) = loaded.plan.owner(input, found.package) else { continue };
        let Some(planned) = loaded.plan.planned_at(owner) else { continue };
        let owner_rows = || loaded.plan.keys_of(planned).filter_map(|key| loaded.rows.get(key)).flatten();
        let denies = |row: &&Row| {
            row.affected.state == State::NotAffected
                && row.affected.scope == Scope::PackageAndFiles
                && row.head.vulnerabilities.contains(&found.vulnerability)
        };
        let name = input.packages.get(owner).map(|package| package.package.name.as_str()).unwrap_or_default();
        found.answer = match owner_rows().find(denies) {
            Some(row) => Answer::NotAffected { said_by: row.head.source.clone() },
            None => Answer::Unknown {
                why: format!("its files are of the operating system's package {name}, whose own advisories judge it"),
            },
        };
    }
}
