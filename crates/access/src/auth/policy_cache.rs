//! Policies that were read already, by their text: reading one costs more than deciding by it.
//!
//! Only what is stored, or belongs to a session that exists, is kept; what a request brings is read by
//! [`Policy::parse`] and held by that request alone, so that nobody fills this by asking.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};
use std::mem::size_of;
use std::sync::{Mutex, MutexGuard, PoisonError};

use aws::AccountId;
use iam::{Policy, PolicyError, PolicyKind, WeakPolicy};

use super::stand_in;

/// The memory that the policies of resources may take, and as much again those of sessions.
const MAX_HELD_BYTES: usize = 8 * 1024 * 1024;
/// What an entry takes in a table that may be half empty, beside its text and its policy.
const ENTRY_BYTES: usize = 2 * size_of::<(Box<str>, Held)>() + 16;
/// Damaged policies that are told of once each; after so many all are told of again.
const MAX_LOGGED: usize = 10_000;

/// Policies by kind and text. A text never means anything else, so nothing here goes stale.
#[derive(Default)]
pub struct PolicyCache {
    /// Those of identities and registries, which the directory holds as long as they are in force.
    in_force: Mutex<HashMap<PolicyKind, HashMap<Box<str>, WeakPolicy>>>,
    /// Those of resources, which nothing else holds.
    resources: Mutex<RecentPolicies>,
    /// Those of sessions, apart: whoever makes many sessions slows sessions alone.
    sessions: Mutex<RecentPolicies>,
    /// Whose policies were found damaged, and with what text, as hashes.
    logged: Mutex<HashSet<u64>>,
    hasher: RandomState,
}

/// Policies that were used of late, in bounded memory: when the new ones fill half of it, those that were not used since
/// the last time go.
#[derive(Default)]
struct RecentPolicies {
    new: Generation,
    old: Generation,
}

#[derive(Default)]
struct Generation {
    policies: HashMap<PolicyKind, HashMap<Box<str>, Held>>,
    bytes: usize,
}

struct Held {
    policy: Policy,
    bytes: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl RecentPolicies {
    fn find(&mut self, kind: PolicyKind, text: &str) -> Option<Policy> {
        if let Some(held) = self.new.policies.get(&kind).and_then(|policies| policies.get(text)) {
            return Some(held.policy.clone());
        }
        let (text, held) = self.old.policies.get_mut(&kind)?.remove_entry(text)?;
        self.old.bytes -= held.bytes;
        let policy = held.policy.clone();
        self.insert(kind, text, held);
        Some(policy)
    }

    fn keep(&mut self, kind: PolicyKind, text: &str, policy: Policy) {
        let bytes = ENTRY_BYTES + text.len() + policy.held_bytes();
        self.insert(kind, text.into(), Held { policy, bytes });
    }

    fn insert(&mut self, kind: PolicyKind, text: Box<str>, held: Held) {
        if self.new.bytes + held.bytes > MAX_HELD_BYTES / 2 {
            self.old = std::mem::take(&mut self.new);
        }
        self.new.bytes += held.bytes;
        if let Some(twice) = self.new.policies.entry(kind).or_default().insert(text, held) {
            self.new.bytes -= twice.bytes;
        }
    }
}

/// The policy that `text` is, out of `recent` or in it from now on.
fn read(recent: &Mutex<RecentPolicies>, kind: PolicyKind, text: &str) -> Result<Policy, PolicyError> {
    if let Some(policy) = lock(recent).find(kind, text) {
        return Ok(policy);
    }
    let policy = Policy::parse(kind, text)?;
    lock(recent).keep(kind, text, policy.clone());
    Ok(policy)
}

impl PolicyCache {
    /// The policy of a resource or of a robot token that is stored, or is made of what is stored.
    pub fn of_resource(&self, kind: PolicyKind, text: &str) -> Result<Policy, PolicyError> {
        read(&self.resources, kind, text)
    }

    /// The policy of a session that exists: one whose token was opened.
    pub fn of_session(&self, text: &str) -> Result<Policy, PolicyError> {
        read(&self.sessions, PolicyKind::Identity, text)
    }

    /// A policy that comes into the directory: as long as one is there, its text is not read again.
    pub fn in_force(&self, kind: PolicyKind, text: &str) -> Result<Policy, PolicyError> {
        let known =
            lock(&self.in_force).get(&kind).and_then(|policies| policies.get(text)).and_then(WeakPolicy::upgrade);
        if let Some(policy) = known {
            return Ok(policy);
        }
        let policy = Policy::parse(kind, text)?;
        lock(&self.in_force).entry(kind).or_default().insert(text.into(), policy.downgrade());
        Ok(policy)
    }

    /// Forgets the texts of those that no directory holds any more.
    pub fn forget_what_left(&self) {
        for policies in lock(&self.in_force).values_mut() {
            policies.retain(|_, policy| policy.is_held());
        }
    }

    /// What `read` made of the policy that was stored as `text`, or what [stands in](stand_in) for it if it could not be
    /// read, which the log tells once. `what` names it.
    pub fn or_stand_in(
        &self,
        read: Result<Policy, PolicyError>,
        (kind, text): (PolicyKind, &str),
        account: AccountId,
        what: &dyn Fn() -> String,
    ) -> Policy {
        read.unwrap_or_else(|error| {
            self.log_damage(&what(), text, &error.to_string());
            stand_in::policy(kind, account)
        })
    }

    /// Logs that something which decides cannot be read, once as long as it is the same.
    pub fn log_damage(&self, what: &str, text: &str, why: &str) {
        let mut logged = lock(&self.logged);
        if logged.len() >= MAX_LOGGED {
            logged.clear();
        }
        if logged.insert(self.hasher.hash_one((what, text))) {
            tracing::error!(
                policy = what,
                "{what} is damaged, so what it governs is denied until another one is put in its place: {why}"
            );
        }
    }

    /// How many texts are kept, and the memory that they take beside what the directory holds.
    #[cfg(any(test, feature = "testing"))]
    pub fn kept(&self) -> (usize, usize) {
        let of = |recent: &Mutex<RecentPolicies>| {
            let recent = lock(recent);
            let count = |generation: &Generation| generation.policies.values().map(HashMap::len).sum::<usize>();
            (count(&recent.new) + count(&recent.old), recent.new.bytes + recent.old.bytes)
        };
        let (resources, sessions) = (of(&self.resources), of(&self.sessions));
        let in_force: usize = lock(&self.in_force).values().map(HashMap::len).sum();
        (resources.0 + sessions.0 + in_force, resources.1 + sessions.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A policy whose read form is many times its text, and like no other.
    fn greedy(number: usize) -> String {
        let actions = vec![r#""a:?""#; 318].join(",");
        format!(
            r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"s{number}","Effect":"Allow","Resource":"*","Action":[{actions}]}}]}}"#
        )
    }

    #[test]
    fn what_is_kept_is_bounded_by_the_memory_that_it_takes() {
        let cache = PolicyCache::default();
        let first = greedy(0);
        let one = Policy::parse(PolicyKind::Identity, &first).expect("a policy").held_bytes();
        assert!(one > 3 * first.len(), "{one} bytes for a text of {}", first.len());
        for number in 0..800 {
            // One that is used again and again stays.
            let (known, _) = (cache.of_session(&first).expect("a policy"), cache.of_session(&greedy(number)));
            assert_eq!(known.statements().len(), 1);
            assert!(cache.of_resource(PolicyKind::Identity, &greedy(number)).is_ok());
        }
        let (texts, bytes) = cache.kept();
        assert!(bytes <= 2 * MAX_HELD_BYTES, "{bytes}");
        assert!(texts > 100 && texts * one <= 2 * MAX_HELD_BYTES, "{texts}");
        assert!(lock(&cache.sessions).find(PolicyKind::Identity, &first).is_some());
    }

    #[test]
    fn what_left_the_directory_is_forgotten() {
        let cache = PolicyCache::default();
        let held = cache.in_force(PolicyKind::Identity, &greedy(1)).expect("a policy");
        for number in 2..50 {
            drop(cache.in_force(PolicyKind::Identity, &greedy(number)));
        }
        cache.forget_what_left();
        assert_eq!(cache.kept(), (1, 0));
        assert!(cache.in_force(PolicyKind::Identity, &greedy(1)).is_ok());
        drop(held);
        cache.forget_what_left();
        assert_eq!(cache.kept(), (0, 0));
    }

    #[test]
    fn what_is_no_policy_is_not_kept() {
        let cache = PolicyCache::default();
        assert!(cache.of_session("{}").is_err() && cache.of_resource(PolicyKind::Key, "").is_err());
        assert!(cache.in_force(PolicyKind::Trust, "[").is_err());
        assert_eq!(cache.kept(), (0, 0));
    }
}
