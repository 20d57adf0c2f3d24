//! Reads `yarn.lock`, of Yarn 1 and of those since: lines alone, as both are written by a tool.

use crate::detectors::gather::Gather;
use crate::detectors::npm::{at_version, declare};

/// Reads a lock file.
pub fn read(text: &str, gather: &mut Gather<'_>) {
    let mut entry: Option<Entry<'_>> = None;
    for line in text.lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if line.starts_with(' ') {
            if let Some(entry) = &mut entry {
                entry.read(line);
            }
            continue;
        }
        tell(entry.take(), gather);
        entry = Entry::begin(line);
    }
    tell(entry, gather);
}

struct Entry<'a> {
    name: &'a str,
    version: &'a str,
    is_local: bool,
}

impl<'a> Entry<'a> {
    /// From the line of what is asked for: `"a@^1", a@~1.2:`. A package under another name is asked for as `b@npm:a@^1`.
    fn begin(line: &'a str) -> Option<Self> {
        let first = line.trim_end().trim_end_matches(':').split(", ").next()?.trim_matches('"');
        let (name, range) = at_version(first)?;
        let name = range.strip_prefix("npm:").and_then(at_version).map_or(name, |(name, _)| name);
        Some(Self { name, version: "", is_local: false })
    }

    /// Reads a line of the entry itself; those of lists in it stand further in.
    fn read(&mut self, line: &'a str) {
        let Some(line) = line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) else { return };
        let (key, value) = line.split_once(' ').unwrap_or((line, ""));
        let value = value.trim().trim_matches('"');
        match key.trim_end_matches(':') {
            "version" => self.version = value,
            "resolution" => {
                if let Some((name, from)) = at_version(value) {
                    self.name = name;
                    self.is_local = ["workspace:", "link:", "portal:"].iter().any(|kind| from.starts_with(kind));
                }
            }
            _ => {}
        }
    }
}

fn tell(entry: Option<Entry<'_>>, gather: &mut Gather<'_>) {
    if let Some(entry) = entry.filter(|entry| !entry.is_local) {
        declare(entry.name, entry.version, gather);
    }
}
