//! Pulls by repository: of as many repositories as the configuration allows, those that are pulled most.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use store::measure::Counter;

use super::exposition::{Exposition, Kind};

/// Repositories that are remembered for each that is told of, so that those that are pulled more and more come up.
const REMEMBERED_FOR_EACH: usize = 10;

/// Account, region and name.
type RepositoryLabels = (String, String, String);

/// The counts of this node since its start.
pub struct PullCounts {
    most: usize,
    all: Counter,
    by_repository: Mutex<HashMap<RepositoryLabels, u64>>,
}

impl PullCounts {
    /// Tells of the `most` pulled repositories.
    pub fn new(most: usize) -> Self {
        Self { most, all: Counter::default(), by_repository: Mutex::default() }
    }

    /// Whether anybody wants to know whose images are pulled.
    pub const fn wants_repositories(&self) -> bool {
        self.most > 0
    }

    /// Notes that images were pulled.
    pub fn add(&self, count: u64) {
        self.all.add(count);
    }

    /// Notes of which repositories the images were.
    pub fn add_by_repository(&self, pulls: impl IntoIterator<Item = (RepositoryLabels, u64)>) {
        let mut counts = self.by_repository.lock().unwrap_or_else(PoisonError::into_inner);
        for (place, count) in pulls {
            *counts.entry(place).or_default() += count;
        }
        let room = self.most * REMEMBERED_FOR_EACH;
        if counts.len() > room {
            let mut sizes: Vec<u64> = counts.values().copied().collect();
            sizes.sort_unstable_by(|one, other| other.cmp(one));
            let least = sizes[self.most];
            counts.retain(|_, count| *count > least);
        }
    }

    /// Tells the counts.
    pub fn render(&self, out: &mut Exposition) {
        let help = "Pulls of manifests that count as the pull of an image.";
        out.single("wharf_pulls_total", Kind::Counter, help, self.all.get());
        if self.most == 0 {
            return;
        }
        let mut top: Vec<(RepositoryLabels, u64)> = {
            let counts = self.by_repository.lock().unwrap_or_else(PoisonError::into_inner);
            counts.iter().map(|(place, count)| (place.clone(), *count)).collect()
        };
        top.sort_unstable_by(|(place, count), (other_place, other_count)| {
            other_count.cmp(count).then_with(|| place.cmp(other_place))
        });
        let help = "Pulls of the repositories that this node has served most; begins anew for one that was forgotten.";
        out.family("wharf_repository_pulls_total", Kind::Counter, help);
        for ((account, region, name), count) in top.iter().take(self.most) {
            out.sample("", &[("account", account), ("region", region), ("repository", name)], count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: impl ToString) -> RepositoryLabels {
        ("123456789012".to_owned(), "us-east-1".to_owned(), name.to_string())
    }

    fn lines(counts: &PullCounts) -> Vec<String> {
        let mut out = Exposition::default();
        counts.render(&mut out);
        let prefix = "wharf_repository_pulls_total{account=\"123456789012\",region=\"us-east-1\",repository=";
        out.finish().lines().filter_map(|line| line.strip_prefix(prefix).map(str::to_owned)).collect()
    }

    #[test]
    fn only_the_most_pulled_are_told_and_few_are_remembered() {
        let counts = PullCounts::new(2);
        for round in 0..1000 {
            counts.add_by_repository([(place(format!("rare{round}")), 1), (place("often"), 2), (place("more"), 3)]);
            assert!(counts.by_repository.lock().expect("not poisoned").len() <= 2 * REMEMBERED_FOR_EACH);
        }
        assert_eq!(lines(&counts), ["\"more\"} 3000", "\"often\"} 2000"]);
    }

    #[test]
    fn none_are_told_if_none_are_wanted() {
        let counts = PullCounts::new(0);
        counts.add(3);
        assert!(!counts.wants_repositories());
        let mut out = Exposition::default();
        counts.render(&mut out);
        assert!(out.finish().ends_with("wharf_pulls_total 3\n"));
    }
}
