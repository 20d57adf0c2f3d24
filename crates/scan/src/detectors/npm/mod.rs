//! Packages of npm: what lies in `node_modules`, and lock files.
//!
//! A package is the `package.json` right in a folder of `node_modules`, or of a scope there; deeper ones are parts of a
//! package that have a file of their own for the way they are loaded. Elsewhere a `package.json` is a package if it has name
//! and version, is not `private` (as what is never published is), and lies in no folder of tests, templates and the like.
//!
//! Of lock files (`package-lock.json` and `npm-shrinkwrap.json` of all versions, `yarn.lock` of both forms,
//! `pnpm-lock.yaml`) the packages are taken that come from a registry or repository; links, workspaces and what is for
//! development alone are left out, where the file says so.

mod package_lock;
mod pnpm;
mod yarn;

use serde::Deserialize;
use serde_json::Value;

use crate::detectors::gather::Gather;
use crate::detectors::text::{file_name, is_too_large, json, lies_below, lies_in_package, text, without_mark};
use crate::detectors::{Candidate, Detector};
use crate::facts::Found;
use crate::limits::Limits;
use crate::package::PackageKind;

/// The detector of installed packages.
pub struct Installed;

/// The detector of lock files.
pub struct Locks;

/// Folders whose `package.json` is an example of one.
const EXAMPLES: [&str; 14] = [
    "test",
    "tests",
    "__tests__",
    "testdata",
    "fixture",
    "fixtures",
    "__fixtures__",
    "template",
    "templates",
    "example",
    "examples",
    "dist",
    "esm",
    "cjs",
];

#[derive(Deserialize)]
struct Manifest {
    name: Option<Value>,
    version: Option<Value>,
    private: Option<Value>,
}

/// The folders below the last `node_modules` of a path; none if there is none.
fn below_modules(path: &str) -> Option<&str> {
    match path.rsplit_once("/node_modules/") {
        Some((_, rest)) => Some(rest),
        None => path.strip_prefix("node_modules/"),
    }
}

/// Whether a path is that of a package's `package.json` in `node_modules`.
fn is_module(path: &str) -> bool {
    let Some((folder, "package.json")) = below_modules(path).and_then(|below| below.rsplit_once('/')) else {
        return false;
    };
    match folder.split_once('/') {
        None => !folder.starts_with(['@', '.']),
        Some((scope, name)) => scope.starts_with('@') && !name.contains('/'),
    }
}

fn is_elsewhere(path: &str) -> bool {
    file_name(path) == "package.json"
        && !lies_below(path, "node_modules")
        && !EXAMPLES.iter().any(|folder| lies_below(path, folder))
}

impl Detector for Installed {
    fn name(&self) -> &'static str {
        "npm"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        is_module(file.path) || is_elsewhere(file.path)
    }

    fn read(&self, path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        if is_too_large(content, &mut gather) {
            return gather.finish();
        }
        let is_module = is_module(path);
        match serde_json::from_slice::<Manifest>(without_mark(content)) {
            Ok(manifest) => {
                let is_private = manifest.private.is_some_and(|private| private != Value::Bool(false));
                let name = manifest.name.as_ref().and_then(Value::as_str).filter(|name| is_name(name));
                let version = manifest.version.as_ref().and_then(Value::as_str).map(release).unwrap_or_default();
                // What lies in `node_modules` is there, whatever its version; elsewhere both words make a package.
                if let Some(name) = name
                    && (is_module || !is_private && !version.is_empty())
                {
                    gather.installed(PackageKind::Npm, name, version);
                }
            }
            // Elsewhere it may be anything, as a form that a program fills in.
            Err(error) if is_module => gather.problem(format!("it cannot be read: {error}")),
            Err(_) => {}
        }
        gather.finish()
    }
}

/// Whether a text can be the name of a package: npm would not install another.
fn is_name(name: &str) -> bool {
    let (scope, rest) = match name.strip_prefix('@') {
        Some(scoped) => scoped.split_once('/').unwrap_or(("", "")),
        None => ("-", name),
    };
    let is_part = |part: &str| {
        !part.is_empty() && !part.starts_with('.') && !part.contains(|sign: char| "/@\\<>{}$ ".contains(sign))
    };
    name.len() <= 214 && is_part(scope) && is_part(rest)
}

/// A version without blanks, and without the signs that old tools left in front.
fn release(version: &str) -> &str {
    let version = version.trim();
    version.strip_prefix(['v', '=']).map_or(version, str::trim)
}

impl Detector for Locks {
    fn name(&self) -> &'static str {
        "npm-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        let names = ["package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml"];
        names.contains(&file_name(file.path)) && !lies_in_package(file.path)
    }

    fn read(&self, path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        match file_name(path) {
            "yarn.lock" => {
                if let Some(text) = text(content, &mut gather) {
                    yarn::read(&text, &mut gather);
                }
            }
            "pnpm-lock.yaml" => {
                if let Some(text) = text(content, &mut gather) {
                    pnpm::read(&text, &mut gather);
                }
            }
            _ => {
                if let Some(lock) = json(content, &mut gather) {
                    package_lock::read(&lock, &mut gather);
                }
            }
        }
        gather.finish()
    }
}

/// Adds a package of a lock file, if it is one by its name, and its version is none that is an address.
fn declare(name: &str, version: &str, gather: &mut Gather<'_>) {
    let is_version = version.starts_with(|first: char| first.is_ascii_digit()) && !version.contains([':', '/']);
    if is_name(name) && is_version {
        gather.declared(PackageKind::Npm, name, version);
    }
}

/// The name in `NAME@WHAT`; the second at-sign of a package with a scope.
fn at_version(text: &str) -> Option<(&str, &str)> {
    let scope = usize::from(text.starts_with('@'));
    let at = text.get(scope..)?.find('@')? + scope;
    Some((text.get(..at)?, text.get(at + 1..)?))
}
