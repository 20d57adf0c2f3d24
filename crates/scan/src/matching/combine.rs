//! One answer out of what several rows say of one package and one vulnerability.

use super::{
    answer::Answer,
    compare::Compared,
    rpm,
    ruling::{Ruling, Says},
};
use crate::{
    advisory::State,
    package::Package,
    versions::{Scheme, Verdict},
};

/// The answer, the state beside it, and the ruling that decides.
pub struct Combined<'a, 'b> {
    pub answer: Answer,
    pub state: State,
    pub decided_by: &'b Ruling<'a>,
}

/// Combines the rows of a distribution: a denial decides, then fixes, then states without one. `None` where no row is for the
/// package.
pub fn of_system<'a, 'b>(package: &Package, rulings: &'b [Ruling<'a>]) -> Option<Combined<'a, 'b>> {
    if let Some(denial) = rulings.iter().find(|ruling| ruling.says == Says::Denies) {
        return Some(denied(denial));
    }
    let compared = |is_fix: bool| {
        let wanted = move |ruling: &&Ruling<'_>| ruling.compared().is_some() && ruling.is_open_ended() != is_fix;
        rulings.iter().filter(wanted).collect::<Vec<_>>()
    };
    let fixes = compared(true);
    let scheme = fixes.first().map(|ruling| ruling.row.affected.ecosystem.scheme());
    let by_fix = match scheme {
        Some(Scheme::Rpm) => by_lowest_fix(&of_own_minor(package, fixes)),
        Some(_) => greatest(&fixes),
        None => None,
    };
    by_fix.or_else(|| greatest(&compared(false))).or_else(|| unclear(rulings))
}

/// Combines records of a language: the greatest answer holds, but a record that knows no end yields to those that do. One that
/// knows which packages of a module have it decides over those that speak of the whole module: if no program has these, only
/// what another such record finds counts.
pub fn of_language<'a, 'b>(rulings: &'b [Ruling<'a>]) -> Option<Combined<'a, 'b>> {
    let unused = rulings.iter().find(|ruling| ruling.says == Says::Unused);
    let is_told = |ruling: &&Ruling<'_>| unused.is_none() || !ruling.row.affected.imports.is_empty();
    let compared: Vec<&Ruling<'_>> =
        rulings.iter().filter(|ruling| ruling.compared().is_some()).filter(is_told).collect();
    let bounded: Vec<&Ruling<'_>> = compared.iter().copied().filter(|ruling| !ruling.is_open_ended()).collect();
    greatest(&bounded)
        .filter(|combined| !matches!(combined.answer, Answer::Unknown { .. }))
        .or_else(|| greatest(&compared))
        .or_else(|| unused.map(denied))
        .or_else(|| unclear(rulings))
}

/// The fixes of the package's own minor release, if there are some; else those that are for no minor release alone.
fn of_own_minor<'a, 'b>(package: &Package, fixes: Vec<&'b Ruling<'a>>) -> Vec<&'b Ruling<'a>> {
    let minor_of = |ruling: &Ruling<'_>| ruling.row.affected.versions.fixes().find_map(rpm::minor);
    let same: Vec<_> = match rpm::minor(&package.version) {
        Some(minor) => fixes.iter().copied().filter(|ruling| minor_of(ruling) == Some(minor)).collect(),
        None => Vec::new(),
    };
    if !same.is_empty() {
        return same;
    }
    let of_all: Vec<_> = fixes.iter().copied().filter(|ruling| !rpm::is_of_minor(&ruling.row.affected)).collect();
    if of_all.is_empty() { fixes } else { of_all }
}

/// A distribution builds on: what has the first fix has it.
fn by_lowest_fix<'a, 'b>(fixes: &[&'b Ruling<'a>]) -> Option<Combined<'a, 'b>> {
    let has_fix = |compared: &Compared| compared.verdict == Verdict::NotAffected;
    match fixes.iter().find(|ruling| ruling.compared().is_some_and(has_fix)) {
        Some(ruling) => Some(combined(ruling, ruling.compared()?)),
        None => greatest(fixes),
    }
}

/// The greatest answer; of several that say "affected", the one with the least version to update to.
fn greatest<'a, 'b>(rulings: &[&'b Ruling<'a>]) -> Option<Combined<'a, 'b>> {
    let mut best: Option<(&'b Ruling<'a>, &'b Compared)> = None;
    for ruling in rulings.iter().copied() {
        let Some(compared) = ruling.compared() else { continue };
        let is_better = match best {
            None => true,
            Some((other, known)) if known.verdict == compared.verdict => is_less(ruling, compared, other, known),
            Some((_, known)) => compared.verdict > known.verdict,
        };
        if is_better {
            best = Some((ruling, compared));
        }
    }
    best.map(|(ruling, compared)| combined(ruling, compared))
}

fn is_less(ruling: &Ruling<'_>, compared: &Compared, other: &Ruling<'_>, known: &Compared) -> bool {
    match (&compared.fixed_in, &known.fixed_in) {
        (Some(fix), Some(least)) => ruling.row.affected.ecosystem.scheme().compare(fix, least).is_lt(),
        (Some(_), None) => true,
        (None, None) => ruling.row.head.severity.is_some() && other.row.head.severity.is_none(),
        (None, Some(_)) => false,
    }
}

fn combined<'a, 'b>(ruling: &'b Ruling<'a>, compared: &Compared) -> Combined<'a, 'b> {
    let state = ruling.row.affected.state;
    let answer = match compared.verdict {
        Verdict::Affected if state == State::UnderInvestigation => {
            Answer::Unknown { why: "the vendor investigates whether the package is affected".to_owned() }
        }
        Verdict::Affected => Answer::Affected { fixed_in: compared.fixed_in.clone() },
        Verdict::NotAffected => match &compared.since {
            Some(since) => Answer::Fixed { since: since.clone() },
            None => Answer::NotAffected { said_by: ruling.row.head.source.clone() },
        },
        Verdict::Unknown => Answer::Unknown { why: ruling.rule.clone().into_owned() },
    };
    Combined { answer, state, decided_by: ruling }
}

fn denied<'a, 'b>(ruling: &'b Ruling<'a>) -> Combined<'a, 'b> {
    let answer = Answer::NotAffected { said_by: ruling.row.head.source.clone() };
    Combined { answer, state: State::NotAffected, decided_by: ruling }
}

fn unclear<'a, 'b>(rulings: &'b [Ruling<'a>]) -> Option<Combined<'a, 'b>> {
    let ruling = rulings.iter().find(|ruling| ruling.says == Says::Unclear)?;
    let answer = Answer::Unknown { why: ruling.rule.clone().into_owned() };
    Some(Combined { answer, state: ruling.row.affected.state, decided_by: ruling })
}
