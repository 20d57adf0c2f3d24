//! Which rule acts on which image, before lists and referrers are looked at.

use std::cmp::Reverse;

use crate::{Action, Count, Image, LifecyclePolicy, Options, StorageClass};

/// What a rule wants to do with an image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Verdict {
    pub action: Action,
    pub rule_priority: i64,
}

/// The verdict on each image, by its index.
///
/// An image belongs to the first rule that matches its tags, whether or not that rule marks it (reference/lifecycle.md 3,
/// step 3). Later rules of the class still count it.
pub(crate) fn select(
    images: &[Image<'_>],
    policy: &LifecyclePolicy,
    options: Options,
    now_ms: i64,
) -> Vec<Option<Verdict>> {
    let mut verdicts = vec![None; images.len()];
    let mut is_claimed = vec![false; images.len()];
    for storage_class in [StorageClass::Standard, StorageClass::Archive] {
        let youngest_first = youngest_first(images, storage_class, options);
        for rule in policy.rules().iter().filter(|rule| rule.selection.storage_class == storage_class) {
            let selection = &rule.selection;
            let mut rank = 0;
            for &index in &youngest_first {
                // A claimed image is of interest only while it takes one of the places that are kept.
                let counts = matches!(selection.count, Count::MoreThan { keep } if rank < keep);
                if (is_claimed[index] && !counts) || !selection.tags.matches(&images[index].tags) {
                    continue;
                }
                rank += 1;
                if is_claimed[index] {
                    continue;
                }
                is_claimed[index] = true;
                if images[index].is_marked(selection.count, rank, now_ms) {
                    verdicts[index] = Some(Verdict { action: rule.action, rule_priority: rule.priority });
                }
            }
        }
    }
    verdicts
}

/// The images that rules of a class look at. Of equally old ones the greater digest counts as the younger, so that the
/// order of the input decides nothing.
fn youngest_first(images: &[Image<'_>], storage_class: StorageClass, options: Options) -> Vec<usize> {
    let is_considered = |image: &Image<'_>| {
        // Referrers live and die with their subject (reference/lifecycle.md 3, step 4). They take no place of those that
        // are kept either: else a signature younger than its image could push it out.
        image.storage_class == storage_class
            && image.subject.is_none()
            && (image.parents.is_empty() || !options.select_root_images_only)
    };
    let mut indices: Vec<usize> = (0..images.len()).filter(|&index| is_considered(&images[index])).collect();
    indices.sort_unstable_by_key(|&index| Reverse((images[index].effective_pushed_at_ms(), images[index].digest)));
    indices
}
