//! Versions of Python packages, as PEP 440 orders them. What PEP 440 refuses is below every version.

use std::cmp::Ordering;
use std::str::FromStr;

use pep440_rs::Version;

use super::text::compare_read;

/// The order of two versions. What is behind a `+` counts.
pub fn compare(a: &str, b: &str) -> Ordering {
    compare_read(a, b, read, Version::cmp)
}

/// The order of a version and of a bound that an advisory names. A bound without a part behind `+` stands for all such parts.
pub fn compare_to_bound(version: &str, bound: &str) -> Ordering {
    if bound.contains('+') {
        return compare(version, bound);
    }
    let without_local = version.split_once('+').map_or(version, |(public, _)| public);
    compare(without_local, bound)
}

/// Whether PEP 440 takes the text for a version.
pub fn is_version(text: &str) -> bool {
    read(text).is_some()
}

fn read(text: &str) -> Option<Version> {
    Version::from_str(text).ok()
}
