//! The comparison of one version with what one row says of versions.

use std::{borrow::Cow, cmp::Ordering};

use super::{modules, rpm};
use crate::{
    advisory::{Comparison, Event, Requirement, Versions},
    versions::{self, Range, Scheme, Verdict},
};

/// What a comparison came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compared {
    /// Whether the version is affected.
    pub verdict: Verdict,
    /// The least version above it that is not.
    pub fixed_in: Option<String>,
    /// The greatest fix that it has.
    pub since: Option<String>,
}

/// A version that is compared.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// How it is ordered.
    pub scheme: Scheme,
    /// The version.
    pub version: &'a str,
    /// Whether its epoch is known, if it is one of rpm.
    pub is_epoch_known: bool,
}

impl Subject<'_> {
    /// Compares it.
    pub fn compare(&self, versions: &Versions) -> Compared {
        let fixes: Vec<(Cow<'_, str>, Option<Ordering>)> = versions
            .fixes()
            .map(|fix| {
                let fix = self.bound(fix);
                let order = self.order(&fix);
                (fix, order)
            })
            .collect();
        let of = |is: fn(Ordering) -> bool| {
            fixes.iter().filter(move |(_, order)| order.is_some_and(is)).map(|(fix, _)| &**fix)
        };
        let hints = versions.fixed.as_deref().into_iter().chain(versions.unaffected.iter().filter_map(least));
        let above = hints.filter(|fix| self.order(fix).is_some_and(Ordering::is_lt));
        let fixed_in = of(Ordering::is_lt).chain(above).min_by(|a, b| self.scheme.compare(a, b)).map(str::to_owned);
        let since = of(Ordering::is_ge).max_by(|a, b| self.scheme.compare(a, b)).map(str::to_owned);
        Compared { verdict: self.verdict(versions), fixed_in, since }
    }

    fn verdict(&self, versions: &Versions) -> Verdict {
        for requirement in &versions.unaffected {
            match self.holds(requirement) {
                Some(true) => return Verdict::NotAffected,
                Some(false) => {}
                None => return Verdict::Unknown,
            }
        }
        let mut verdict = None;
        for events in &versions.ranges {
            verdict = verdict.max(Some(self.in_range(events)));
        }
        if !versions.listed.is_empty() {
            let listed = versions.listed.iter().map(String::as_str);
            verdict = verdict.max(Some(Range::new(self.scheme, [], listed).affects(self.version)));
        }
        verdict.unwrap_or(Verdict::Unknown)
    }

    fn in_range(&self, events: &[Event]) -> Verdict {
        let bounds: Vec<(&Event, Cow<'_, str>)> =
            events.iter().map(|event| (event, self.bound(version_of(event)))).collect();
        // Builders of modules that count apart agree on what is before their marks.
        let version = match bounds.iter().find(|(_, bound)| modules::are_of_two_builders(self.version, bound)) {
            Some(_) => modules::without_build(self.version),
            None => self.version,
        };
        let events = bounds.iter().map(|(event, bound)| {
            let is_other = modules::are_of_two_builders(self.version, bound);
            let bound = if is_other { modules::without_build(bound) } else { &**bound };
            match event {
                Event::Introduced(_) => versions::Event::Introduced(bound),
                Event::Fixed(_) => versions::Event::Fixed(bound),
                Event::LastAffected(_) => versions::Event::LastAffected(bound),
                Event::Limit(_) => versions::Event::Limit(bound),
            }
        });
        Range::new(self.scheme, events, []).affects(version)
    }

    fn bound<'b>(&self, bound: &'b str) -> Cow<'b, str> {
        match self.scheme {
            Scheme::Rpm => rpm::bound(bound, self.version, self.is_epoch_known),
            _ => Cow::Borrowed(bound),
        }
    }

    fn order(&self, bound: &str) -> Option<Ordering> {
        let is_known = self.scheme.is_version(self.version) && self.scheme.is_version(bound);
        is_known.then(|| self.scheme.compare_to_bound(self.version, bound))
    }

    fn holds(&self, requirement: &Requirement) -> Option<bool> {
        for (comparison, bound) in &requirement.0 {
            let order = self.order(bound)?;
            let holds = match comparison {
                Comparison::Equal => order.is_eq(),
                Comparison::NotEqual => order.is_ne(),
                Comparison::Less => order.is_lt(),
                Comparison::LessOrEqual => order.is_le(),
                Comparison::Greater => order.is_gt(),
                Comparison::GreaterOrEqual => order.is_ge(),
            };
            if !holds {
                return Some(false);
            }
        }
        Some(true)
    }
}

/// The first version that a requirement takes, if it names one.
fn least(requirement: &Requirement) -> Option<&str> {
    let is_first =
        |(comparison, _): &&(Comparison, String)| matches!(comparison, Comparison::GreaterOrEqual | Comparison::Equal);
    requirement.0.iter().find(is_first).map(|(_, version)| version.as_str())
}

fn version_of(event: &Event) -> &str {
    match event {
        Event::Introduced(version) | Event::Fixed(version) | Event::LastAffected(version) | Event::Limit(version) => {
            version
        }
    }
}

/// What a row says of versions, in words.
pub fn in_words(versions: &Versions) -> String {
    /// Pieces that are named; lists of versions have thousands.
    const NAMED: usize = 12;
    let event = |event: &Event| match event {
        Event::Introduced(version) if version == "0" => "all versions".to_owned(),
        Event::Introduced(version) => format!("from {version}"),
        Event::Fixed(version) => format!("before {version}"),
        Event::LastAffected(version) => format!("up to {version}"),
        Event::Limit(version) => format!("below {version}"),
    };
    let mut words: Vec<String> = versions.ranges.iter().flatten().take(NAMED).map(event).collect();
    words.extend(versions.listed.iter().take(NAMED).map(|version| format!("exactly {version}")));
    if !versions.unaffected.is_empty() {
        words.push("but for what is patched or never was affected".to_owned());
    }
    words.join(", ")
}
