//! What is kept of a layer: enough to fold it with others into an image, without reading it again.

mod codec;
mod entries;
mod stored;

pub use entries::{Entries, EntriesReader, Entry, EntryKind};
pub use stored::Damaged;

use std::collections::BTreeMap;

use crate::package::Package;

/// What one file of a layer tells.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The packages, in the order of the file.
    pub packages: Vec<Package>,
    /// Where packages lie that an archive within the file holds, as `BOOT-INF/lib/a.jar` in a program of Java: the path in
    /// the file, by the package's place in [`Found::packages`].
    pub within: BTreeMap<usize, String>,
    /// The paths that packages of the operating system own, without a slash in front; each with the name of its package.
    pub owned: Vec<OwnedPath>,
    /// What could not be read, and why, in words for people: the layer is partly analysed then.
    pub problems: Vec<String>,
    /// Bytes that were unpacked from archives in the file, which the layer has a bound for ([`crate::limits::Limits::archives_bytes`]).
    /// It is not kept.
    pub unpacked_bytes: u64,
}

/// A path that a package of the operating system brought.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OwnedPath {
    /// The path, without a slash in front.
    pub path: String,
    /// The name of the binary package that owns it.
    pub package: String,
}

/// All that is kept of one layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LayerFacts {
    /// Who looked at the layer's files; [`Evidence::reader`] counts in this list.
    pub readers: Vec<Reader>,
    /// The paths that go from the layers below, with all that lies below them, in the archive's order.
    pub whiteouts: Vec<String>,
    /// The directories that are emptied of what the layers below brought, in the archive's order.
    pub opaque: Vec<String>,
    /// All entries of the layer, in the archive's order.
    pub entries: Entries,
    /// The files that were read: of each entry of the kind [`EntryKind::Read`], in their order.
    pub files: Vec<FileFacts>,
    /// Why the layer is partly analysed, apart from what single files say, in words for people.
    pub problems: Vec<String>,
}

/// A detector, as it was when it looked at a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reader {
    /// Its name.
    pub name: String,
    /// The revision of what it finds.
    pub revision: u32,
}

/// What was read of a file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileFacts {
    /// What each detector that wanted the file found.
    pub evidence: Vec<Evidence>,
    /// The content, of a file that tells which operating system it is.
    pub content: Option<Vec<u8>>,
    /// What detectors found that wanted it for the sake of hard links to it, sorted by path.
    pub other_names: Vec<OtherName>,
}

/// What was read of a file under the name of a hard link that came later in the archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OtherName {
    /// The link's path, as [`Entry::path`].
    pub path: String,
    /// As [`FileFacts::evidence`].
    pub evidence: Vec<Evidence>,
    /// As [`FileFacts::content`].
    pub content: Option<Vec<u8>>,
}

/// What a detector found in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Its place in [`LayerFacts::readers`].
    pub reader: usize,
    /// Whether the detector wanted the file by what is in it, wherever it lies.
    pub is_by_content: bool,
    /// What it found.
    pub found: Found,
}

/// Bytes that one thing takes in memory beside its texts, roughly.
const THING_BYTES: usize = 32;
/// Bytes that what was found takes if it is nothing.
pub(crate) const FOUND_BYTES: usize = 4 * THING_BYTES;

impl Found {
    /// What it takes of [`crate::limits::Limits::facts_bytes`].
    pub(crate) fn cost(&self) -> usize {
        let packages = self.packages.iter().map(package_cost);
        let within = self.within.values().map(|path| text_cost(path));
        let owned = self.owned.iter().map(|owned| owned_cost(&owned.path, &owned.package));
        let problems = self.problems.iter().map(|problem| text_cost(problem));
        packages.chain(within).chain(owned).chain(problems).fold(FOUND_BYTES, usize::saturating_add)
    }
}

/// What a text takes of the bound of facts.
pub(crate) fn text_cost(text: &str) -> usize {
    text.len().saturating_add(THING_BYTES / 4)
}

/// What a path and the name of its package take of the bound of facts.
pub(crate) fn owned_cost(path: &str, package: &str) -> usize {
    THING_BYTES.saturating_add(text_cost(path)).saturating_add(text_cost(package))
}

/// What a package takes of the bound of facts.
pub(crate) fn package_cost(package: &Package) -> usize {
    let Package { name, version, arch, source, module, vendor, imports, kind: _, presence: _ } = package;
    let source = source.iter().flat_map(|source| [&source.name, &source.version]);
    let texts = [name, version, arch].into_iter().chain(source).chain(module).chain(vendor);
    let texts = texts.chain(imports.iter().flatten());
    texts.map(|text| text_cost(text)).fold(4 * THING_BYTES, usize::saturating_add)
}

/// What all that was found in a file takes of the bound of facts.
fn told_cost(evidence: &[Evidence], content: Option<&Vec<u8>>) -> usize {
    let evidence = evidence.iter().map(|evidence| evidence.found.cost());
    evidence.chain([content.map_or(0, Vec::len)]).fold(THING_BYTES, usize::saturating_add)
}

impl FileFacts {
    /// What it takes of the bound of facts.
    pub(crate) fn cost(&self) -> usize {
        let own = told_cost(&self.evidence, self.content.as_ref());
        self.other_names.iter().map(OtherName::cost).fold(own, usize::saturating_add)
    }
}

impl OtherName {
    fn cost(&self) -> usize {
        told_cost(&self.evidence, self.content.as_ref()).saturating_add(text_cost(&self.path))
    }
}

impl LayerFacts {
    /// Whether all of the layer was read.
    pub fn is_whole(&self) -> bool {
        self.problems.is_empty() && self.evidence().all(|evidence| evidence.found.problems.is_empty())
    }

    /// What was found in all files, under all their names.
    pub fn evidence<'a>(&'a self) -> impl Iterator<Item = &'a Evidence> {
        let of_file =
            |file: &'a FileFacts| file.evidence.iter().chain(file.other_names.iter().flat_map(|name| &name.evidence));
        self.files.iter().flat_map(of_file)
    }
}
