//! What the rules of a policy must not have in common.

use std::collections::{BTreeSet, HashMap};

use crate::{PolicyError, Rule, StorageClass, TagSelection};

/// Checks rules that are in ascending priority.
pub(crate) fn check(rules: &[Rule]) -> Result<(), PolicyError> {
    for pair in rules.windows(2) {
        if pair[0].priority == pair[1].priority {
            return Err(PolicyError::DuplicatePriority(pair[0].priority));
        }
    }
    check_tag_lists(rules)?;
    for storage_class in [StorageClass::Standard, StorageClass::Archive] {
        let of_class = rules.iter().map(|rule| &rule.selection).filter(|rule| rule.storage_class == storage_class);
        let of_class: Vec<&TagSelection> = of_class.map(|selection| &selection.tags).collect();
        if of_class.iter().filter(|tags| ***tags == TagSelection::Untagged).count() > 1 {
            return Err(PolicyError::SeveralUntagged);
        }
        // Two rules for any image fail as well: one of them is not the last.
        if of_class.iter().rev().skip(1).any(|tags| **tags == TagSelection::Any) {
            return Err(PolicyError::AnyNotLast);
        }
    }
    Ok(())
}

/// The second of two rules with one list would never act (reference/lifecycle.md 2). Order and repetition within a list
/// mean nothing.
fn check_tag_lists(rules: &[Rule]) -> Result<(), PolicyError> {
    let mut seen = HashMap::new();
    for rule in rules {
        let (kind, entries): (_, BTreeSet<&str>) = match &rule.selection.tags {
            TagSelection::Any | TagSelection::Untagged => continue,
            TagSelection::Prefixes(prefixes) => ("prefixes", prefixes.iter().map(String::as_str).collect()),
            TagSelection::Patterns(patterns) => ("patterns", patterns.iter().map(crate::TagPattern::as_str).collect()),
        };
        let key = (rule.selection.storage_class, kind, entries);
        if let Some(first) = seen.insert(key, rule.priority) {
            return Err(PolicyError::DuplicateTagList { first, second: rule.priority });
        }
    }
    Ok(())
}
