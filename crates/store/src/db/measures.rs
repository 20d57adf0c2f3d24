//! What a database tells of itself: how much is asked of it, how long that waits, and how often it must be done again.

use std::time::Instant;

use crate::measure::{Counter, Histogram};

/// Waits in microseconds: from what nobody notices to the longest that is waited at all.
const WAIT_BOUNDS: &[u64] =
    &[10, 50, 100, 500, 1_000, 5_000, 10_000, 50_000, 100_000, 500_000, 1_000_000, 5_000_000, 30_000_000];
/// Transactions in one commit.
const GROUP_BOUNDS: &[u64] = &[1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Of transactions that read, or of those that write.
#[derive(Debug)]
pub struct AccessMeasures {
    /// Runs of transactions, those that were run again included.
    pub attempts: Counter,
    /// Runs after the first of the same transaction.
    pub retries: Counter,
    /// Microseconds that transactions waited for a connection or for their turn at the writer.
    pub wait_micros: Histogram,
}

impl Default for AccessMeasures {
    fn default() -> Self {
        Self { attempts: Counter::default(), retries: Counter::default(), wait_micros: Histogram::new(WAIT_BOUNDS) }
    }
}

impl AccessMeasures {
    /// Notes how long a transaction has waited.
    pub(super) fn waited_since(&self, began: Instant) {
        self.wait_micros.record(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
}

/// Everything that is measured of one open database.
#[derive(Debug)]
pub struct DbMeasures {
    /// Transactions that read.
    pub reads: AccessMeasures,
    /// Transactions that write.
    pub writes: AccessMeasures,
    /// Transactions that shared one commit; of the embedded database alone.
    pub group_sizes: Histogram,
}

impl Default for DbMeasures {
    fn default() -> Self {
        Self {
            reads: AccessMeasures::default(),
            writes: AccessMeasures::default(),
            group_sizes: Histogram::new(GROUP_BOUNDS),
        }
    }
}
