//! What an advisory says of versions: the events of a range and the versions that it lists, as in OSV.

use std::cmp::Ordering;

use super::Scheme;

/// What stands before every version.
const BEGINNING: &str = "0";
/// A limit that bounds nothing.
const NO_LIMIT: &str = "*";

/// What happens at a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// This version is affected, and so are later ones. `0` is before every version.
    Introduced(&'a str),
    /// This version is not affected any more, nor are later ones.
    Fixed(&'a str),
    /// This version is affected still, and later ones are not.
    LastAffected(&'a str),
    /// Nothing is said of this version and of later ones. Of several the last one counts; `*` is none.
    Limit(&'a str),
}

impl<'a> Event<'a> {
    fn version(self) -> &'a str {
        match self {
            Self::Introduced(version) | Self::Fixed(version) | Self::LastAffected(version) | Self::Limit(version) => {
                version
            }
        }
    }

    fn is_introduced(self) -> bool {
        matches!(self, Self::Introduced(_))
    }

    fn is_limit(self) -> bool {
        matches!(self, Self::Limit(_))
    }

    /// Whether it is there from the beginning, or bounds nothing: it needs no version to be compared.
    fn is_open(self) -> bool {
        matches!(self, Self::Introduced(BEGINNING) | Self::Limit(NO_LIMIT))
    }
}

/// Whether a version is affected. Of several ranges of an advisory the greatest answer holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is not.
    NotAffected,
    /// It cannot be said: something that would have to be compared is no version, or the advisory says nothing.
    Unknown,
    /// It is.
    Affected,
}

/// One range of an advisory, and the versions that the advisory lists: affected is what is in either.
#[derive(Clone, Debug)]
pub struct Range<'a> {
    scheme: Scheme,
    /// In the order of their versions; at the same version in the order in which they were given.
    events: Vec<Event<'a>>,
    limits: Vec<&'a str>,
    versions: Vec<&'a str>,
    can_be_compared: bool,
}

impl<'a> Range<'a> {
    /// A range of events in any order, and of listed versions. Events of which none introduces anything begin with the first
    /// version: an incomplete advisory shall not hide what is affected.
    pub fn new(
        scheme: Scheme,
        events: impl IntoIterator<Item = Event<'a>>,
        versions: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let (limits, mut events): (Vec<_>, Vec<_>) = events.into_iter().partition(|event| event.is_limit());
        let says_something = !events.is_empty() || !limits.is_empty();
        let has_beginning = events.iter().any(|event| event.is_introduced());
        if says_something && !has_beginning {
            events.push(Event::Introduced(BEGINNING));
        }
        let is_known = |event: &Event| event.is_open() || scheme.is_version(event.version());
        let can_be_compared = events.iter().chain(&limits).all(is_known);
        events.sort_by(|a, b| match (a.is_open(), b.is_open()) {
            (false, false) => scheme.compare(a.version(), b.version()),
            (a, b) => b.cmp(&a),
        });
        let limits = limits.into_iter().map(Event::version).collect();
        Self { scheme, events, limits, versions: versions.into_iter().collect(), can_be_compared }
    }

    /// What the advisory says of this version.
    pub fn affects(&self, version: &str) -> Verdict {
        let is_version = self.scheme.is_version(version);
        if self.lists(version, is_version) || self.is_everything() {
            return Verdict::Affected;
        }
        let says_nothing = self.events.is_empty() && self.versions.is_empty();
        if !is_version || !self.can_be_compared || says_nothing {
            return Verdict::Unknown;
        }
        if self.is_before_limit(version) && self.is_open_at(version) { Verdict::Affected } else { Verdict::NotAffected }
    }

    fn lists(&self, version: &str, is_version: bool) -> bool {
        self.versions.iter().any(|listed| {
            *listed == version
                || (is_version
                    && self.scheme.is_version(listed)
                    && self.scheme.compare_to_bound(version, listed).is_eq())
        })
    }

    /// Whether no version is left out, so that also what is no version is in it.
    fn is_everything(&self) -> bool {
        let is_limited = !self.limits.is_empty() && !self.limits.contains(&NO_LIMIT);
        !is_limited && !self.events.is_empty() && self.events.iter().all(|event| event.is_open())
    }

    fn is_before_limit(&self, version: &str) -> bool {
        let is_before = |limit: &&str| *limit == NO_LIMIT || self.order(version, limit).is_lt();
        self.limits.is_empty() || self.limits.iter().any(is_before)
    }

    /// Whether what was introduced last is not fixed at this version.
    fn is_open_at(&self, version: &str) -> bool {
        let mut is_affected = false;
        for event in &self.events {
            match event {
                Event::Introduced(BEGINNING) => is_affected = true,
                Event::Introduced(first) if self.order(version, first).is_ge() => is_affected = true,
                Event::Fixed(fixed) if self.order(version, fixed).is_ge() => is_affected = false,
                Event::LastAffected(last) if self.order(version, last).is_gt() => is_affected = false,
                Event::Introduced(_) | Event::Fixed(_) | Event::LastAffected(_) | Event::Limit(_) => {}
            }
        }
        is_affected
    }

    fn order(&self, version: &str, bound: &str) -> Ordering {
        self.scheme.compare_to_bound(version, bound)
    }
}
