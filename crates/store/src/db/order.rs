//! Things that are changed one transaction at a time: the queue of this node for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aws_lc_rs::digest;
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::{QUEUE_WAIT, no_turn};
use crate::error::StoreError;

/// Queues that nobody is in any more are forgotten when there are so many.
const SWEEP_AT: usize = 1024;

type Queue = tokio::sync::Mutex<()>;

/// The queues, by lock.
#[derive(Default)]
pub(super) struct Orders {
    queues: Mutex<HashMap<i64, Weak<Queue>>>,
}

impl Orders {
    /// Waits for the turn, which ends with what this returns.
    pub async fn wait(&self, lock: i64) -> Result<OwnedMutexGuard<()>, StoreError> {
        let queue = self.queue(lock);
        timeout(QUEUE_WAIT, queue.lock_owned()).await.map_err(|_| no_turn())
    }

    fn queue(&self, lock: i64) -> Arc<Queue> {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(&lock).and_then(Weak::upgrade) {
            return queue;
        }
        if queues.len() >= SWEEP_AT {
            queues.retain(|_, queue| queue.strong_count() > 0);
        }
        let queue = Arc::new(Queue::default());
        queues.insert(lock, Arc::downgrade(&queue));
        queue
    }
}

/// The number of the database's lock for a name. Two names may have the same: then they wait for each other.
pub(super) fn lock_of(name: &str) -> i64 {
    let hash = digest::digest(&digest::SHA256, name.as_bytes());
    let (first, _) = hash.as_ref().split_first_chunk().expect("a SHA-256 has 32 bytes");
    i64::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_at_a_time_for_each_thing() {
        let orders = Orders::default();
        let first = orders.wait(1).await.expect("free");
        let _other = orders.wait(2).await.expect("free");
        assert!(orders.queue(1).try_lock().is_err(), "taken");
        drop(first);
        assert!(orders.queue(1).try_lock().is_ok(), "free again");
    }

    #[tokio::test]
    async fn queues_are_forgotten() {
        let orders = Orders::default();
        for lock in 0..3 * SWEEP_AT as i64 {
            drop(orders.wait(lock).await.expect("free"));
        }
        assert!(orders.queues.lock().expect("not poisoned").len() <= SWEEP_AT);
    }

    #[test]
    fn names_have_locks() {
        assert_eq!(lock_of("a"), lock_of("a"));
        assert_ne!(lock_of("a"), lock_of("b"));
    }
}
