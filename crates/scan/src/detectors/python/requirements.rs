//! Reads the requirements of pip that name one version.

use crate::detectors::gather::Gather;
use crate::detectors::python::normalised;
use crate::package::PackageKind;

/// Reads a file of requirements: one a line, with comments, options, and conditions of the machine.
pub fn read(text: &str, gather: &mut Gather<'_>) {
    for line in text.lines() {
        if let Some((name, version)) = pinned(line) {
            gather.declared(PackageKind::Python, &normalised(name), version);
        }
    }
}

/// The name and version of a requirement that leaves no choice: `name[extra]==1.0 ; condition --hash=…  # comment`.
fn pinned(line: &str) -> Option<(&str, &str)> {
    let (name, rest) = line.split_once("==")?;
    let rest = rest.strip_prefix('=').unwrap_or(rest).trim_start();
    let name = name.split('[').next()?.trim();
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let end = rest.find(|letter: char| letter.is_whitespace() || ";#\\,".contains(letter)).unwrap_or(rest.len());
    let (version, after) = rest.split_at(end);
    let is_one = !version.contains('*') && !after.trim_start().starts_with(',');
    let is_name = name.starts_with(|first: char| first.is_ascii_alphanumeric()) && name.chars().all(is_letter);
    (is_one && is_name && version.starts_with(|first: char| first.is_ascii_digit())).then_some((name, version))
}
