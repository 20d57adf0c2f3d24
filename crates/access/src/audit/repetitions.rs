//! Bounds on the records of what is refused or fails: a flood leaves some records and a count.
//!
//! The first few of a kind in a minute are recorded one by one. The others are counted, and one record at the end of the
//! minute says how many. Who is not known is told apart by the network and the reason, who is known by the principal, the
//! operation and the reason. Both have bounds on all together as well, beyond which there is only a count; a principal has
//! them for itself, so that none hides what another does.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use aws::AccountId;

use super::event::Who;

/// Counts begin anew after so long.
pub const WINDOW_MS: i64 = 60_000;

/// How much a minute leaves.
#[derive(Clone, Copy)]
struct Limits {
    /// Records of one kind, before they are only counted.
    first: u64,
    /// Records of all kinds.
    records: usize,
    /// How many kinds are counted, each of which is a record at the end.
    kinds: usize,
}

/// Of all who are not known together.
const STRANGERS: Limits = Limits { first: 5, records: 60, kinds: 60 };
/// Of one principal.
const PRINCIPAL: Limits = Limits { first: 20, records: 300, kinds: 100 };
/// Principals that are counted each by itself.
const PRINCIPALS: usize = 200;

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

/// Which failures of a principal are counted together.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Failure {
    /// The service.
    pub source: String,
    /// The name of the operation.
    pub name: String,
    /// The error's name.
    pub code: String,
}

/// A count that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Repetitions<K> {
    /// Of what; none for all that had no count of its own.
    pub kind: Option<K>,
    /// When it began.
    pub since_ms: i64,
    /// How many were not recorded.
    pub count: u64,
}

/// What there was of one kind.
#[derive(Default)]
struct Count {
    seen: u64,
    recorded: u64,
}

struct Minute<K> {
    limits: Limits,
    recorded: usize,
    kinds: HashMap<K, Count>,
    others: u64,
}

impl<K: Eq + Hash> Minute<K> {
    fn new(limits: Limits) -> Self {
        Self { limits, recorded: 0, kinds: HashMap::new(), others: 0 }
    }

    fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.others == 0
    }

    fn admits(&mut self, kind: K) -> bool {
        if self.kinds.len() >= self.limits.kinds && !self.kinds.contains_key(&kind) {
            self.others += 1;
            return false;
        }
        let count = self.kinds.entry(kind).or_default();
        count.seen += 1;
        if count.seen > self.limits.first || self.recorded >= self.limits.records {
            return false;
        }
        self.recorded += 1;
        count.recorded += 1;
        true
    }

    /// The counts of which not everything was recorded.
    fn end(self, since_ms: i64) -> impl Iterator<Item = Repetitions<K>> {
        let others = Repetitions { kind: None, since_ms, count: self.others };
        let counted = self.kinds.into_iter().map(move |(kind, count)| Repetitions {
            kind: Some(kind),
            since_ms,
            count: count.seen - count.recorded,
        });
        counted.chain([others]).filter(|repetitions| repetitions.count > 0)
    }
}

fn is_over(since_ms: i64, now_ms: i64) -> bool {
    now_ms.abs_diff(since_ms) >= WINDOW_MS.unsigned_abs()
}

/// The refusals of those who are not known, of the minute.
pub struct RepeatedRefusals(Mutex<(i64, Minute<Kind>)>);

impl Default for RepeatedRefusals {
    fn default() -> Self {
        Self(Mutex::new((0, Minute::new(STRANGERS))))
    }
}

impl RepeatedRefusals {
    /// Whether one more is recorded by itself; otherwise it is counted.
    pub fn admits(&self, kind: Kind, now_ms: i64) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (since_ms, minute) = &mut *held;
        if minute.is_empty() {
            *since_ms = now_ms;
        }
        minute.admits(kind)
    }

    /// The counts of the minute, if it is over or `is_end`, of which not everything was recorded.
    pub fn take_ended(&self, now_ms: i64, is_end: bool) -> Vec<Repetitions<Kind>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_end && !is_over(held.0, now_ms) {
            return Vec::new();
        }
        let since_ms = held.0;
        let ended = std::mem::replace(&mut held.1, Minute::new(STRANGERS));
        drop(held);
        ended.end(since_ms).collect()
    }
}

/// The failures of one principal, and how their count names it.
struct OfPrincipal {
    who: Who,
    minute: Minute<Failure>,
}

#[derive(Default)]
struct OfPrincipals {
    since_ms: i64,
    principals: HashMap<String, OfPrincipal>,
    others: u64,
}

/// The failures of those who are known, of the minute.
#[derive(Default)]
pub struct RepeatedFailures(Mutex<OfPrincipals>);

impl RepeatedFailures {
    /// Whether one more of a principal is recorded by itself; otherwise it is counted.
    pub fn admits(&self, principal: &str, who: &Who, failure: Failure, now_ms: i64) -> bool {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.principals.is_empty() && held.others == 0 {
            held.since_ms = now_ms;
        }
        if let Some(known) = held.principals.get_mut(principal) {
            return known.minute.admits(failure);
        }
        if held.principals.len() >= PRINCIPALS {
            held.others += 1;
            return false;
        }
        let mut of_principal = OfPrincipal { who: who.counted(), minute: Minute::new(PRINCIPAL) };
        let is_admitted = of_principal.minute.admits(failure);
        held.principals.insert(principal.to_owned(), of_principal);
        is_admitted
    }

    /// As of [`RepeatedRefusals`], each with its principal; none for all principals that had no counts.
    pub fn take_ended(&self, now_ms: i64, is_end: bool) -> Vec<(Option<Who>, Repetitions<Failure>)> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_end && !is_over(held.since_ms, now_ms) {
            return Vec::new();
        }
        let OfPrincipals { since_ms, principals, others } = std::mem::take(&mut *held);
        drop(held);
        let counted = principals.into_values().flat_map(|OfPrincipal { who, minute }| {
            minute.end(since_ms).map(move |repetitions| (Some(who.clone()), repetitions))
        });
        let others = Some((None, Repetitions { kind: None, since_ms, count: others })).filter(|_| others > 0);
        counted.chain(others).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = STRANGERS.records;

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
        assert_eq!(admitted("A", 100), STRANGERS.first);
        assert_eq!(admitted("B", 3), 3);
        assert_eq!(refusals.take_ended(WINDOW_MS, false), []);
        let counted = Repetitions { kind: Some(kind(1, "A")), since_ms: 7, count: 100 - STRANGERS.first };
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

    fn who(name: &str) -> Who {
        Who {
            identity: serde_json::json!({ "type": "IAMUser", "userName": name, "accessKeyId": "AKIA" }),
            username: name.to_owned(),
            account: "123456789012".parse().expect("an id"),
            region: "us-east-1".parse().expect("a region"),
            access_key_id: Some("AKIA".to_owned()),
            principal: Some(name.to_owned()),
        }
    }

    #[test]
    fn a_count_names_neither_a_session_nor_a_key() {
        let issuer = serde_json::json!({ "type": "Role", "arn": "arn:aws:iam::123456789012:role/r", "userName": "r" });
        let session = Who {
            identity: serde_json::json!({
                "type": "AssumedRole",
                "principalId": "AROA:innocent",
                "arn": "arn:aws:sts::123456789012:assumed-role/r/innocent",
                "accessKeyId": "ASIA",
                "sessionContext": { "attributes": {}, "sessionIssuer": issuer.clone() },
            }),
            ..who("innocent")
        };
        let counted = session.counted();
        assert_eq!((counted.identity, counted.username.as_str(), counted.access_key_id), (issuer, "r", None));
        assert_eq!(counted.principal, session.principal);
        let of_user = Who {
            identity: serde_json::json!({
                "type": "IAMUser", "userName": "u", "accessKeyId": "ASIA", "sessionContext": { "attributes": {} },
            }),
            ..who("u")
        };
        assert_eq!(of_user.counted().identity, serde_json::json!({ "type": "IAMUser", "userName": "u" }));
        let root = Who { identity: serde_json::json!({ "type": "Root", "accessKeyId": "AKIA" }), ..who("x") };
        assert_eq!(root.counted().identity, serde_json::json!({ "type": "Root" }));
        assert_eq!(root.counted().username, "root");
    }

    fn failure(name: &str, code: &str) -> Failure {
        Failure { source: "ecr.amazonaws.com".to_owned(), name: name.to_owned(), code: code.to_owned() }
    }

    #[test]
    fn failures_of_a_principal_are_counted_by_operation_and_reason() {
        let failures = RepeatedFailures::default();
        let admitted = |user: &str, name: &str, code: &str, times: u32| {
            (0..times).filter(|_| failures.admits(user, &who(user), failure(name, code), 7)).count() as u64
        };
        assert_eq!(admitted("a", "PutImage", "AccessDenied", 1000), PRINCIPAL.first);
        assert_eq!(admitted("a", "PutImage", "ThrottlingException", 1), 1);
        assert_eq!(admitted("a", "ListImages", "AccessDenied", 1), 1);
        assert_eq!(admitted("b", "PutImage", "AccessDenied", 1), 1, "another's are not hidden by it");
        assert_eq!(failures.take_ended(WINDOW_MS, false).len(), 0);
        let ended = failures.take_ended(7 + WINDOW_MS, false);
        let [(Some(told), repetitions)] = &ended[..] else { panic!("one count") };
        let kind = Some(failure("PutImage", "AccessDenied"));
        assert_eq!(told.username, "a");
        assert_eq!(*repetitions, Repetitions { kind, since_ms: 7, count: 1000 - PRINCIPAL.first });
        assert_eq!(failures.take_ended(7 + 2 * WINDOW_MS, true).len(), 0, "told once");
    }

    #[test]
    fn what_is_kept_of_failures_is_bounded() {
        let failures = RepeatedFailures::default();
        let mut admitted = 0;
        for number in 0..10_000 {
            admitted += usize::from(failures.admits("a", &who("a"), failure(&number.to_string(), "A"), 0));
        }
        assert_eq!(admitted, PRINCIPAL.kinds);
        for number in 0..10_000 {
            let user = number.to_string();
            admitted += usize::from(failures.admits(&user, &who(&user), failure("B", "B"), 0));
        }
        assert_eq!(admitted, PRINCIPAL.kinds + PRINCIPALS - 1);
        let held = failures.0.lock().expect("whole");
        assert!(held.principals.len() <= PRINCIPALS);
        drop(held);
        let told: u64 = failures.take_ended(0, true).iter().map(|(_, repetitions)| repetitions.count).sum();
        assert_eq!(told + admitted as u64, 20_000, "none is lost");
    }
}
