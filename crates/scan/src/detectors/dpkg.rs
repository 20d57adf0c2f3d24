//! The package database of dpkg: Debian, Ubuntu, and images without a shell that are built of their packages.
//!
//! `var/lib/dpkg/status` is one text file of paragraphs, one for each package that dpkg knows of; images without dpkg have a
//! file for each package in `var/lib/dpkg/status.d` instead, which is the package's own control file.

use super::{
    Candidate, Detector,
    gather::Gather,
    paragraphs::{lines, paragraphs},
};
use crate::{
    facts::Found,
    limits::Limits,
    package::{Package, PackageKind, SourcePackage},
};

pub(super) const STATUS: &str = "var/lib/dpkg/status";
const FOLDER: &str = "var/lib/dpkg/status.d/";
/// The states in which the files of a package are there: also one whose installation has not come to its end.
const PRESENT: [&[u8]; 6] =
    [b"installed", b"triggers-pending", b"triggers-awaited", b"half-configured", b"unpacked", b"half-installed"];
/// The states in which no more than its configuration is there.
const ABSENT: [&[u8]; 2] = [b"not-installed", b"config-files"];

/// The reader of dpkg's database.
#[derive(Debug, Clone, Copy)]
pub struct Dpkg;

impl Detector for Dpkg {
    fn name(&self) -> &'static str {
        "dpkg"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        let of_folder = file.path.strip_prefix(FOLDER);
        file.path == STATUS || of_folder.is_some_and(|name| !name.contains('/') && !name.ends_with(".md5sums"))
    }

    fn read(&self, _path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        for (number, text) in paragraphs(content) {
            if gather.is_full() {
                break;
            }
            // Blank lines that follow each other are of no meaning.
            if !text.is_empty() {
                Paragraph::read(number, text, &mut gather).package(number, &mut gather);
            }
        }
        gather.finish()
    }
}

/// The fields of a paragraph that tell of its package.
#[derive(Debug, Default)]
struct Paragraph<'a> {
    package: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    arch: Option<&'a [u8]>,
    source: Option<&'a [u8]>,
    status: Option<&'a [u8]>,
}

impl<'a> Paragraph<'a> {
    fn read(first: usize, text: &'a [u8], gather: &mut Gather<'_>) -> Self {
        let mut paragraph = Self::default();
        for (index, line) in lines(text).enumerate() {
            // The text of a field goes on where a line is indented; the fields that are read here have one line each.
            if line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
                continue;
            }
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                gather.problem(format!("line {} has no colon", first + index));
                continue;
            };
            let (field, value) = line.split_at(colon);
            let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii();
            let place = match field {
                _ if field.eq_ignore_ascii_case(b"Package") => &mut paragraph.package,
                _ if field.eq_ignore_ascii_case(b"Version") => &mut paragraph.version,
                _ if field.eq_ignore_ascii_case(b"Architecture") => &mut paragraph.arch,
                _ if field.eq_ignore_ascii_case(b"Source") => &mut paragraph.source,
                _ if field.eq_ignore_ascii_case(b"Status") => &mut paragraph.status,
                _ => continue,
            };
            *place = Some(value).filter(|value| !value.is_empty());
        }
        paragraph
    }

    fn package(self, number: usize, gather: &mut Gather<'_>) {
        if !self.is_present(number, gather) {
            return;
        }
        let Some(name) = self.package else {
            gather.problem(format!("the paragraph of line {number} names no package"));
            return;
        };
        let Some(name) = gather.text("the name of a package", name) else { return };
        if self.version.is_none() {
            gather.problem(format!("{name} has no version"));
        }
        let version = self.version.and_then(|version| gather.text(&format!("the version of {name}"), version));
        let version = version.as_deref().map(without_epoch_0).unwrap_or_default();
        let source = self.source.and_then(|source| gather.text(&format!("the source of {name}"), source));
        let source = source.and_then(|source| source_package(&source, &name, version));
        let arch = self.arch.and_then(|arch| gather.text(&format!("the architecture of {name}"), arch));
        let arch = arch.unwrap_or_default();
        gather.package(Package { arch, source, ..Package::installed(PackageKind::Dpkg, name, version) });
    }

    /// Whether the package's files are there. A control file says nothing of that: its package has been unpacked.
    fn is_present(&self, number: usize, gather: &mut Gather<'_>) -> bool {
        let Some(status) = self.status else { return true };
        // What is wanted, whether it is in order, and how it is.
        let state = status.split(u8::is_ascii_whitespace).rfind(|word| !word.is_empty()).unwrap_or_default();
        if PRESENT.contains(&state) {
            return true;
        }
        if !ABSENT.contains(&state) {
            gather.problem(format!("the package of line {number} has the unknown status {}", shown(state)));
            return true;
        }
        false
    }
}

/// A word of the file for people, cut where it is no word.
fn shown(word: &[u8]) -> impl std::fmt::Display {
    word.get(..40).unwrap_or(word).escape_ascii()
}

/// `name` or `name (version)`, where it tells more than the package itself.
fn source_package(source: &str, package: &str, package_version: &str) -> Option<SourcePackage> {
    let (name, version) = match source.split_once('(') {
        Some((name, version)) => (name.trim_end(), version.trim_end().trim_end_matches(')').trim()),
        None => (source, ""),
    };
    let version = if version.is_empty() { package_version } else { without_epoch_0(version) };
    let tells_more = !name.is_empty() && (name != package || version != package_version);
    tells_more.then(|| SourcePackage { name: name.to_owned(), version: version.to_owned() })
}

/// A version as dpkg prints it: without an epoch of 0.
fn without_epoch_0(version: &str) -> &str {
    match version.split_once(':') {
        Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|digit| digit == b'0') => rest,
        _ => version,
    }
}
