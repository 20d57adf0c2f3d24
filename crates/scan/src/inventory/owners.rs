//! Which package of the operating system owns a file that tells of a language's package: such a package is the
//! distribution's to fix, and the ranges of upstream's advisories do not hold for it.

use std::collections::{HashMap, HashSet};

use super::Occurrence;
use super::tree::Tree;
use crate::facts::OwnedPath;
use crate::package::{Package, PackageKind};

/// Notes owners at the places of packages.
pub(super) fn find<'a>(
    places: &mut [(&'a Package, Occurrence)],
    owned: impl Iterator<Item = &'a OwnedPath>,
    tree: &Tree<'_>,
) {
    let names: HashSet<String> = places
        .iter()
        .filter(|(package, _)| is_of_a_language(package.kind))
        .map(|(_, place)| name(&place.path).to_owned())
        .collect();
    let mut owners: HashMap<String, &str> = HashMap::new();
    // Of the many files that packages own, only those of a name that matters are looked at.
    for owned in owned.filter(|owned| names.contains(name(&owned.path))) {
        // Lists of packages may say `lib` where the image has a link to `usr/lib`.
        if let Ok(place) = tree.place(&owned.path, false) {
            owners.insert(tree.path(&place), &owned.package);
        }
    }
    for (package, place) in places {
        if is_of_a_language(package.kind) {
            place.owner = owners.get(&place.path).map(|owner| (*owner).to_owned());
        }
    }
}

fn name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn is_of_a_language(kind: PackageKind) -> bool {
    match kind {
        PackageKind::Apk | PackageKind::Dpkg | PackageKind::Rpm => false,
        PackageKind::Npm
        | PackageKind::Python
        | PackageKind::Maven
        | PackageKind::Go
        | PackageKind::Gem
        | PackageKind::Composer
        | PackageKind::NuGet
        | PackageKind::Cargo => true,
    }
}
