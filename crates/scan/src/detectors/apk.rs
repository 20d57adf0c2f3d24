//! The package database of apk: Alpine, Wolfi, Chainguard.
//!
//! It is one text file of stanzas, which blank lines part. Each line is a letter, a colon and a value: `P` the name, `V` the
//! version, `A` the architecture, `o` the origin (the name of the source package, which has the same version), `T` the
//! description, `F` a folder and `R` a file in the folder that was named last.

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

/// Where apk keeps its database: newer systems have it below `usr`.
pub(super) const PATHS: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
/// How apk describes a virtual package, which stands for what was named with `apk add --virtual`.
const VIRTUAL: &[u8] = b"virtual meta package";

/// The reader of apk's database.
#[derive(Debug, Clone, Copy)]
pub struct Apk;

impl Detector for Apk {
    fn name(&self) -> &'static str {
        "apk"
    }

    fn revision(&self) -> u32 {
        1
    }

    fn wants(&self, file: &Candidate<'_>) -> bool {
        PATHS.contains(&file.path)
    }

    fn read(&self, _path: &str, content: &[u8], limits: &Limits) -> Found {
        let mut gather = Gather::new(limits);
        for (number, text) in paragraphs(content) {
            if gather.is_full() {
                break;
            }
            let stanza = Stanza::read(number, text, &mut gather);
            if let Some(name) = stanza.package(number, &mut gather) {
                files(text, &name, &mut gather);
            }
        }
        gather.finish()
    }
}

/// The lines of a stanza that tell of its package.
#[derive(Debug, Default)]
struct Stanza<'a> {
    name: Option<&'a [u8]>,
    version: Option<&'a [u8]>,
    arch: &'a [u8],
    origin: Option<&'a [u8]>,
    description: &'a [u8],
    has_files: bool,
}

impl<'a> Stanza<'a> {
    fn read(first: usize, text: &'a [u8], gather: &mut Gather<'_>) -> Self {
        let mut stanza = Self::default();
        for (index, line) in lines(text).enumerate() {
            let [key, b':', value @ ..] = line else {
                gather.problem(format!("line {} is no letter with a colon and a value", first + index));
                continue;
            };
            match key {
                b'P' => stanza.name = Some(value),
                b'V' => stanza.version = Some(value),
                b'A' => stanza.arch = value,
                b'o' => stanza.origin = Some(value),
                b'T' => stanza.description = value,
                b'R' => stanza.has_files = true,
                _ => {}
            }
        }
        stanza
    }

    /// Tells of the package if there is one, and gives its name.
    fn package(self, number: usize, gather: &mut Gather<'_>) -> Option<String> {
        // Without a version it is no package.
        let version = self.version?;
        let Some(name) = self.name.filter(|name| !name.is_empty()) else {
            gather.problem(format!("the package of line {number} has no name"));
            return None;
        };
        if self.is_virtual(name, version) {
            return None;
        }
        let name = gather.text("the name of a package", name)?;
        let version = gather.text(&format!("the version of {name}"), version).unwrap_or_default();
        let arch = gather.text(&format!("the architecture of {name}"), self.arch).unwrap_or_default();
        let origin = self.origin.filter(|origin| !origin.is_empty() && *origin != name.as_bytes());
        let origin = origin.and_then(|origin| gather.text(&format!("the origin of {name}"), origin));
        let source = origin.map(|origin| SourcePackage { name: origin, version: version.clone() });
        gather.package(Package { arch, source, ..Package::installed(PackageKind::Apk, name.clone(), version) });
        Some(name)
    }

    /// Whether it only stands for others. Not all of them are described as such, so a name or a form tell too: real packages
    /// begin with no dot, and their versions end in `-r` and a number.
    fn is_virtual(&self, name: &[u8], version: &[u8]) -> bool {
        let is_bare = self.origin.is_none() && !self.has_files;
        name.starts_with(b".") || self.description == VIRTUAL || (is_bare && is_time(version))
    }
}

/// Whether a version is a time such as `20240131.093000`, or the `0` that older apk gave.
fn is_time(version: &[u8]) -> bool {
    let is_number = |text: &[u8], digits| text.len() == digits && text.iter().all(u8::is_ascii_digit);
    match version.split_at_checked(8) {
        Some((day, [b'.', time @ ..])) => is_number(day, 8) && is_number(time, 6),
        Some(_) => false,
        None => version == b"0",
    }
}

/// The files of a stanza.
fn files(text: &[u8], package: &str, gather: &mut Gather<'_>) {
    let mut folder: &[u8] = b"";
    for line in lines(text) {
        match line {
            [b'F', b':', path @ ..] => folder = path,
            [b'R', b':', file @ ..] => gather.owned(&[folder, b"/", file], package),
            _ => {}
        }
    }
}
