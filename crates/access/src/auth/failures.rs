//! Slows down whoever fails to authenticate again and again, so that secrets cannot be tried out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use runtime::source_network::network;

/// Failures count for so long.
const WINDOW_MS: i64 = 60_000;
/// Sources that are remembered; when there are more, those whose failures are oldest are forgotten.
const MAX_SOURCES: usize = 10_000;
/// The first answer that waits, waits so long; each further one twice as long, up to the longest.
const FIRST_DELAY: Duration = Duration::from_millis(100);
const LONGEST_DELAY: Duration = Duration::from_secs(5);

/// Failures of the last minute by the network that they came from.
pub struct Failures {
    free_per_minute: u32,
    sources: Mutex<HashMap<IpAddr, Source>>,
}

#[derive(Clone, Copy)]
struct Source {
    since_ms: i64,
    count: u32,
}

impl Failures {
    /// The first `free_per_minute` failures of a source in a minute are answered at once.
    pub fn new(free_per_minute: u32) -> Self {
        Self { free_per_minute, sources: Mutex::default() }
    }

    /// Notes a failure, and says how long its answer has to wait.
    pub fn record(&self, source: IpAddr, now_ms: i64) -> Duration {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if sources.len() >= MAX_SOURCES {
            sources.retain(|_, source| now_ms - source.since_ms < WINDOW_MS);
            if sources.len() >= MAX_SOURCES
                && let Some(oldest) = sources.iter().min_by_key(|(_, source)| source.since_ms).map(|(ip, _)| *ip)
            {
                sources.remove(&oldest);
            }
        }
        let source = sources.entry(network(source)).or_insert(Source { since_ms: now_ms, count: 0 });
        if now_ms - source.since_ms >= WINDOW_MS {
            *source = Source { since_ms: now_ms, count: 0 };
        }
        source.count = source.count.saturating_add(1);
        let beyond = source.count.saturating_sub(self.free_per_minute);
        match beyond.checked_sub(1) {
            None => Duration::ZERO,
            Some(doublings) => FIRST_DELAY.saturating_mul(1 << doublings.min(16)).min(LONGEST_DELAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_grow_by_source_and_end_with_the_minute() {
        let failures = Failures::new(2);
        let source: IpAddr = "2001:db8::1".parse().expect("an address");
        let neighbour: IpAddr = "2001:db8::2".parse().expect("an address");
        let other: IpAddr = "192.0.2.1".parse().expect("an address");
        let delays: Vec<_> = (0..5).map(|_| failures.record(source, 0).as_millis()).collect();
        assert_eq!(delays, [0, 0, 100, 200, 400]);
        assert_eq!(failures.record(neighbour, 0).as_millis(), 800);
        assert_eq!(failures.record(other, 0), Duration::ZERO);
        for _ in 0..100 {
            assert!(failures.record(source, 1) <= LONGEST_DELAY);
        }
        assert_eq!(failures.record(source, WINDOW_MS), Duration::ZERO);
    }

    #[test]
    fn memory_is_bounded() {
        let failures = Failures::new(0);
        for number in 0..MAX_SOURCES as u32 + 100 {
            failures.record(IpAddr::V4(number.into()), i64::from(number));
        }
        assert!(failures.sources.lock().expect("not poisoned").len() <= MAX_SOURCES);
    }
}
