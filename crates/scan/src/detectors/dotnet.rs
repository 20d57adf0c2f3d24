//! Packages of .NET: the files beside programs that name what they are made of, shared runtimes, and lock files.
//!
//! Of `*.deps.json` the packages are taken that bring something to run (what only helped to build is named there as well),
//! and the runtime that a program brings along. A shared runtime is told by its folder too,
//! `shared/NAME/VERSION/NAME.deps.json`. Names are in lower case, as NuGet's ids have no case.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::detectors::gather::Gather;
use crate::detectors::text::{file_name, has_end, json, lies_in_package, member, quoted, text};
use crate::detectors::{Candidate, Detector};
use crate::facts::Found;
use crate::limits::Limits;
use crate::package::PackageKind;

/// The detector of what programs are made of.
pub struct Installed;

/// The detector of lock files.
pub struct Locks;

impl Detector for Installed {
    fn name(&self) -> &'static str {
        "dotnet"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        has_end(file_name(file.path), ".deps.json")
    }

    fn read(&self, path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        if let Some((name, version)) = shared_runtime(path) {
            gather.installed(PackageKind::NuGet, &name.to_ascii_lowercase(), version);
        }
        if let Some(dependencies) = json(content, &mut gather) {
            read_dependencies(&dependencies, &mut gather);
        }
        gather.finish()
    }
}

/// The name and version in the path of a shared runtime.
fn shared_runtime(path: &str) -> Option<(&str, &str)> {
    let mut parts = path.rsplit('/');
    let (file, version, name, shared) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_runtime = shared == "shared" && file.strip_suffix(".deps.json") == Some(name);
    (is_runtime && version.starts_with(|first: char| first.is_ascii_digit())).then_some((name, version))
}

fn read_dependencies(dependencies: &Value, gather: &mut Gather<'_>) {
    let Some(libraries) = dependencies.get("libraries").and_then(Value::as_object) else {
        return gather.problem("it has no list of libraries");
    };
    let targets = dependencies.get("targets").and_then(Value::as_object);
    let running: BTreeSet<&str> = targets
        .into_iter()
        .flat_map(serde_json::Map::values)
        .filter_map(Value::as_object)
        .flatten()
        .filter(|(_, library)| is_run(library))
        .map(|(name, _)| name.as_str())
        .collect();
    for (key, library) in libraries {
        let Some((name, version)) = key.rsplit_once('/') else { continue };
        let name = match member(library, "type") {
            Some("package") if running.contains(key.as_str()) => name,
            Some("runtimepack") => name.strip_prefix("runtimepack.").unwrap_or(name),
            _ => continue,
        };
        gather.installed(PackageKind::NuGet, &name.to_ascii_lowercase(), version);
    }
}

/// Whether a library brings something that runs; `_._` stands for nothing.
fn is_run(library: &Value) -> bool {
    ["runtime", "native", "runtimeTargets"].iter().any(|kind| {
        let files = library.get(kind).and_then(Value::as_object);
        files.is_some_and(|files| files.keys().any(|file| file_name(file) != "_._"))
    })
}

impl Detector for Locks {
    fn name(&self) -> &'static str {
        "dotnet-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        let name = file_name(file.path);
        ["packages.lock.json", "packages.config"].iter().any(|known| name.eq_ignore_ascii_case(known))
            && !lies_in_package(file.path)
    }

    fn read(&self, path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        if file_name(path).eq_ignore_ascii_case("packages.config") {
            if let Some(text) = text(content, &mut gather) {
                read_config(&text, &mut gather);
            }
        } else if let Some(lock) = json(content, &mut gather) {
            read_lock(&lock, &mut gather);
        }
        gather.finish()
    }
}

fn read_lock(lock: &Value, gather: &mut Gather<'_>) {
    let Some(targets) = lock.get("dependencies").and_then(Value::as_object) else {
        return gather.problem("it has no list of packages");
    };
    // Each target names the packages again.
    let packages: BTreeSet<(String, &str)> = targets
        .values()
        .filter_map(Value::as_object)
        .flatten()
        .filter(|(_, package)| member(package, "type") != Some("Project"))
        .filter_map(|(name, package)| Some((name.to_ascii_lowercase(), member(package, "resolved")?)))
        .collect();
    for (name, version) in packages {
        gather.declared(PackageKind::NuGet, &name, version);
    }
}

/// Reads `<package id="A" version="1.0" />`: these elements alone, as a tool writes them.
fn read_config(text: &str, gather: &mut Gather<'_>) {
    for element in text.split("<package").skip(1) {
        let attributes = element.split('>').next().unwrap_or_default();
        // The list itself is named alike.
        if !attributes.starts_with(|first: char| first.is_ascii_whitespace()) {
            continue;
        }
        let is_for_development =
            attribute(attributes, "developmentDependency").is_some_and(|value| value.eq_ignore_ascii_case("true"));
        if let (Some(name), Some(version)) = (attribute(attributes, "id"), attribute(attributes, "version"))
            && !is_for_development
        {
            gather.declared(PackageKind::NuGet, &name.to_ascii_lowercase(), version);
        }
    }
}

/// The value of an attribute.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    attributes.match_indices(name).find_map(|(at, _)| {
        let is_whole = attributes.get(..at)?.ends_with(|before: char| before.is_ascii_whitespace());
        let value = attributes.get(at + name.len()..)?.trim_start().strip_prefix('=')?.trim_start();
        quoted(value).filter(|_| is_whole)
    })
}
