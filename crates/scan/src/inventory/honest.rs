//! An inventory that shows what it is: files may be named with signs that no text shows, and facts may be of whoever made them.

use super::{ImagePackage, Inventory, Problem};
use crate::package::Package;
use crate::signs;

/// The inventory with such signs written out, and without the packages that are named with them.
pub(super) fn inventory(mut inventory: Inventory) -> Inventory {
    let problems = &mut inventory.problems;
    inventory.packages.retain(|package| {
        let misnamed = signs::misnamed(&package.package);
        let is_honest = misnamed.is_none();
        problems.extend(misnamed.map(|what| problem(package, what)));
        is_honest
    });
    inventory.hidden.retain(|hidden| signs::misnamed(&hidden.package).is_none());
    for Package { arch, module, vendor, .. } in inventory.packages.iter_mut().map(|package| &mut package.package) {
        for text in [arch].into_iter().chain(module).chain(vendor) {
            *text = signs::escape(std::mem::take(text));
        }
    }
    let places = inventory.packages.iter_mut().flat_map(|package| &mut package.occurrences);
    let places =
        places.flat_map(|place| [&mut place.path].into_iter().chain(&mut place.within).chain(&mut place.owner));
    let hidden = inventory.hidden.iter_mut().map(|hidden| &mut hidden.path);
    let problems = inventory.problems.iter_mut();
    let problems = problems.flat_map(|problem| problem.path.iter_mut().chain([&mut problem.what]));
    for text in places.chain(hidden).chain(problems) {
        *text = signs::escape(std::mem::take(text));
    }
    inventory
}

/// Why a package is not there, at the first of its places.
fn problem(package: &ImagePackage, what: String) -> Problem {
    Problem { layer: package.layer, path: package.occurrences.first().map(|place| place.path.clone()), what }
}
