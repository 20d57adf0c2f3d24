//! The package databases of operating systems.

mod apk;
mod dpkg;
mod dpkg_owned;
mod mariner;
pub mod rpm;

use scan::{
    detectors::{Candidate, Detector},
    facts::Found,
    limits::Limits,
    package::{Package, PackageKind, SourcePackage},
};

/// What a detector finds in a file, which it must want.
fn read(detector: &dyn Detector, path: &str, content: &[u8]) -> Found {
    read_within(detector, path, content, &Limits::default())
}

fn read_within(detector: &dyn Detector, path: &str, content: &[u8], limits: &Limits) -> Found {
    assert!(wants(detector, path, content.len()), "{path}");
    detector.read(path, content, limits)
}

fn wants(detector: &dyn Detector, path: &str, size: usize) -> bool {
    detector.wants(&Candidate { path, head: b"", size: size as u64, mode: 0o644 })
}

/// What holds of whatever is found: the same is found of the same, within the bounds, and few problems are told.
fn hold(detector: &dyn Detector, path: &str, content: &[u8]) {
    let limits = Limits { facts_bytes: 40_000, packages: 50, path_bytes: 300, ..Limits::default() };
    let found = read_within(detector, path, content, &limits);
    assert_eq!(found, detector.read(path, content, &limits));
    let packages = found.packages.iter();
    let texts = packages.map(|package| package.name.len() + package.version.len() + package.arch.len()).sum::<usize>();
    let paths = found.owned.iter().map(|owned| owned.path.len() + owned.package.len()).sum::<usize>();
    assert!(texts + paths <= limits.facts_bytes && found.packages.len() <= limits.packages);
    assert!(found.owned.iter().all(|owned| owned.path.len() <= 3 * limits.path_bytes && !owned.path.starts_with('/')));
    assert!(found.problems.len() <= 22, "{:?}", found.problems);
    assert!(found.problems.iter().all(|problem| problem.len() <= 1_500), "{:?}", found.problems);
}

/// A package whose source is another, if that is not empty.
fn package(kind: PackageKind, name: &str, version: &str, arch: &str, source: (&str, &str)) -> Package {
    let source = (!source.0.is_empty()).then(|| SourcePackage { name: source.0.into(), version: source.1.into() });
    Package { arch: arch.to_owned(), source, ..Package::installed(kind, name, version) }
}

/// The paths that are owned, as `package path`.
fn owned(found: &Found) -> Vec<String> {
    found.owned.iter().map(|owned| format!("{} {}", owned.package, owned.path)).collect()
}
