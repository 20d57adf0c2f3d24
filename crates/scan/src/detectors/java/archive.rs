//! Walks an archive and the archives in it, within one budget.

use std::borrow::Cow;

use crate::detectors::gather::{Gather, shown};
use crate::detectors::java::coordinates::{self, Coordinates};
use crate::detectors::java::is_archive;
use crate::detectors::java::manifest::Manifest;
use crate::detectors::text::file_name;
use crate::detectors::zip::{Archive, Entry, ZipError};
use crate::limits::Limits;
use crate::package::PackageKind;

/// What is read of a manifest: its main section stands first, and the rest is as long as the archive has entries.
const MANIFEST_BYTES: u64 = 64 << 10;
/// What Maven writes of an artifact has some hundred bytes.
const PROPERTIES_BYTES: u64 = 64 << 10;
/// All such texts of a file and the archives in it, in the largest texts that a layer may have.
const TEXTS: u64 = 16;

/// What is left to read of a file of the layer and all within it.
struct Budget {
    entries: u64,
    bytes: u64,
    /// Bytes of texts, which take longer to read than to unpack.
    text_bytes: u64,
    /// Bytes that may be held at once beside the file itself.
    held: u64,
}

/// One archive on the way down.
struct ArchivePosition<'p> {
    /// Its path in the file of the layer; empty for the file itself.
    within: &'p str,
    name: &'p str,
    depth: usize,
}

/// Why a walk ends before its end.
struct Spent;

/// Reads an archive of the layer.
pub fn read(name: &str, content: &[u8], gather: &mut Gather<'_>) {
    let limits = gather.limits();
    let mut budget = Budget {
        entries: limits.archive_entries,
        bytes: limits.archive_bytes,
        text_bytes: limits.text_bytes.saturating_mul(TEXTS).min(limits.archive_bytes),
        held: limits.file_bytes,
    };
    // Whoever reaches a bound has said so.
    let _ = walk(&ArchivePosition { within: "", name, depth: 1 }, content, &mut budget, gather);
    gather.unpacked(limits.archive_bytes.saturating_sub(budget.bytes));
}

fn walk(
    place: &ArchivePosition<'_>,
    content: &[u8],
    budget: &mut Budget,
    gather: &mut Gather<'_>,
) -> Result<(), Spent> {
    let archive = match Archive::open(content) {
        Ok(archive) => archive,
        // Other files have some of these names too.
        Err(ZipError::NoArchive) if !is_archive(place.name, content) => return Ok(()),
        Err(error) => {
            told(place, "", &error.to_string(), gather);
            return Ok(());
        }
    };
    let mut own = Own { is_program: is_program(place.name), ..Own::default() };
    let read = own.read(place, &archive, budget, gather);
    let nested = own.tell(place, gather);
    read?;
    for entry in nested {
        descend(place, &archive, &entry, budget, gather)?;
    }
    Ok(())
}

/// Whether an archive holds what runs, by its name.
fn is_program(name: &str) -> bool {
    !["-sources", "-javadoc"].iter().any(|kind| stem(name).ends_with(kind))
}

/// What an archive says of itself, and holds.
#[derive(Default)]
struct Own<'a> {
    is_program: bool,
    properties: Vec<Coordinates>,
    manifest: Option<Manifest>,
    nested: Vec<Entry<'a>>,
}

impl<'a> Own<'a> {
    /// Reads all entries but the archives among them.
    fn read(
        &mut self,
        place: &ArchivePosition<'_>,
        archive: &Archive<'a>,
        budget: &mut Budget,
        gather: &mut Gather<'_>,
    ) -> Result<(), Spent> {
        for entry in archive.entries() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    told(place, "", &error.to_string(), gather);
                    break;
                }
            };
            let Some(left) = budget.entries.checked_sub(1) else {
                return spent(place, gather);
            };
            budget.entries = left;
            if is_archive(&String::from_utf8_lossy(file_name_bytes(entry.name)), b"PK") {
                self.nested.push(entry);
            } else if self.is_program {
                self.read_entry(place, archive, &entry, budget, gather)?;
            }
        }
        Ok(())
    }

    fn read_entry(
        &mut self,
        place: &ArchivePosition<'_>,
        archive: &Archive<'_>,
        entry: &Entry<'_>,
        budget: &mut Budget,
        gather: &mut Gather<'_>,
    ) -> Result<(), Spent> {
        // Names of zip are text of some encoding; these are ASCII.
        let Ok(name) = std::str::from_utf8(entry.name) else { return Ok(()) };
        if self.manifest.is_none() && name.eq_ignore_ascii_case("META-INF/MANIFEST.MF") {
            match archive.beginning(entry, MANIFEST_BYTES.min(budget.text_bytes)) {
                Ok(content) => {
                    budget.text_bytes = budget.text_bytes.saturating_sub(content.len() as u64);
                    self.manifest = Some(Manifest::read(&content));
                }
                Err(error) => told(place, name, &error.to_string(), gather),
            }
        } else if let Some((group, artifact)) = coordinates::of_path(name) {
            let most = PROPERTIES_BYTES.min(budget.text_bytes);
            match archive.content(entry, most) {
                Ok(content) => {
                    budget.text_bytes = budget.text_bytes.saturating_sub(content.len() as u64);
                    self.properties.push(Coordinates::read(&content, group, artifact));
                }
                Err(ZipError::TooLarge(_)) if most < PROPERTIES_BYTES => return spent(place, gather),
                Err(error) => told(place, name, &error.to_string(), gather),
            }
        }
        Ok(())
    }

    /// Adds what it is, and gives the archives in it.
    fn tell(self, place: &ArchivePosition<'_>, gather: &mut Gather<'_>) -> Vec<Entry<'a>> {
        let mut add = |name: &str, version: &str| {
            gather.installed_within(place.within, PackageKind::Maven, name, version);
        };
        for coordinates in &self.properties {
            add(&coordinates.name(), &coordinates.version);
        }
        // Where Maven speaks, of the archive or of what was put into it, the name of the file adds nothing.
        if self.is_program && self.properties.is_empty() {
            let (name, version) = self.manifest.unwrap_or_default().identity(stem(place.name));
            if !name.is_empty() {
                add(&name, &version);
            }
        }
        self.nested
    }
}

/// Reads an archive in the archive.
fn descend(
    place: &ArchivePosition<'_>,
    archive: &Archive<'_>,
    entry: &Entry<'_>,
    budget: &mut Budget,
    gather: &mut Gather<'_>,
) -> Result<(), Spent> {
    let entry_name = String::from_utf8_lossy(entry.name);
    let Limits { archive_depth, path_bytes, .. } = *gather.limits();
    let within =
        if place.within.is_empty() { entry_name.clone() } else { format!("{}/{entry_name}", place.within).into() };
    if place.depth >= archive_depth {
        told(place, &entry_name, &format!("archives lie in archives deeper than {archive_depth}"), gather);
        return Ok(());
    }
    if within.len() > path_bytes {
        told(place, &entry_name, &format!("its path has more than {path_bytes} bytes"), gather);
        return Ok(());
    }
    let most = budget.held.min(budget.bytes);
    let content = match archive.content(entry, most) {
        Ok(content) => content,
        Err(ZipError::TooLarge(_)) if budget.bytes < budget.held => return spent(place, gather),
        Err(error) => {
            told(place, &entry_name, &error.to_string(), gather);
            return Ok(());
        }
    };
    if content.is_empty() {
        return Ok(());
    }
    let bytes = content.len() as u64;
    let held = if matches!(content, Cow::Owned(_)) { bytes } else { 0 };
    // What is not packed counts as well: finding the end of an archive takes time by its size.
    budget.bytes = budget.bytes.saturating_sub(bytes);
    budget.held = budget.held.saturating_sub(held);
    let inner = ArchivePosition { within: &within, name: file_name(&entry_name), depth: place.depth + 1 };
    let walked = walk(&inner, &content, budget, gather);
    budget.held = budget.held.saturating_add(held);
    walked
}

fn spent(place: &ArchivePosition<'_>, gather: &mut Gather<'_>) -> Result<(), Spent> {
    let Limits { archive_entries, archive_bytes, .. } = *gather.limits();
    let bound = format!(
        "more lies in it and the archives in it than is read: {archive_entries} entries, {archive_bytes} bytes, \
         fewer of texts"
    );
    told(place, "", &bound, gather);
    Err(Spent)
}

/// Says a problem with where it is within the file of the layer.
fn told(place: &ArchivePosition<'_>, entry: &str, problem: &str, gather: &mut Gather<'_>) {
    let within: Vec<&str> = [place.within, entry].into_iter().filter(|part| !part.is_empty()).collect();
    if within.is_empty() {
        gather.problem(problem);
    } else {
        gather.problem(format!("{}: {problem}", shown(&within.join("/"))));
    }
}

/// A file's name without what kind of archive it is.
fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

fn file_name_bytes(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}
