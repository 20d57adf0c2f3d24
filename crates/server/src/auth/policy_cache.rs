//! Policies that were read already, by their text: reading one costs more than deciding by it.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, PoisonError};

use aws::AccountId;
use iam::{Policy, PolicyError, PolicyKind};

use super::stand_in;

/// Texts together may be so long before all are forgotten.
const MAX_BYTES: usize = 64 * 1024 * 1024;
/// Damaged policies that are told of once each; after so many all are told of again.
const MAX_TOLD: usize = 10_000;

/// Policies by kind and text. A text never means anything else, so nothing here goes stale.
#[derive(Default)]
pub struct PolicyCache {
    read: Mutex<Read>,
    /// Whose policies were found damaged, and with what text.
    told: Mutex<HashSet<(String, String)>>,
}

#[derive(Default)]
struct Read {
    policies: HashMap<PolicyKind, HashMap<String, Policy>>,
    bytes: usize,
}

impl PolicyCache {
    /// The policy that `text` is.
    pub fn read(&self, kind: PolicyKind, text: &str) -> Result<Policy, PolicyError> {
        let known = |read: &Read| read.policies.get(&kind).and_then(|policies| policies.get(text)).cloned();
        if let Some(policy) = known(&self.read.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(policy);
        }
        let policy = Policy::parse(kind, text)?;
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if read.bytes + text.len() > MAX_BYTES {
            *read = Read::default();
        }
        read.bytes += text.len();
        read.policies.entry(kind).or_default().insert(text.to_owned(), policy.clone());
        Ok(policy)
    }

    /// The policy that was stored as `text`, or what [stands in](stand_in) for it if that cannot be read, which the log
    /// tells once. `what` names it.
    pub fn stored(&self, kind: PolicyKind, text: &str, account: AccountId, what: &dyn Fn() -> String) -> Policy {
        self.read(kind, text).unwrap_or_else(|error| {
            self.tell(what(), text, &error.to_string());
            stand_in::policy(kind, account)
        })
    }

    /// Logs that something which decides cannot be read, once as long as it is the same.
    pub fn tell(&self, what: String, text: &str, why: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MAX_TOLD {
            told.clear();
        }
        if told.insert((what.clone(), text.to_owned())) {
            tracing::error!(
                policy = what,
                "{what} is damaged, so what it governs is denied until another one is put in its place: {why}"
            );
        }
    }
}
