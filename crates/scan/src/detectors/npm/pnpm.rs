//! Reads the list of packages of `pnpm-lock.yaml`: its lines alone, as a tool writes them. Other YAML of the same meaning
//! tells nothing.

use crate::detectors::gather::Gather;
use crate::detectors::npm::{at_version, declare};

/// Reads a lock file. Its packages stand two blanks in, below `packages:`, and what is said of each four.
pub fn read(text: &str, gather: &mut Gather<'_>) {
    let mut is_list = false;
    let mut package: Option<(&str, &str)> = None;
    for line in text.lines() {
        if !line.starts_with([' ', '#']) && !line.is_empty() {
            is_list = line.trim_end() == "packages:";
        } else if is_list {
            let Some(line) = line.strip_prefix("  ") else { continue };
            if line.trim() == "dev: true" {
                package = None;
            } else if !line.starts_with(' ') {
                tell(package.take(), gather);
                package = line
                    .trim_end()
                    .strip_suffix(':')
                    .or_else(|| line.split_once(": ").map(|(key, _)| key))
                    .and_then(named);
            }
        }
    }
    tell(package, gather);
}

fn tell(package: Option<(&str, &str)>, gather: &mut Gather<'_>) {
    if let Some((name, version)) = package {
        declare(name, version, gather);
    }
}

/// The name and version in `/a/1.0.0`, `/a@1.0.0` or `a@1.0.0`, without the peers behind: `(b@2.0.0)` or `_b@2.0.0`.
fn named(key: &str) -> Option<(&str, &str)> {
    let key = key.trim_matches(['\'', '"']).split('(').next()?;
    let by_slash = || {
        let (name, version) = key.strip_prefix('/')?.rsplit_once('/')?;
        version.starts_with(|first: char| first.is_ascii_digit()).then_some((name, version))
    };
    // A peer behind a slash's version has an at-sign of its own.
    let (name, version) = by_slash().or_else(|| at_version(key.strip_prefix('/').unwrap_or(key)))?;
    version.split('_').next().map(|version| (name, version))
}
