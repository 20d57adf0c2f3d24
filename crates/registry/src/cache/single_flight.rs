//! Work that several requests want at the same time and one does for all.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

/// Work under way on this node, by a key that says what it is.
pub struct SingleFlight<V> {
    running: Arc<Running<V>>,
}

type Running<V> = Mutex<HashMap<String, watch::Receiver<Option<V>>>>;

impl<V> Default for SingleFlight<V> {
    fn default() -> Self {
        Self { running: Arc::default() }
    }
}

/// Takes the work out of the table however it ends.
struct Flight<V> {
    running: Arc<Running<V>>,
    key: String,
}

impl<V> Drop for Flight<V> {
    fn drop(&mut self) {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.key);
    }
}

impl<V: Clone + Send + Sync + 'static> SingleFlight<V> {
    /// Waits for the work of that key, which begins now unless it is under way. It goes on when nobody waits any more.
    /// None if it ended without a result, which only a fault makes it do.
    pub async fn join<F>(&self, key: String, work: impl FnOnce() -> F) -> Option<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let mut waiting = {
            let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            match running.get(&key) {
                Some(waiting) => waiting.clone(),
                None => {
                    let (done, waiting) = watch::channel(None);
                    running.insert(key.clone(), waiting.clone());
                    let flight = Flight { running: Arc::clone(&self.running), key };
                    let work = work();
                    runtime::tasks::spawn(async move {
                        let value = work.await;
                        // First out of the table: whoever comes now looks at what the work has changed.
                        drop(flight);
                        done.send_replace(Some(value));
                    });
                    waiting
                }
            }
        };
        waiting.wait_for(Option::is_some).await.ok()?.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn one_works_for_all_who_wait() {
        let (single_flight, count) = (Arc::new(SingleFlight::default()), Arc::new(AtomicUsize::new(0)));
        let (go, gate) = watch::channel(false);
        let waiters: Vec<_> = (0..10)
            .map(|_| {
                let (single_flight, count, mut gate) = (Arc::clone(&single_flight), Arc::clone(&count), gate.clone());
                tokio::spawn(async move {
                    let work = || async move {
                        gate.wait_for(|is_open| *is_open).await.expect("opens");
                        count.fetch_add(1, Ordering::SeqCst)
                    };
                    single_flight.join("key".to_owned(), work).await
                })
            })
            .collect();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        go.send_replace(true);
        for waiter in waiters {
            assert_eq!(waiter.await.expect("ends"), Some(0));
        }
        assert_eq!(single_flight.join("key".to_owned(), || async { 7 }).await, Some(7), "the next begins anew");
    }

    #[tokio::test]
    async fn a_fault_leaves_nothing_behind() {
        let single_flight: SingleFlight<usize> = SingleFlight::default();
        assert_eq!(single_flight.join("key".to_owned(), || async { panic!("a fault") }).await, None);
        assert_eq!(single_flight.join("key".to_owned(), || async { 1 }).await, Some(1));
    }
}
