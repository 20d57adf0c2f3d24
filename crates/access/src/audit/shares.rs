//! Whose events go when there are too many: those of the account that has most, where it has most of them.

use std::collections::BTreeMap;

use store::tables::audit_events::Holding;

/// Those of whose events only so many may stay, that all together are no more than `all`.
pub(super) fn too_many(held: Vec<Holding>, all: u64) -> Vec<(Holding, u64)> {
    let mut accounts: BTreeMap<String, Vec<Holding>> = BTreeMap::new();
    for of in held {
        accounts.entry(of.account.clone()).or_default().push(of);
    }
    let events = |regions: &[Holding]| regions.iter().map(|of| of.events).sum::<u64>();
    let most_of_account = level(accounts.values().map(|regions| events(regions)).collect(), all);
    let mut found = Vec::new();
    for regions in accounts.into_values() {
        let most = level(regions.iter().map(|of| of.events).collect(), events(&regions).min(most_of_account));
        found.extend(regions.into_iter().filter(|of| of.events > most).map(|of| (of, most)));
    }
    found
}

/// The most that each may keep so that all keep no more than `all`.
fn level(mut counts: Vec<u64>, all: u64) -> u64 {
    counts.sort_unstable();
    let (mut left, mut others) = (all, counts.len() as u64);
    for count in counts {
        let share = left / others;
        if count > share {
            return share;
        }
        left -= count;
        others -= 1;
    }
    u64::MAX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(held: &[(&str, &str, u64)], all: u64) -> Vec<(String, String, u64)> {
        let of = |&(account, region, events): &(&str, &str, u64)| Holding {
            account: account.to_owned(),
            region: region.to_owned(),
            events,
        };
        let found = too_many(held.iter().map(of).collect(), all);
        found.into_iter().map(|(of, most)| (of.account, of.region, most)).collect()
    }

    fn cut(account: &str, region: &str, most: u64) -> (String, String, u64) {
        (account.to_owned(), region.to_owned(), most)
    }

    #[test]
    fn whoever_has_most_gives_up() {
        let few_and_many = [("1", "a", 10), ("2", "a", 990), ("3", "a", 20)];
        assert_eq!(kept(&few_and_many, 1020), []);
        assert_eq!(kept(&few_and_many, 1000), [cut("2", "a", 970)]);
        assert_eq!(kept(&few_and_many, 35), [cut("2", "a", 12), cut("3", "a", 12)]);
        assert_eq!(kept(&few_and_many, 0).len(), 3);
        assert_eq!(kept(&[("1", "a", 10)], 7), [cut("1", "a", 7)]);
        assert_eq!(kept(&[], 0), []);
    }

    /// Several regions are no larger share.
    #[test]
    fn an_account_gives_up_where_it_has_most() {
        let held = [("1", "a", 50), ("1", "b", 10), ("1", "c", 60), ("2", "a", 30)];
        assert_eq!(kept(&held, 100), [cut("1", "a", 30), cut("1", "c", 30)]);
    }
}
