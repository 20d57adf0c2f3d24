//! What an identity was found to be allowed, so that a pull does not weigh a hundred statements again and again.
//!
//! Only decisions that follow from the identity's own policies alone are kept: no condition, no session policy, no
//! policy of a repository or registry had a say. They live in the identity as a directory holds it, so every change of
//! any policy, user, group or role ends them.

use std::collections::{HashMap, HashSet};
use std::sync::{PoisonError, RwLock};

/// Decisions that are kept for one identity; when there are more, all are forgotten.
const MAX_DECISIONS: usize = 4096;

/// Actions and the resources that each is allowed on.
#[derive(Debug, Default)]
pub struct Allowed {
    resources: RwLock<HashMap<String, HashSet<String>>>,
}

impl Allowed {
    /// Whether this was found to be allowed.
    pub fn contains(&self, action: &str, resource: &str) -> bool {
        let resources = self.resources.read().unwrap_or_else(PoisonError::into_inner);
        resources.get(action).is_some_and(|known| known.contains(resource))
    }

    /// Keeps what was found to be allowed.
    pub fn insert(&self, action: &str, resource: &str) {
        let mut resources = self.resources.write().unwrap_or_else(PoisonError::into_inner);
        if resources.values().map(HashSet::len).sum::<usize>() >= MAX_DECISIONS {
            resources.clear();
        }
        resources.entry(action.to_owned()).or_default().insert(resource.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_within_bounds() {
        let allowed = Allowed::default();
        assert!(!allowed.contains("ecr:PutImage", "a"));
        allowed.insert("ecr:PutImage", "a");
        assert!(allowed.contains("ecr:PutImage", "a"));
        assert!(!allowed.contains("ecr:PutImage", "b") && !allowed.contains("ecr:BatchGetImage", "a"));
        for number in 0..2 * MAX_DECISIONS {
            allowed.insert("ecr:PutImage", &number.to_string());
        }
        assert!(allowed.resources.read().expect("not poisoned")["ecr:PutImage"].len() <= MAX_DECISIONS);
    }
}
