//! From what the rules want to what can be done: lists hold what they name, referrers follow their subject.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::select::Verdict;
use crate::{Action, Failure, Image, Plan, Planned, StorageClass};

/// How many lists still hold an image, by what is to happen to it.
#[derive(Clone, Copy, Debug, Default)]
struct Holds {
    /// Lists that are not expired: a list in the archive can be restored, and then needs what it names.
    against_expire: usize,
    /// Lists that are neither expired nor in the archive: an image may join its list there.
    against_transition: usize,
}

impl Holds {
    fn against(self, action: Action) -> usize {
        match action {
            Action::Expire => self.against_expire,
            Action::Transition { .. } => self.against_transition,
        }
    }
}

/// Carries out verdicts one by one, always the oldest image that nothing holds; what never comes free has failed.
///
/// Images that wait for each other in a circle (a list whose subject it names) stay.
pub(crate) fn settle(images: &[Image<'_>], verdicts: Vec<Option<Verdict>>) -> Plan {
    let mut repository = Repository::new(images, verdicts);
    let mut actions = Vec::new();
    while let Some(Reverse((_, _, index))) = repository.free.pop() {
        let Some(verdict) = repository.verdicts[index] else { continue };
        repository.carry_out(index, verdict);
        actions.push(Planned { image: index, action: verdict.action, rule_priority: verdict.rule_priority });
    }
    let failures = repository.failures();
    Plan { actions, failures }
}

/// The images of a repository while a plan is made; all vectors go by the index of the image.
struct Repository<'i, 'a> {
    images: &'i [Image<'a>],
    verdicts: Vec<Option<Verdict>>,
    /// What was carried out.
    done: Vec<Option<Action>>,
    positions: HashMap<&'a str, usize>,
    holds: Vec<Holds>,
    /// Images that this one, a list, names.
    children: Vec<Vec<usize>>,
    /// Images that have this one as their subject.
    referrers: Vec<Vec<usize>>,
    /// Images with a verdict that nothing holds, by age.
    free: BinaryHeap<Reverse<(i64, &'a str, usize)>>,
}

impl<'i, 'a> Repository<'i, 'a> {
    fn new(images: &'i [Image<'a>], verdicts: Vec<Option<Verdict>>) -> Self {
        let mut repository = Self {
            images,
            verdicts,
            done: vec![None; images.len()],
            positions: images.iter().enumerate().map(|(index, image)| (image.digest, index)).collect(),
            holds: vec![Holds::default(); images.len()],
            children: vec![Vec::new(); images.len()],
            referrers: vec![Vec::new(); images.len()],
            free: BinaryHeap::new(),
        };
        for (index, image) in images.iter().enumerate() {
            repository.hold(index, image);
            if let Some(&subject) = image.subject.and_then(|subject| repository.positions.get(subject)) {
                repository.referrers[subject].push(index);
            }
        }
        for index in 0..images.len() {
            repository.release_if_free(index);
        }
        repository
    }

    /// Counts the lists that name an image.
    fn hold(&mut self, index: usize, image: &Image<'_>) {
        for list in distinct(&image.parents) {
            let position = self.positions.get(list).copied();
            if let Some(position) = position {
                self.children[position].push(index);
            }
            self.holds[index].against_expire += 1;
            // A list that was not given is in a state that no rule touches, such as ACTIVATING.
            if position.is_none_or(|position| self.images[position].storage_class == StorageClass::Standard) {
                self.holds[index].against_transition += 1;
            }
        }
    }

    fn release_if_free(&mut self, index: usize) {
        if self.verdicts[index].is_some_and(|verdict| self.holds[index].against(verdict.action) == 0) {
            let image = &self.images[index];
            self.free.push(Reverse((image.effective_pushed_at_ms(), image.digest, index)));
        }
    }

    /// Lets go of what the image holds, and takes its referrers along.
    fn carry_out(&mut self, index: usize, verdict: Verdict) {
        self.done[index] = Some(verdict.action);
        for child in std::mem::take(&mut self.children[index]) {
            let before = self.holds[child];
            let holds = &mut self.holds[child];
            if verdict.action == Action::Expire {
                holds.against_expire -= 1;
            }
            if self.images[index].storage_class == StorageClass::Standard {
                holds.against_transition -= 1;
            }
            let after = *holds;
            if self.verdicts[child]
                .is_some_and(|verdict| before.against(verdict.action) > after.against(verdict.action))
            {
                self.release_if_free(child);
            }
        }
        for referrer in std::mem::take(&mut self.referrers[index]) {
            let is_there = verdict.action == Action::Transition { target: self.images[referrer].storage_class };
            if !is_there {
                self.verdicts[referrer] = Some(verdict);
                self.release_if_free(referrer);
            }
        }
    }

    fn failures(&self) -> Vec<Failure> {
        let mut failures = Vec::new();
        for (index, verdict) in self.verdicts.iter().enumerate() {
            if let (Some(verdict), None) = (verdict, self.done[index]) {
                let lists = distinct(&self.images[index].parents)
                    .into_iter()
                    .filter(|list| self.stays(list, verdict.action))
                    .map(str::to_owned)
                    .collect();
                let Verdict { action, rule_priority } = *verdict;
                failures.push(Failure { image: index, action, rule_priority, lists });
            }
        }
        failures.sort_unstable_by_key(|failure| {
            let image = &self.images[failure.image];
            (image.effective_pushed_at_ms(), image.digest)
        });
        failures
    }

    /// Whether a list still needs the image for which `action` was wanted.
    fn stays(&self, list: &str, action: Action) -> bool {
        let Some(&position) = self.positions.get(list) else { return true };
        match action {
            Action::Expire => self.done[position] != Some(Action::Expire),
            Action::Transition { .. } => {
                self.done[position].is_none() && self.images[position].storage_class == StorageClass::Standard
            }
        }
    }
}

/// The digests, sorted, each once.
fn distinct<'a>(digests: &[&'a str]) -> Vec<&'a str> {
    let mut digests = digests.to_vec();
    digests.sort_unstable();
    digests.dedup();
    digests
}
