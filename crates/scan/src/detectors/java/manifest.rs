//! The main section of an archive's manifest, and what it says together with the name of the file.

use std::collections::BTreeMap;

/// What a manifest says of the archive.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Manifest {
    values: BTreeMap<String, String>,
}

/// What is read of it.
const KEYS: [&str; 5] = ["implementation-version", "bundle-version", "plugin-version", "group-id", "short-name"];

impl Manifest {
    /// Reads the main section, which ends at the first empty line. A line that begins with a blank continues the one before.
    pub fn read(content: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content);
        let mut values: BTreeMap<String, String> = BTreeMap::new();
        let mut last: Option<String> = None;
        for line in text.lines().take_while(|line| !line.is_empty()) {
            if let Some(more) = line.strip_prefix(' ') {
                if let Some(value) = last.as_ref().and_then(|key| values.get_mut(key)) {
                    value.push_str(more);
                }
                continue;
            }
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            let key = key.to_ascii_lowercase();
            last = KEYS.contains(&key.as_str()).then_some(key);
            if let Some(key) = &last {
                values.insert(key.clone(), value.trim_start().to_owned());
            }
        }
        Self { values }
    }

    fn value(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(|value| value.trim()).filter(|value| !value.is_empty() && !value.contains("${"))
    }

    /// The name and version of an archive that Maven says nothing of, from its manifest and the name of its file.
    pub fn identity(&self, file_stem: &str) -> (String, String) {
        if let (Some(group), Some(name), Some(version)) =
            (self.value("group-id"), self.value("short-name"), self.value("plugin-version"))
        {
            return (format!("{group}:{name}"), first_word(version).to_owned());
        }
        let versions = [self.value("implementation-version"), self.value("bundle-version")].into_iter().flatten();
        let (artifact, version) = versions
            .clone()
            .find_map(|version| parted(file_stem, version))
            .or_else(|| at_last_number(file_stem))
            .unwrap_or_else(|| (file_stem, versions.map(first_word).next().unwrap_or_default()));
        (artifact.to_owned(), version.to_owned())
    }
}

fn first_word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

/// A file's name parted into artifact and version, if it ends with a version of the manifest. OSGi writes a point where
/// Maven has a dash.
fn parted<'s>(file_stem: &'s str, version: &str) -> Option<(&'s str, &'s str)> {
    let at = file_stem.len().checked_sub(version.len())?;
    let of_file = file_stem.get(at..)?;
    let artifact = file_stem.get(..at)?.strip_suffix('-')?;
    let is_same = of_file.bytes().zip(version.bytes()).all(|(one, other)| one == other || (one, other) == (b'-', b'.'));
    (is_same && !artifact.is_empty()).then_some((artifact, of_file))
}

/// A file's name parted before the last dash that a number follows.
fn at_last_number(file_stem: &str) -> Option<(&str, &str)> {
    let dashes = file_stem.match_indices('-').rev().map(|(at, _)| at);
    dashes
        .filter_map(|at| Some((file_stem.get(..at)?, file_stem.get(at + 1..)?)))
        .find(|(artifact, version)| !artifact.is_empty() && version.starts_with(|first: char| first.is_ascii_digit()))
}
