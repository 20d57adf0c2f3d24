//! Counters and histograms that cost an atomic addition or two: what the program tells of itself while it runs.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Counts one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Counts several.
    pub fn add(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How often values of which size were seen. Values and bounds are whole numbers of one unit.
#[derive(Debug)]
pub struct Histogram {
    bounds: &'static [u64],
    /// One per bound, and one for what is beyond the last.
    counts: Box<[AtomicU64]>,
    sum: AtomicU64,
}

/// A histogram at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Each bound, and how many values were at most so large.
    pub up_to: Vec<(u64, u64)>,
    /// How many values there were.
    pub count: u64,
    /// Their sum.
    pub sum: u64,
}

impl Histogram {
    /// One with these upper bounds, which ascend and are included.
    pub fn new(bounds: &'static [u64]) -> Self {
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self { bounds, counts, sum: AtomicU64::new(0) }
    }

    /// Notes a value.
    pub fn record(&self, value: u64) {
        let at = self.bounds.partition_point(|bound| *bound < value);
        self.counts[at].fetch_add(1, Ordering::Relaxed);
        self.sum.fetch_add(value, Ordering::Relaxed);
    }

    /// What was noted so far.
    pub fn read(&self) -> Distribution {
        let mut count = 0;
        let mut up_to = Vec::with_capacity(self.bounds.len());
        for (at, counted) in self.counts.iter().enumerate() {
            count += counted.load(Ordering::Relaxed);
            if let Some(bound) = self.bounds.get(at) {
                up_to.push((*bound, count));
            }
        }
        Distribution { up_to, count, sum: self.sum.load(Ordering::Relaxed) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_up_to_each_bound() {
        let histogram = Histogram::new(&[1, 10, 100]);
        for value in [0, 1, 2, 10, 11, 100, 101, 5000] {
            histogram.record(value);
        }
        let read = histogram.read();
        assert_eq!(read.up_to, [(1, 2), (10, 4), (100, 6)]);
        assert_eq!((read.count, read.sum), (8, 5225));
    }

    #[test]
    fn counters_count() {
        let counter = Counter::default();
        counter.increment();
        counter.add(4);
        assert_eq!(counter.get(), 5);
    }
}
