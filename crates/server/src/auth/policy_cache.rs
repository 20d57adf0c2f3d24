//! Policies that were read already, by their text: reading one costs more than deciding by it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use iam::{Policy, PolicyError, PolicyKind};

/// Texts together may be so long before all are forgotten.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Policies by kind and text. A text never means anything else, so nothing here goes stale.
#[derive(Default)]
pub struct PolicyCache {
    read: Mutex<Read>,
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
}
