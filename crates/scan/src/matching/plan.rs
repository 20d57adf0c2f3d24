//! Which packages are matched with what: the keys of each, and those that are matched with nothing.

use std::collections::{BTreeSet, HashMap};

use super::{
    answer::Skipped,
    index::Key,
    input::{InputPackage, MatchInput},
    system,
};
use crate::{
    ecosystem::Ecosystem,
    package::{Package, PackageKind, Presence},
};

/// What is looked up for whom.
#[derive(Debug, Default)]
pub struct Plan {
    /// The packages that are matched.
    pub planned: Vec<Planned>,
    /// What rows are looked up by, each once: many packages may have one name.
    keys: Vec<Key>,
    /// Those that are not.
    pub skipped: Vec<Skipped>,
    /// Packages of the operating system that the distribution itself built, by name.
    own: HashMap<String, usize>,
}

/// A package that is matched.
#[derive(Debug)]
pub struct Planned {
    /// Its place in the input.
    pub package: usize,
    /// What its rows are looked up by, sorted: the places of these among the plan's.
    keys: Vec<usize>,
}

/// Where files are that no distribution's package may bring.
const FOREIGN_PATHS: [&str; 2] = ["opt/", "usr/local/"];

impl Plan {
    /// Plans for an image.
    pub fn of(input: &MatchInput) -> Self {
        let mut plan = Self::default();
        let mut known: HashMap<Key, usize> = HashMap::new();
        let mut installed: HashMap<(PackageKind, &str), Vec<&InputPackage>> = HashMap::new();
        for package in input.packages.iter().filter(|package| package.package.presence == Presence::Installed) {
            installed.entry((package.package.kind, &package.package.name)).or_default().push(package);
        }
        for (at, package) in input.packages.iter().enumerate() {
            let others = installed.get(&(package.package.kind, package.package.name.as_str()));
            let others = others.map(Vec::as_slice).unwrap_or_default();
            match keys(input, package, others) {
                Ok(keys) => {
                    if package.package.kind.is_of_system() {
                        plan.own.insert(package.package.name.clone(), at);
                    }
                    let place = |key: Key| {
                        *known.entry(key).or_insert_with_key(|key| {
                            plan.keys.push(key.clone());
                            plan.keys.len() - 1
                        })
                    };
                    plan.planned.push(Planned { package: at, keys: keys.into_iter().map(place).collect() });
                }
                Err(why) => plan.skipped.push(Skipped { package: at, why }),
            }
        }
        plan
    }

    /// All keys.
    pub fn keys(&self) -> BTreeSet<Key> {
        self.keys.iter().cloned().collect()
    }

    /// What the rows of a package are looked up by.
    pub fn keys_of<'a>(&'a self, planned: &'a Planned) -> impl Iterator<Item = &'a Key> {
        planned.keys.iter().filter_map(|at| self.keys.get(*at))
    }

    /// The plan for the package at this place of the input.
    pub fn planned_at(&self, at: usize) -> Option<&Planned> {
        // They are in the order of the input.
        let found = self.planned.binary_search_by_key(&at, |planned| planned.package).ok()?;
        self.planned.get(found)
    }

    /// What there are packages of.
    pub fn places(&self) -> BTreeSet<(Ecosystem, String)> {
        self.keys.iter().map(|key| (key.ecosystem, key.release.clone())).collect()
    }

    /// The package of the distribution that brought the files of a package of a language.
    pub fn owner(&self, input: &MatchInput, at: usize) -> Option<usize> {
        let package = input.packages.get(at).filter(|package| !package.package.kind.is_of_system())?;
        let is_foreign = |path: &String| FOREIGN_PATHS.iter().any(|foreign| path.starts_with(foreign));
        if package.paths.iter().any(is_foreign) {
            return None;
        }
        self.own.get(package.owner.as_ref()?).copied()
    }
}

/// What the rows of a package are looked up by, or why none are.
fn keys(input: &MatchInput, found: &InputPackage, installed: &[&InputPackage]) -> Result<BTreeSet<Key>, String> {
    let package = &found.package;
    if package.version.is_empty() {
        return Err("its version is not known".to_owned());
    }
    if let Some(ecosystem) = package.kind.ecosystem() {
        if package.presence == Presence::Declared && installed.iter().any(|other| is_installed_form(found, other)) {
            return Err("a lock file names it, and it is installed beside".to_owned());
        }
        let name = ecosystem.package_name(&package.name);
        return Ok(BTreeSet::from([Key { ecosystem, release: String::new(), name }]));
    }
    let of_system = input.system.as_ref().and_then(|os| Some((os.family, system::place(os)?)));
    let Some((family, (ecosystem, release))) = of_system else {
        return Err("there are no advisories for the operating system".to_owned());
    };
    if let Some(vendor) = package.vendor.as_deref().filter(|vendor| !vendor.is_empty())
        && package.kind == PackageKind::Rpm
        && !system::is_vendor(family, vendor)
    {
        return Err(format!("{vendor} built it, of which the distribution's advisories say nothing"));
    }
    Ok(names(package).map(|name| Key { ecosystem, release: release.clone(), name: name.to_owned() }).collect())
}

fn names(package: &Package) -> impl Iterator<Item = &str> {
    std::iter::once(package.name.as_str()).chain(package.source.iter().map(|source| source.name.as_str()))
}

/// Whether this is what a lock file's package was installed as. Some managers install beside the lock file: what is elsewhere is
/// another program's then.
fn is_installed_form(declared: &InputPackage, installed: &InputPackage) -> bool {
    if !matches!(declared.package.kind, PackageKind::Npm | PackageKind::Composer) {
        return true;
    }
    let folder = |path: &String| path.rfind('/').map_or(0, |slash| slash + 1);
    declared.paths.iter().all(|lock| {
        let beside = lock.get(..folder(lock)).unwrap_or_default();
        installed.paths.iter().any(|path| path.starts_with(beside))
    })
}
