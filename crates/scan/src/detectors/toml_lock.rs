//! Reads lock files that are TOML: a list of tables, each with a name and a version.
//!
//! Tools write them, one value a line, so lines are enough, and what is between them costs nothing.

use crate::detectors::text::quoted;

/// A table of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The package's name.
    pub name: &'a str,
    /// Its version; empty where the table has none.
    pub version: &'a str,
    /// Where it comes from, as it is written.
    pub source: Option<&'a str>,
    /// Whether only its author's work on the project needs it, in lock files that say so.
    pub is_for_development: bool,
}

/// The tables `[[package]]` and `[[packages]]` of a lock file that have a name.
pub fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            if !matches!(line.trim(), "[[package]]" | "[[packages]]") {
                continue;
            }
            let mut entry = Entry { name: "", version: "", source: None, is_for_development: false };
            // Tables below this one begin with `[` as the next one does; their names and versions are of something else.
            while let Some(line) = lines.next_if(|line| !line.starts_with('[')) {
                let Some((key, value)) = line.split_once('=') else { continue };
                let value = value.trim_start();
                match key.trim_end() {
                    "name" => entry.name = quoted(value).unwrap_or_default(),
                    "version" => entry.version = quoted(value).unwrap_or_default(),
                    "source" => entry.source = Some(value),
                    "category" => entry.is_for_development = quoted(value) == Some("dev"),
                    // A package of several groups is for development if it is in neither of those that all installs take.
                    "groups" => {
                        entry.is_for_development =
                            !["\"main\"", "\"default\""].iter().any(|group| value.contains(group));
                    }
                    _ => {}
                }
            }
            if !entry.name.is_empty() {
                return Some(entry);
            }
        }
    })
}
