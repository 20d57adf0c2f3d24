//! Packages that lock files name count only where the installed form is absent: a lock file says what would be installed,
//! for development too.

use std::collections::BTreeSet;

use super::Occurrence;
use crate::package::{Package, PackageKind, Presence};

/// Leaves out what lock files name, if packages of their kind are installed below the lock file's directory, or if the
/// same package is installed anywhere: some managers install outside of the directory.
pub(super) fn leave_out(places: &mut Vec<(&Package, Occurrence)>) {
    let mut installed_in: BTreeSet<(PackageKind, &str)> = BTreeSet::new();
    let mut installed: BTreeSet<(PackageKind, &str)> = BTreeSet::new();
    for (package, place) in places.iter().filter(|(package, _)| package.presence == Presence::Installed) {
        installed.insert((package.kind, &package.name));
        let mut directory = &*place.path;
        while let Some((above, _)) = directory.rsplit_once('/') {
            // What is above one that is known is known.
            if !installed_in.insert((package.kind, above)) {
                break;
            }
            directory = above;
        }
        installed_in.insert((package.kind, ""));
    }
    let is_declared = |package: &Package, place: &Occurrence| {
        let directory = place.path.rsplit_once('/').map_or("", |(directory, _)| directory);
        !installed.contains(&(package.kind, &*package.name)) && !installed_in.contains(&(package.kind, directory))
    };
    let keeps: Vec<bool> = places
        .iter()
        .map(|(package, place)| package.presence == Presence::Installed || is_declared(package, place))
        .collect();
    let mut keeps = keeps.into_iter();
    places.retain(|_| keeps.next().unwrap_or(true));
}
