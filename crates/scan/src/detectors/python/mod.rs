//! Distributions of Python: what pip and its elders leave beside a module, and lock files.
//!
//! Names are normalised (PEP 503): lower case, and one dash for each run of dashes, points and underscores.
//!
//! Of `requirements*.txt` only what is pinned is taken, whatever the machine it is pinned for. Of lock files (`poetry.lock`,
//! `Pipfile.lock`, `pdm.lock`, `uv.lock`, `pylock.toml`) all are taken but the project itself and what is for its
//! development alone, where the file says so.

mod requirements;

use serde_json::Value;

use crate::detectors::gather::Gather;
use crate::detectors::text::{file_name, has_end, header, json, lies_in_package, member, text};
use crate::detectors::zip::Archive;
use crate::detectors::{Candidate, Detector, toml_lock};
use crate::facts::Found;
use crate::limits::Limits;
use crate::package::PackageKind;

/// The detector of installed distributions.
pub struct Installed;

/// The detector of requirements and lock files.
pub struct Locks;

/// What says of an egg what it is.
const EGG: &str = "EGG-INFO/PKG-INFO";

/// A name as PEP 503 compares names.
pub fn normalised(name: &str) -> String {
    let mut normalised = String::with_capacity(name.len());
    for part in name.trim().split(['-', '_', '.']).filter(|part| !part.is_empty()) {
        if !normalised.is_empty() {
            normalised.push('-');
        }
        normalised.push_str(&part.to_ascii_lowercase());
    }
    normalised
}

fn is_egg(file: &Candidate<'_>) -> bool {
    has_end(file_name(file.path), ".egg") && file.head.starts_with(b"PK")
}

fn is_metadata(path: &str) -> bool {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = file_name(folder);
    match name {
        "METADATA" => has_end(folder, ".dist-info"),
        "PKG-INFO" => has_end(folder, ".egg-info") || folder == "EGG-INFO",
        _ => has_end(name, ".egg-info"),
    }
}

impl Detector for Installed {
    fn name(&self) -> &'static str {
        "python"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        is_metadata(file.path) || is_egg(file)
    }

    fn read(&self, path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        if has_end(file_name(path), ".egg") {
            read_egg(content, &mut gather);
        } else {
            read_metadata(content, &mut gather);
        }
        gather.finish()
    }
}

fn read_metadata(content: &[u8], gather: &mut Gather<'_>) {
    let Some(text) = text(content, gather) else { return };
    match (header(&text, "Name").map(normalised), header(&text, "Version")) {
        (Some(name), Some(version)) if !name.is_empty() && !version.is_empty() => {
            gather.installed(PackageKind::Python, &name, version);
        }
        _ => gather.problem("it has no name or no version"),
    }
}

fn read_egg(content: &[u8], gather: &mut Gather<'_>) {
    let archive = match Archive::open(content) {
        Ok(archive) => archive,
        Err(error) => return gather.problem(error.to_string()),
    };
    let (entries, most) = (gather.limits().archive_entries, gather.limits().text_bytes);
    for (at, entry) in (0_u64..).zip(archive.entries()) {
        if at >= entries {
            return gather.problem(format!("it has more than {entries} entries"));
        }
        match entry {
            Ok(entry) if entry.name == EGG.as_bytes() => match archive.content(&entry, most) {
                Ok(content) => return read_metadata(&content, gather),
                Err(error) => return gather.problem(format!("{EGG}: {error}")),
            },
            Ok(_) => {}
            Err(error) => return gather.problem(error.to_string()),
        }
    }
    gather.problem(format!("it has no {EGG}"));
}

impl Detector for Locks {
    fn name(&self) -> &'static str {
        "python-lock"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        let name = file_name(file.path);
        (["poetry.lock", "pdm.lock", "uv.lock", "pylock.toml", "Pipfile.lock"].contains(&name) || is_requirements(name))
            && !lies_in_package(file.path)
    }

    fn read(&self, path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        match file_name(path) {
            "Pipfile.lock" => {
                if let Some(lock) = json(content, &mut gather) {
                    read_pipfile(&lock, &mut gather);
                }
            }
            name if is_requirements(name) => {
                if let Some(text) = text(content, &mut gather) {
                    requirements::read(&text, &mut gather);
                }
            }
            _ => {
                if let Some(text) = text(content, &mut gather) {
                    read_toml(&text, &mut gather);
                }
            }
        }
        gather.finish()
    }
}

fn is_requirements(name: &str) -> bool {
    name.starts_with("requirements") && has_end(name, ".txt")
}

fn read_toml(text: &str, gather: &mut Gather<'_>) {
    for entry in toml_lock::entries(text) {
        // The project itself, and what lies in folders beside it.
        let is_local = entry.source.is_some_and(|source| {
            ["editable", "virtual", "directory", "path"].iter().any(|kind| {
                source
                    .trim_start_matches(['{', ' '])
                    .strip_prefix(kind)
                    .is_some_and(|rest| rest.trim_start().starts_with('='))
            })
        });
        if !entry.is_for_development && !is_local && !entry.version.is_empty() {
            gather.declared(PackageKind::Python, &normalised(entry.name), entry.version);
        }
    }
}

fn read_pipfile(lock: &Value, gather: &mut Gather<'_>) {
    let Some(packages) = lock.get("default").and_then(Value::as_object) else {
        return gather.problem("it has no list of packages");
    };
    for (name, package) in packages {
        if let Some(version) = member(package, "version").and_then(|version| version.strip_prefix("==")) {
            gather.declared(PackageKind::Python, &normalised(name), version.trim());
        }
    }
}
