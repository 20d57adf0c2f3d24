//! Packages of Composer: `installed.json` of both versions, and `composer.lock`.
//!
//! Names are in lower case. Versions are without a `v` in front; a branch (`dev-main`) is no version, as nothing compares
//! with it. Of a lock file what is for development alone is left out.

use serde_json::Value;

use crate::detectors::gather::Gather;
use crate::detectors::text::{file_name, json, lies_in_package, member};
use crate::detectors::{Candidate, Detector};
use crate::facts::Found;
use crate::limits::Limits;
use crate::package::PackageKind;

/// The detector of installed packages.
pub struct Installed;

/// The detector of lock files.
pub struct Locks;

impl Detector for Installed {
    fn name(&self) -> &'static str {
        "composer"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        // The folder `vendor` may have any name.
        file.path.ends_with("/composer/installed.json")
    }

    fn read(&self, _path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        if let Some(installed) = json(content, &mut gather) {
            // Composer 1 wrote the list alone.
            let packages = installed.as_array().or_else(|| installed.get("packages")?.as_array());
            match packages {
                Some(packages) => {
                    for (name, version) in named(packages) {
                        gather.installed(PackageKind::Composer, &name, version);
                    }
                }
                None => gather.problem("it has no list of packages"),
            }
        }
        gather.finish()
    }
}

impl Detector for Locks {
    fn name(&self) -> &'static str {
        "composer-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        file_name(file.path) == "composer.lock" && !lies_in_package(file.path)
    }

    fn read(&self, _path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        if let Some(lock) = json(content, &mut gather) {
            match lock.get("packages").and_then(Value::as_array) {
                Some(packages) => {
                    for (name, version) in named(packages) {
                        gather.declared(PackageKind::Composer, &name, version);
                    }
                }
                None => gather.problem("it has no list of packages"),
            }
        }
        gather.finish()
    }
}

/// The packages of a list, with their versions.
fn named(packages: &[Value]) -> impl Iterator<Item = (String, &str)> {
    packages.iter().filter_map(|package| {
        let name = member(package, "name")?;
        Some((name.to_ascii_lowercase(), member(package, "version").map(release).unwrap_or_default()))
    })
}

/// A version that compares; empty for a branch.
fn release(version: &str) -> &str {
    let number = version.strip_prefix(['v', 'V']).unwrap_or(version);
    if number.starts_with(|first: char| first.is_ascii_digit()) { number } else { "" }
}
