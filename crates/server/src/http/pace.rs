//! How long a peer may keep the server waiting: a stock of time that waiting uses up and bytes fill again.
//!
//! Only time that is spent on the peer counts, so a server that is slow itself blames nobody. The stock has a limit: a
//! peer that was quick for an hour may not be silent for the next.

use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// What is asked of peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaceLimits {
    /// The stock of time.
    pub allowance: Duration,
    /// Bytes that fill a second of it again.
    pub bytes_per_second: u32,
}

/// How many times as long an answer may wait for its reader: what a kernel holds for it is some hundred KiB, of which it
/// tells only when a third is gone. One that reads nothing at all the kernel itself finds out about.
const FOR_ANSWERS: u32 = 5;

impl PaceLimits {
    /// What is asked of those who read answers.
    pub fn for_answers(self) -> Self {
        Self { allowance: self.allowance.saturating_mul(FOR_ANSWERS), ..self }
    }
}

/// One peer's stock of time in one direction.
pub struct Pace {
    limits: PaceLimits,
    used: Duration,
    waiting_since: Option<Instant>,
    /// Never later than the deadline that holds now: progress only moves that one away.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// A full stock.
    pub const fn new(limits: PaceLimits) -> Self {
        Self { limits, used: Duration::ZERO, waiting_since: None, timer: None }
    }

    /// The peer is waited for; ready when that has taken too long.
    pub fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let since = *self.waiting_since.get_or_insert(now);
        let deadline = since + self.limits.allowance.saturating_sub(self.used);
        if now >= deadline {
            return Poll::Ready(());
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            timer.as_mut().reset(deadline);
        }
    }

    /// The peer sent or took so many bytes.
    pub fn moved(&mut self, bytes: usize) {
        if let Some(since) = self.waiting_since.take() {
            self.used += since.elapsed();
        }
        if !self.used.is_zero() {
            let per_second = f64::from(self.limits.bytes_per_second.max(1));
            self.used = self.used.saturating_sub(Duration::from_secs_f64(bytes as f64 / per_second));
        }
    }

    /// Whether the peer is waited for, or has not made good for when it was.
    pub const fn lags(&self) -> bool {
        self.waiting_since.is_some() || !self.used.is_zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PaceLimits = PaceLimits { allowance: Duration::from_secs(60), bytes_per_second: 500 };

    /// Waits for the peer until it has been too long, or for `seconds`.
    async fn wait(pace: &mut Pace, seconds: u64) -> bool {
        let overdue = std::future::poll_fn(|cx| pace.poll_overdue(cx));
        tokio::time::timeout(Duration::from_secs(seconds), overdue).await.is_ok()
    }

    #[test]
    fn silence_ends_and_drops_do_not_prolong_it() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let mut pace = Pace::new(LIMITS);
            assert!(!wait(&mut pace, 59).await && wait(&mut pace, 2).await, "a minute of silence");
            let mut pace = Pace::new(LIMITS);
            let mut bytes = 0;
            while !wait(&mut pace, 5).await {
                pace.moved(1);
                bytes += 1;
            }
            assert!((11..=13).contains(&bytes), "a byte every five seconds: {bytes}");
            let mut pace = Pace::new(LIMITS);
            pace.moved(1 << 40);
            assert!(!wait(&mut pace, 59).await && wait(&mut pace, 2).await, "what was quick may not be silent either");
        });
    }

    #[test]
    fn slow_peers_that_move_go_on() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        runtime.expect("a runtime").block_on(async {
            let mut pace = Pace::new(LIMITS);
            for _ in 0..1000 {
                assert!(!wait(&mut pace, 30).await);
                pace.moved(30 * 500);
                assert!(!pace.lags());
            }
            assert!(!wait(&mut pace, 30).await);
            pace.moved(1);
            assert!(pace.lags());
        });
    }
}
