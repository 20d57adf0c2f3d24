//! Trying again: longer waits each time, and all wait when one is told that there are too many requests.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::failure::Failure;

const FIRST_WAIT: Duration = Duration::from_millis(300);
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A server that asks for more is taken at its word only so far.
const LONGEST_ASKED_WAIT: Duration = Duration::from_secs(300);

/// How one of the two sides is tried again.
pub(super) struct Patience {
    /// Attempts after the first.
    retries: u32,
    /// Nobody asks before this.
    quiet_until: Mutex<Instant>,
}

impl Patience {
    pub(super) fn new(retries: u32) -> Self {
        Self { retries, quiet_until: Mutex::new(Instant::now()) }
    }

    /// Works until it works, or cannot, or was tried often enough.
    pub(super) async fn run<T, W: Future<Output = Result<T, Failure>>>(
        &self,
        mut work: impl FnMut() -> W,
    ) -> Result<T, Failure> {
        let mut attempt = 0;
        loop {
            self.wait_for_quiet().await;
            let failure = match work().await {
                Ok(done) => return Ok(done),
                Err(failure) => failure,
            };
            self.before_retry(&mut attempt, failure).await?;
        }
    }

    /// Waits before the next attempt; the failure itself if there is none.
    pub(super) async fn before_retry(&self, attempt: &mut u32, failure: Failure) -> Result<(), Failure> {
        let Failure::Passing { retry_after, is_throttled, .. } = &failure else { return Err(failure) };
        if *attempt >= self.retries {
            return Err(failure);
        }
        let wait = retry_after.map_or_else(|| backoff(*attempt), |asked| asked.min(LONGEST_ASKED_WAIT));
        *attempt += 1;
        if *is_throttled {
            let mut until = self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
            *until = (*until).max(Instant::now() + wait);
        } else {
            tokio::time::sleep(wait).await;
        }
        self.wait_for_quiet().await;
        Ok(())
    }

    async fn wait_for_quiet(&self) {
        let until = *self.quiet_until.lock().unwrap_or_else(PoisonError::into_inner);
        tokio::time::sleep_until(until).await;
    }
}

/// Doubles with each attempt.
fn backoff(attempt: u32) -> Duration {
    FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempt)).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn wait_none() -> Failure {
        Failure::Passing { cause: "busy".to_owned(), retry_after: Some(Duration::ZERO), is_throttled: true }
    }

    #[tokio::test]
    async fn attempts_end() {
        for (retries, failing, outcome) in [(2, 2, Ok(2)), (2, 3, Err(wait_none())), (0, 0, Ok(0))] {
            let calls = Cell::new(0);
            let work = || async {
                calls.set(calls.get() + 1);
                if calls.get() <= failing { Err(wait_none()) } else { Ok(calls.get() - 1) }
            };
            assert_eq!(Patience::new(retries).run(work).await, outcome);
        }
        let calls = Cell::new(0);
        let refused = || async {
            calls.set(calls.get() + 1);
            Err::<(), _>(Failure::Final("no".to_owned()))
        };
        assert_eq!(Patience::new(9).run(refused).await, Err(Failure::Final("no".to_owned())));
        assert_eq!(calls.get(), 1);
    }

    #[test]
    fn waits_grow_to_a_limit() {
        let waits: Vec<Duration> = (0..100).map(backoff).collect();
        assert_eq!(waits[..3], [300, 600, 1_200].map(Duration::from_millis));
        assert!(waits.is_sorted() && waits[99] == LONGEST_WAIT);
    }
}
