//! What identities were found to be allowed, so that a pull does not weigh a hundred statements again and again.
//!
//! Only decisions that follow from the identity's own policies alone are kept: no condition, no session policy, no
//! policy of a repository or registry had a say. They are an identity's as it was loaded once, so every change of any
//! policy, user, group or role ends them. All identities' share one memory: requests name what they like, there or not.

use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use quick_cache::{Equivalent, Weighter};

use crate::action::Action;

/// The memory that all decisions may take: what is asked again is kept, what was asked once makes room.
const MAX_BYTES: u64 = 8 * 1024 * 1024;
/// What a decision takes beside the text in it.
const DECISION_BYTES: usize = 192;
/// Decisions that are kept if the text in each is as long as a repository's ARN mostly is.
const MAX_DECISIONS: usize = MAX_BYTES as usize / (DECISION_BYTES + 64);

/// An identity as it was loaded once. When it is loaded anew it is another, for which nothing was decided yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LoadedIdentity(u64);

/// What was found to be allowed, of all identities.
pub struct Allowed {
    decisions: Cache<Decision, (), ByBytes>,
    loaded: AtomicU64,
}

/// Hashes as [`Asked`] does: in the same order, and texts as texts, whoever owns them.
#[derive(PartialEq, Eq, Hash)]
struct Decision {
    identity: LoadedIdentity,
    action: Action,
    resource: Box<str>,
}

#[derive(Hash)]
struct Asked<'a> {
    identity: LoadedIdentity,
    action: Action,
    resource: &'a str,
}

impl Equivalent<Decision> for Asked<'_> {
    fn equivalent(&self, decision: &Decision) -> bool {
        self.identity == decision.identity && self.action == decision.action && *self.resource == *decision.resource
    }
}

#[derive(Clone)]
struct ByBytes;

impl Weighter<Decision, ()> for ByBytes {
    fn weight(&self, decision: &Decision, (): &()) -> u64 {
        (DECISION_BYTES + decision.resource.len()) as u64
    }
}

impl Default for Allowed {
    fn default() -> Self {
        Self { decisions: Cache::with_weighter(MAX_DECISIONS, MAX_BYTES, ByBytes), loaded: AtomicU64::new(0) }
    }
}

impl Allowed {
    /// What an identity that is being loaded is known as here.
    pub(super) fn add_identity(&self) -> LoadedIdentity {
        LoadedIdentity(self.loaded.fetch_add(1, Ordering::Relaxed))
    }

    /// Whether this was found to be allowed.
    pub(super) fn contains(&self, identity: LoadedIdentity, action: Action, resource: &str) -> bool {
        self.decisions.get(&Asked { identity, action, resource }).is_some()
    }

    /// Keeps what was found to be allowed.
    pub(super) fn insert(&self, identity: LoadedIdentity, action: Action, resource: &str) {
        self.decisions.insert(Decision { identity, action, resource: resource.into() }, ());
    }

    /// Forgets everything, when all identities were loaded anew.
    pub(super) fn forget(&self) {
        self.decisions.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUT: Action = Action::EcrPutImage;

    #[test]
    fn a_decision_is_one_identitys() {
        let allowed = Allowed::default();
        let (one, other) = (allowed.add_identity(), allowed.add_identity());
        assert!(!allowed.contains(one, PUT, "a"));
        allowed.insert(one, PUT, "a");
        assert!(allowed.contains(one, PUT, "a"));
        assert!(!allowed.contains(one, PUT, "b") && !allowed.contains(one, Action::EcrBatchGetImage, "a"));
        assert!(!allowed.contains(other, PUT, "a"));
        allowed.insert(other, PUT, "a");
        assert!(allowed.contains(other, PUT, "a"));
        allowed.forget();
        assert!(!allowed.contains(one, PUT, "a") && !allowed.contains(other, PUT, "a"));
    }

    #[test]
    fn all_identities_share_one_memory() {
        let allowed = Allowed::default();
        let owner = allowed.add_identity();
        let often = |number: usize| format!("arn:aws:ecr:us-east-1:111111111111:repository/{number}");
        for number in 0..50 {
            allowed.insert(owner, PUT, &often(number));
        }
        let long = "x".repeat(8_000);
        for _ in 0..20 {
            let identity = allowed.add_identity();
            for number in 0..200 {
                allowed.insert(identity, PUT, &format!("{number}{long}"));
                assert!(allowed.contains(owner, PUT, &often(number % 50)), "what is asked again and again stays");
            }
        }
        let (count, held) = (allowed.decisions.len(), allowed.decisions.weight());
        assert!(held <= MAX_BYTES && (count - 50) as u64 * 8_000 <= MAX_BYTES, "{count} decisions of {held} bytes");
        allowed.forget();
        for number in 0..2 * MAX_DECISIONS {
            allowed.insert(owner, PUT, &often(number));
        }
        let (count, held) = (allowed.decisions.len(), allowed.decisions.weight());
        assert!(held <= MAX_BYTES && count > 10_000, "{count} decisions of {held} bytes");
    }
}
