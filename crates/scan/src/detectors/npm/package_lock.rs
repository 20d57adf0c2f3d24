//! Reads `package-lock.json` and `npm-shrinkwrap.json`: version 1, which nests packages, and versions 2 and 3, which name
//! their folders.

use serde_json::Value;

use crate::detectors::gather::Gather;
use crate::detectors::npm::{at_version, below_modules, declare};
use crate::detectors::text::{is_true, member};

/// Reads a lock file.
pub fn read(lock: &Value, gather: &mut Gather<'_>) {
    // Version 2 has both forms, for older tools.
    match (lock.get("packages"), lock.get("dependencies")) {
        (Some(Value::Object(packages)), _) => {
            for (path, package) in packages {
                // The project itself, and its workspaces.
                let Some(folder) = below_modules(path) else { continue };
                if is_true(package, "link") || is_for_development(package) {
                    continue;
                }
                // A package under another name says its own.
                let name = member(package, "name").unwrap_or(folder);
                declare(name, member(package, "version").unwrap_or_default(), gather);
            }
        }
        (_, Some(dependencies)) => read_nested(dependencies, gather),
        (None, None) if lock.get("lockfileVersion").is_some() => {}
        (_, None) => gather.problem("it is no lock file of npm"),
    }
}

fn is_for_development(package: &Value) -> bool {
    is_true(package, "dev")
}

fn read_nested(dependencies: &Value, gather: &mut Gather<'_>) {
    let mut waiting = vec![dependencies];
    while let Some(dependencies) = waiting.pop() {
        for (name, package) in dependencies.as_object().into_iter().flatten() {
            waiting.extend(package.get("dependencies"));
            if is_for_development(package) {
                continue;
            }
            let version = member(package, "version").unwrap_or_default();
            match version.strip_prefix("npm:").and_then(at_version) {
                Some((name, version)) => declare(name, version, gather),
                None => declare(name, version, gather),
            }
        }
    }
}
