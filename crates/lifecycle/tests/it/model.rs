//! The evaluation again, written from reference/lifecycle.md 3 without regard to speed: what the evaluator is compared
//! with.

use std::collections::BTreeMap;

use lifecycle::{Action, Count, Failure, Image, Options, Plan, Planned, Rule, StorageClass, TagSelection};

use crate::support::DAY_MS;

/// Whether a pattern fits, by trying every length for every star.
pub fn fits(pattern: &[u8], tag: &[u8]) -> bool {
    match pattern.split_first() {
        None => tag.is_empty(),
        Some((b'*', rest)) => (0..=tag.len()).any(|length| fits(rest, &tag[length..])),
        Some((byte, rest)) => tag.first() == Some(byte) && fits(rest, &tag[1..]),
    }
}

fn satisfies(image: &Image<'_>, requirement: &TagSelection) -> bool {
    let some_tag = |accepts: &dyn Fn(&str) -> bool| image.tags.iter().any(|tag| accepts(tag));
    match requirement {
        TagSelection::Any => true,
        TagSelection::Untagged => image.tags.is_empty(),
        TagSelection::Prefixes(list) => list.iter().all(|prefix| some_tag(&|tag| tag.starts_with(prefix))),
        TagSelection::Patterns(list) => {
            list.iter().all(|pattern| some_tag(&|tag| fits(pattern.as_str().as_bytes(), tag.as_bytes())))
        }
    }
}

fn effective_push_time(image: &Image<'_>) -> i64 {
    match image.last_activated_at_ms {
        Some(restored) => restored,
        None => image.pushed_at_ms,
    }
}

fn effective_pull_time(image: &Image<'_>) -> i64 {
    match (image.last_pulled_at_ms, image.last_activated_at_ms) {
        (None, None) => image.pushed_at_ms,
        (Some(pulled), None) => pulled,
        (None, Some(restored)) => restored,
        (Some(pulled), Some(restored)) => {
            if pulled < restored {
                restored
            } else {
                pulled
            }
        }
    }
}

/// Step 1: the tag match set of a rule, regardless of all others; the youngest first.
pub fn match_set(images: &[Image<'_>], rule: &Rule, options: Options) -> Vec<usize> {
    let mut found: Vec<usize> = (0..images.len())
        .filter(|&i| images[i].storage_class == rule.selection.storage_class)
        .filter(|&i| images[i].subject.is_none())
        .filter(|&i| !options.select_root_images_only || images[i].parents.is_empty())
        .filter(|&i| satisfies(&images[i], &rule.selection.tags))
        .collect();
    found.sort_by_key(|&i| (effective_push_time(&images[i]), images[i].digest));
    found.reverse();
    found
}

/// Step 2: what a rule marks.
fn candidates(images: &[Image<'_>], matched: &[usize], rule: &Rule, now_ms: i64) -> Vec<usize> {
    let is_older = |time: i64, days: i64| now_ms - time > days * DAY_MS;
    match rule.selection.count {
        Count::MoreThan { keep } => matched.iter().copied().skip(usize::try_from(keep).expect("small")).collect(),
        Count::SincePushed { days } => {
            matched.iter().copied().filter(|&i| is_older(effective_push_time(&images[i]), days)).collect()
        }
        Count::SincePulled { days } => {
            matched.iter().copied().filter(|&i| is_older(effective_pull_time(&images[i]), days)).collect()
        }
        Count::SinceTransitioned { days } => {
            let since = |i: usize| images[i].last_archived_at_ms;
            matched.iter().copied().filter(|&i| since(i).is_some_and(|time| is_older(time, days))).collect()
        }
    }
}

/// Steps 1 to 4.
pub fn decide(images: &[Image<'_>], rules: &[Rule], options: Options, now_ms: i64) -> Plan {
    // Step 3: no rule of a smaller number and the same class matched the image.
    let matched: Vec<Vec<usize>> = rules.iter().map(|rule| match_set(images, rule, options)).collect();
    let mut wanted: BTreeMap<usize, (Action, i64)> = BTreeMap::new();
    for (r, rule) in rules.iter().enumerate() {
        for i in candidates(images, &matched[r], rule, now_ms) {
            let is_shielded = (0..rules.len()).any(|other| {
                rules[other].priority < rule.priority
                    && rules[other].selection.storage_class == rule.selection.storage_class
                    && matched[other].contains(&i)
            });
            if !is_shielded {
                wanted.insert(i, (rule.action, rule.priority));
            }
        }
    }
    // Step 4: again and again the oldest image that can go.
    let find = |digest: &str| images.iter().position(|image| image.digest == digest);
    let mut plan = Plan::default();
    let stays = |plan: &Plan, list: &str, action: Action| {
        let Some(list) = find(list) else { return true };
        let done = plan.actions.iter().find(|planned| planned.image == list).map(|planned| planned.action);
        match action {
            Action::Expire => done != Some(Action::Expire),
            Action::Transition { .. } => done.is_none() && images[list].storage_class == StorageClass::Standard,
        }
    };
    let mut by_age: Vec<usize> = (0..images.len()).collect();
    by_age.sort_by_key(|&i| (effective_push_time(&images[i]), images[i].digest));
    loop {
        for (i, image) in images.iter().enumerate() {
            let Some(subject) = image.subject.and_then(find) else { continue };
            let Some(planned) = plan.actions.iter().find(|planned| planned.image == subject) else { continue };
            let is_there = planned.action == Action::Transition { target: image.storage_class };
            if !is_there {
                wanted.insert(i, (planned.action, planned.rule_priority));
            }
        }
        let next = by_age.iter().copied().find(|i| {
            wanted.get(i).is_some_and(|(action, _)| {
                let is_done = plan.actions.iter().any(|planned| planned.image == *i);
                !is_done && !images[*i].parents.iter().any(|list| stays(&plan, list, *action))
            })
        });
        let Some(i) = next else { break };
        let (action, rule_priority) = wanted[&i];
        plan.actions.push(Planned { image: i, action, rule_priority });
    }
    for i in by_age {
        let Some(&(action, rule_priority)) = wanted.get(&i) else { continue };
        if plan.actions.iter().all(|planned| planned.image != i) {
            let mut lists: Vec<String> = images[i].parents.iter().map(|list| (*list).to_owned()).collect();
            lists.sort();
            lists.dedup();
            lists.retain(|list| stays(&plan, list, action));
            plan.failures.push(Failure { image: i, action, rule_priority, lists });
        }
    }
    plan
}
