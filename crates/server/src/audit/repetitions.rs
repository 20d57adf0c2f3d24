//! Bounds on the records of those who are not known: a flood of refused requests leaves some records and a count.
//!
//! The first few of a network with one reason in a minute are recorded one by one. The others are counted, and one record
//! at the end of the minute says how many. All networks together have a bound as well, beyond which there is only a count.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use aws::AccountId;

/// Counts begin anew after so long.
pub const WINDOW_MS: i64 = 60_000;
/// Records of one network, account and reason in a minute, before they are only counted.
pub const FIRST: u64 = 5;
/// Such records of all in a minute; and how many counts a minute can have, each of which is a record at its end.
pub const MOST: usize = 60;

/// Whose refusals are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Kind {
    /// Where they come from: an address, or the network of an IPv6 one.
    pub network: IpAddr,
    /// The account that they are recorded for.
    pub account: AccountId,
    /// The error's name.
    pub code: String,
}

/// A count that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repetitions {
    /// Of what; none for all that had no count of its own.
    pub kind: Option<Kind>,
    /// When it began.
    pub since_ms: i64,
    /// How many were not recorded.
    pub count: u64,
}

#[derive(Default)]
struct Minute {
    since_ms: i64,
    recorded: usize,
    /// How many there were of each.
    kinds: HashMap<Kind, u64>,
    /// How many of each were recorded.
    shown: HashMap<Kind, u64>,
    others: u64,
}

/// The refusals of the minute.
#[derive(Default)]
pub struct RepeatedRefusals(Mutex<Minute>);

impl RepeatedRefusals {
    /// Whether one more is recorded by itself; otherwise it is counted.
    pub fn admits(&self, kind: Kind, now_ms: i64) -> bool {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if minute.kinds.is_empty() && minute.others == 0 {
            minute.since_ms = now_ms;
        }
        if minute.kinds.len() >= MOST && !minute.kinds.contains_key(&kind) {
            minute.others += 1;
            return false;
        }
        let seen = minute.kinds.entry(kind.clone()).or_default();
        *seen += 1;
        if *seen > FIRST || minute.recorded >= MOST {
            return false;
        }
        minute.recorded += 1;
        *minute.shown.entry(kind).or_default() += 1;
        true
    }

    /// The counts of the minute, if it is over or `is_end`, of which not everything was recorded.
    pub fn take_ended(&self, now_ms: i64, is_end: bool) -> Vec<Repetitions> {
        let mut minute = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_end && now_ms.abs_diff(minute.since_ms) < WINDOW_MS.unsigned_abs() {
            return Vec::new();
        }
        let ended = std::mem::take(&mut *minute);
        drop(minute);
        let since_ms = ended.since_ms;
        let others = Repetitions { kind: None, since_ms, count: ended.others };
        let counted = ended.kinds.into_iter().map(|(kind, seen)| {
            let count = seen - ended.shown.get(&kind).copied().unwrap_or(0);
            Repetitions { kind: Some(kind), since_ms, count }
        });
        counted.chain([others]).filter(|repetitions| repetitions.count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(number: u32, code: &str) -> Kind {
        Kind {
            network: IpAddr::V4(number.into()),
            account: "123456789012".parse().expect("an id"),
            code: code.to_owned(),
        }
    }

    #[test]
    fn one_source_leaves_a_few_records_and_a_count() {
        let refusals = RepeatedRefusals::default();
        let admitted = |code: &str, times: u32| (0..times).filter(|_| refusals.admits(kind(1, code), 7)).count() as u64;
        assert_eq!(admitted("A", 100), FIRST);
        assert_eq!(admitted("B", 3), 3);
        assert_eq!(refusals.take_ended(WINDOW_MS, false), []);
        let counted = Repetitions { kind: Some(kind(1, "A")), since_ms: 7, count: 100 - FIRST };
        assert_eq!(refusals.take_ended(7 + WINDOW_MS, false), [counted]);
        assert_eq!(refusals.take_ended(7 + 2 * WINDOW_MS, false), [], "told once");
        assert!(refusals.admits(kind(1, "A"), 8 + WINDOW_MS), "the next minute begins anew");
    }

    #[test]
    fn many_sources_are_bounded_too() {
        let refusals = RepeatedRefusals::default();
        let admitted = (0..10_000).filter(|number| refusals.admits(kind(*number, "A"), 0)).count();
        assert_eq!(admitted, MOST);
        let ended = refusals.take_ended(0, true);
        assert_eq!(ended, [Repetitions { kind: None, since_ms: 0, count: 10_000 - MOST as u64 }]);
        let floods: Vec<bool> = (0..100)
            .flat_map(|number| std::iter::repeat_n(kind(number, "A"), 10))
            .map(|kind| refusals.admits(kind, 0))
            .collect();
        assert_eq!(floods.iter().filter(|is_admitted| **is_admitted).count(), MOST);
        let ended = refusals.take_ended(WINDOW_MS, false);
        assert!(ended.len() <= MOST + 1);
        let told: u64 = ended.iter().map(|repetitions| repetitions.count).sum();
        assert_eq!(told + MOST as u64, 1_000, "none is lost");
    }
}
