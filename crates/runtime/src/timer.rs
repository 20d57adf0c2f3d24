//! Waiting, and how long something took: the one place that the crates above wait at, so that a simulation can let time pass
//! without any passing. What time of day it is, is the [`clock`](crate::clock)'s to say.

use std::time::Duration;

use tokio::time::{Interval, Sleep, Timeout};

/// A moment that another one is measured from.
pub use tokio::time::Instant;

/// This moment.
pub fn now() -> Instant {
    Instant::now()
}

/// How long it is since `moment`.
pub fn since(moment: Instant) -> Duration {
    moment.elapsed()
}

/// Waits so long.
pub fn sleep(time: Duration) -> Sleep {
    tokio::time::sleep(time)
}

/// Waits until then.
pub fn sleep_until(moment: Instant) -> Sleep {
    tokio::time::sleep_until(moment)
}

/// Gives `work` up if it takes longer.
pub fn timeout<F: IntoFuture>(time: Duration, work: F) -> Timeout<F::IntoFuture> {
    tokio::time::timeout(time, work)
}

/// Gives `work` up if it has not come to its end by then.
pub fn timeout_at<F: IntoFuture>(moment: Instant, work: F) -> Timeout<F::IntoFuture> {
    tokio::time::timeout_at(moment, work)
}

/// Comes again and again, at once for the first time.
pub fn interval(period: Duration) -> Interval {
    tokio::time::interval(period)
}
