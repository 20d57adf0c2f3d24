//! Which stream of a module a package is of: fixes of other streams say nothing of it.
//!
//! The package's label tells, where there is one. Else the mark of its build does (`.module+el8.6.0+15956+aa803fc1`): a fix with
//! the same mark is of the same stream, and so are packages with the same mark. A version alone tells only that a stream is
//! another one, as streams are often named by the version that they hold; else it is not known.

use std::collections::{BTreeSet, HashMap};

use super::index::Row;
use crate::{
    advisory::Module,
    package::{Package, PackageKind},
};

/// How the stream of a row stands to the package's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// They are the same, or neither is of a module.
    Same,
    /// They differ.
    Other,
    /// It cannot be said.
    Unknown,
}

/// The streams of the packages of an image.
#[derive(Debug, Default)]
pub struct Streams {
    by_package: HashMap<usize, BTreeSet<Module>>,
}

impl Streams {
    /// Finds the streams of packages, each with its place in the input and the rows that may be for it.
    pub fn of<'a>(packages: impl Iterator<Item = (usize, &'a Package, Vec<&'a Row>)>) -> Self {
        let mut streams = Self::default();
        let mut builds: HashMap<&str, BTreeSet<Module>> = HashMap::new();
        let mut modular = Vec::new();
        for (at, package, rows) in packages.filter(|(_, package, _)| package.kind == PackageKind::Rpm) {
            if let Some(module) = package.module.as_deref().and_then(Module::read) {
                streams.by_package.insert(at, BTreeSet::from([module]));
                continue;
            }
            let Some(build) = build(&package.version) else { continue };
            let known = by_build(build, &rows);
            if known.is_empty() {
                modular.push((at, package, build, rows));
            } else {
                builds.entry(build).or_default().extend(known.iter().cloned());
                streams.by_package.insert(at, known);
            }
        }
        for (at, package, build, rows) in modular {
            let known = builds.get(build).cloned().unwrap_or_else(|| only_one(package, &rows));
            if !known.is_empty() {
                streams.by_package.insert(at, known);
            }
        }
        streams
    }

    /// How the stream of a row stands to that of the package at this place.
    pub fn relation(&self, at: usize, package: &Package, row: &Row) -> Relation {
        let modules = &row.affected.modules;
        let fix = row.affected.versions.fixes().find(|fix| build(fix).is_some());
        let is_package_modular = package.module.is_some() || build(&package.version).is_some();
        let is_row_modular = !modules.is_empty() || fix.is_some();
        match (is_package_modular, is_row_modular) {
            (false, true) => Relation::Other,
            // A fix that was not built for a module is none of it; but that there is no fix holds for all streams.
            (true, false) if row.affected.versions.fixes().next().is_some() => Relation::Other,
            (_, false) => Relation::Same,
            (true, true) if modules.is_empty() => by_fix(package, fix.unwrap_or_default()),
            (true, true) => match self.by_package.get(&at) {
                Some(known) if modules.iter().any(|module| known.contains(module)) => Relation::Same,
                Some(_) => Relation::Other,
                None if modules.iter().all(|module| is_ruled_out(package, module)) => Relation::Other,
                None => Relation::Unknown,
            },
        }
    }
}

/// The mark of a module's build: what is behind `.module`, without the number that a rebuild appends to the commit.
pub fn build(version: &str) -> Option<&str> {
    let at = version.find(".module")?;
    let mark = version.get(at..)?;
    let commit = mark.rfind('+')?;
    let end = mark.get(commit..)?.find('.').map_or(mark.len(), |dot| commit + dot);
    mark.get(..end)
}

/// Whether two versions were built for modules by builders that count apart: the numbers behind the mark say nothing then.
pub fn are_of_two_builders(a: &str, b: &str) -> bool {
    // Red Hat writes `.module+el`, CentOS `.module_el`.
    let sign = |version: &str| {
        let at = version.find(".module")?;
        version.as_bytes().get(at + ".module".len()).copied()
    };
    matches!((sign(a), sign(b)), (Some(a), Some(b)) if a != b)
}

/// The version without what the builder of a module adds.
pub fn without_build(version: &str) -> &str {
    version.find(".module").and_then(|at| version.get(..at)).unwrap_or(version)
}

/// The streams of fixes with the same mark.
fn by_build(mark: &str, rows: &[&Row]) -> BTreeSet<Module> {
    let is_same = |row: &&&Row| row.affected.versions.fixes().any(|fix| build(fix) == Some(mark));
    rows.iter().filter(is_same).flat_map(|row| row.affected.modules.clone()).collect()
}

/// The one stream that has the package at all, as far as advisories know.
fn only_one(package: &Package, rows: &[&Row]) -> BTreeSet<Module> {
    let modules: BTreeSet<&Module> = rows.iter().flat_map(|row| &row.affected.modules).collect();
    let one = if modules.len() == 1 { modules.into_iter().next() } else { None };
    one.filter(|module| !is_ruled_out(package, module)).cloned().into_iter().collect()
}

/// Whether the version tells that a package is of another stream: one that is named by a version that it does not begin with.
/// Only of packages that are named as the module is.
fn is_ruled_out(package: &Package, module: &Module) -> bool {
    let is_named = package.name.strip_prefix(module.name.as_str());
    let is_named = is_named.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let is_number =
        module.stream.split('.').all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()));
    is_named && is_number && !begins_with(upstream(&package.version), &module.stream)
}

/// What a fix whose stream nobody names says: it is of the same stream if both versions begin with the same two numbers.
fn by_fix(package: &Package, fix: &str) -> Relation {
    let first_two = |version: &str| {
        let numbers: Vec<String> = upstream(version).split('.').take(2).map(str::to_owned).collect();
        numbers
    };
    let is_same_build = build(&package.version) == build(fix);
    if is_same_build || first_two(&package.version) == first_two(fix) { Relation::Same } else { Relation::Unknown }
}

/// The version without epoch and release.
fn upstream(version: &str) -> &str {
    let version = version.split_once(':').map_or(version, |(_, version)| version);
    version.split_once('-').map_or(version, |(version, _)| version)
}

/// Whether the numbers of a version begin with these.
pub fn begins_with(version: &str, numbers: &str) -> bool {
    let mut parts = version.split(['.', '_', '-', '+', '~']);
    numbers.split('.').all(|number| parts.next().is_some_and(|part| part == number))
}
