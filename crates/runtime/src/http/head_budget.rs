//! How much all heads together may hold that are not whole yet: nobody is known before the end of a head, so anybody
//! could have the server keep long ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// So much of every head is free: few are longer.
const FREE_BYTES: u64 = 8 * 1024;

/// What is left for long heads.
#[derive(Debug)]
pub struct HeadBudget {
    max: u64,
    used: AtomicU64,
}

/// What one connection's head has of it, until this is dropped.
pub struct HeadShare {
    budget: Arc<HeadBudget>,
    bytes: u64,
}

impl HeadBudget {
    /// Of so many bytes beyond the first of each head.
    pub fn new(max: u64) -> Arc<Self> {
        Arc::new(Self { max, used: AtomicU64::new(0) })
    }

    /// The share of a connection.
    pub fn share(self: &Arc<Self>) -> HeadShare {
        HeadShare { budget: Arc::clone(self), bytes: 0 }
    }
}

impl HeadShare {
    /// The head is so long by now; false if that is more than there is room for.
    pub fn set(&mut self, head_bytes: u64) -> bool {
        let bytes = head_bytes.saturating_sub(FREE_BYTES);
        if bytes > self.bytes {
            let more = bytes - self.bytes;
            let used = self.budget.used.fetch_add(more, Ordering::AcqRel).saturating_add(more);
            self.bytes = bytes;
            return used <= self.budget.max;
        }
        self.budget.used.fetch_sub(self.bytes - bytes, Ordering::AcqRel);
        self.bytes = bytes;
        true
    }
}

impl Drop for HeadShare {
    fn drop(&mut self) {
        self.set(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_heads_share_and_short_ones_are_free() {
        let budget = HeadBudget::new(20_000);
        let (mut one, mut two, mut three) = (budget.share(), budget.share(), budget.share());
        assert!(one.set(FREE_BYTES + 15_000) && two.set(FREE_BYTES + 5000));
        assert!(three.set(FREE_BYTES) && !three.set(FREE_BYTES + 1));
        drop(three);
        assert!(one.set(0) && two.set(FREE_BYTES + 20_000));
        drop((one, two));
        assert_eq!(budget.used.load(Ordering::Acquire), 0);
    }
}
