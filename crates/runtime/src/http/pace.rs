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
    #[must_use]
    pub fn for_answers(self) -> Self {
        Self { allowance: self.allowance.saturating_mul(FOR_ANSWERS), ..self }
    }
}

/// One peer's stock of time in one direction.
pub struct Pace {
    stock: Stock,
    /// Never later than the deadline that holds now: progress only moves that one away.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Pace {
    /// A full stock.
    pub const fn new(limits: PaceLimits) -> Self {
        Self { stock: Stock { limits, used: Duration::ZERO, waiting_since: None }, timer: None }
    }

    /// The peer is waited for; ready when that has taken too long.
    pub fn poll_overdue(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let now = Instant::now();
        let deadline = self.stock.deadline(now);
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
        if self.lags() {
            self.stock.moved(bytes, Instant::now());
        }
    }

    /// Whether the peer is waited for, or has not made good for when it was.
    pub const fn lags(&self) -> bool {
        self.stock.waiting_since.is_some() || !self.stock.used.is_zero()
    }
}

/// The reckoning.
struct Stock {
    limits: PaceLimits,
    used: Duration,
    waiting_since: Option<Instant>,
}

impl Stock {
    /// When it is used up, if the peer is waited for from now on or already.
    fn deadline(&mut self, now: Instant) -> Instant {
        *self.waiting_since.get_or_insert(now) + self.limits.allowance.saturating_sub(self.used)
    }

    fn moved(&mut self, bytes: usize, now: Instant) {
        if let Some(since) = self.waiting_since.take() {
            self.used += now.saturating_duration_since(since);
        }
        let per_second = f64::from(self.limits.bytes_per_second.max(1));
        self.used = self.used.saturating_sub(Duration::from_secs_f64(bytes as f64 / per_second));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: PaceLimits = PaceLimits { allowance: Duration::from_secs(60), bytes_per_second: 500 };

    /// A peer that sends so many bytes after each wait of some seconds: for how many of these waits it is borne.
    fn waits(bytes: usize, seconds: u64) -> usize {
        let mut stock = Stock { limits: LIMITS, used: Duration::ZERO, waiting_since: None };
        let mut now = Instant::now();
        for wait in 0..1000 {
            let deadline = stock.deadline(now);
            now += Duration::from_secs(seconds);
            if now >= deadline {
                return wait;
            }
            stock.moved(bytes, now);
        }
        usize::MAX
    }

    #[test]
    fn silence_ends_and_drops_do_not_prolong_it() {
        assert_eq!(waits(0, 60), 0, "a minute of silence");
        assert_eq!(waits(1, 5), 12, "a byte every five seconds");
        assert_eq!(waits(1 << 40, 61), 0, "nor may those be silent who were quick");
    }

    #[test]
    fn slow_peers_that_move_go_on() {
        assert_eq!(waits(30 * 500, 30), usize::MAX);
        assert_eq!(waits(500, 1), usize::MAX);
        assert!(waits(499 * 59, 59) < 100);
    }

    #[test]
    fn a_peer_lags_until_it_has_made_good() {
        let mut pace = Pace::new(LIMITS);
        pace.moved(10);
        assert!(!pace.lags());
        let now = Instant::now();
        pace.stock.deadline(now);
        assert!(pace.lags());
        pace.stock.moved(1, now + Duration::from_secs(1));
        assert!(pace.lags());
        pace.moved(1000);
        assert!(!pace.lags());
    }
}
