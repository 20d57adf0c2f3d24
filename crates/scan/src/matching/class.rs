//! What sort of package a finding is in: those whose files do not run are set apart.

use super::answer::Class;
use crate::package::{Package, PackageKind};

/// Names of packages whose files do not run, each with its manager; a star stands for any letters.
const NOT_RUNTIME: &str = include_str!("not-runtime.txt");

/// The class of a package.
pub fn of(package: &Package) -> Class {
    let manager = match package.kind {
        PackageKind::Apk => "apk",
        PackageKind::Dpkg => "dpkg",
        PackageKind::Rpm => "rpm",
        _ => return Class::Runtime,
    };
    let lines = NOT_RUNTIME.lines().filter_map(|line| line.split_once(' '));
    let is_listed = lines.filter(|(kind, _)| *kind == manager).any(|(_, pattern)| fits(pattern, &package.name));
    if is_listed { Class::NotRuntime } else { Class::Runtime }
}

fn fits(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        Some((start, end)) => name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end),
        None => pattern == name,
    }
}
