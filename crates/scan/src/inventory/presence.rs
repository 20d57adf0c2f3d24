//! Since when packages are there: in the image, and at a path of it; and which went away again.

use std::collections::HashMap;

use super::HiddenPackage;
use super::fold::ReadFile;
use crate::package::{Package, PackageKind};

/// Packages that are kept of what went away: more than any image has, but for one that is made to have more.
const MAX_HIDDEN: usize = 200_000;

/// What makes a package this exact one.
type Key<'a> = (PackageKind, &'a str, &'a str, &'a str);

fn key(package: &Package) -> Key<'_> {
    (package.kind, &package.name, &package.version, &package.arch)
}

/// The packages of an image, as far as its layers have been applied.
#[derive(Default)]
pub(super) struct Presences<'a> {
    packages: HashMap<Key<'a>, Presence>,
    hidden: Vec<HiddenPackage>,
}

struct Presence {
    /// How often files tell of it.
    count: usize,
    since: usize,
}

impl<'a> Presences<'a> {
    /// Takes in what a layer changed: the files from `fresh_from` on are its own, those of `gone` were there before it.
    pub(super) fn layer(&mut self, layer: usize, files: &mut [ReadFile<'a>], fresh_from: usize, gone: &[usize]) {
        let (before, fresh) = files.split_at_mut_checked(fresh_from).unwrap_or_default();
        let gone: Vec<&ReadFile<'a>> = gone.iter().filter_map(|file| before.get(*file)).collect();
        let replaced: HashMap<&str, &ReadFile<'a>> = gone.iter().map(|file| (&*file.path, *file)).collect();
        for file in fresh.iter_mut().filter(|file| file.is_there) {
            let old = replaced.get(&*file.path);
            let old = old.iter().flat_map(|old| old.packages().map(key).zip(old.since.iter().copied()));
            let old: HashMap<Key<'a>, usize> = old.collect();
            file.since = file.packages().map(|package| old.get(&key(package)).copied().unwrap_or(layer)).collect();
            for package in file.packages() {
                let presence = self.packages.entry(key(package)).or_insert(Presence { count: 0, since: layer });
                presence.count = presence.count.saturating_add(1);
            }
        }
        for package in gone.iter().flat_map(|file| file.packages()) {
            if let Some(presence) = self.packages.get_mut(&key(package)) {
                presence.count = presence.count.saturating_sub(1);
            }
        }
        for file in gone {
            for (package, since) in file.packages().zip(&file.since) {
                if self.packages.get(&key(package)).is_none_or(|presence| presence.count == 0) {
                    self.packages.remove(&key(package));
                    if self.hidden.len() >= MAX_HIDDEN {
                        continue;
                    }
                    self.hidden.push(HiddenPackage {
                        package: package.clone(),
                        path: file.path.clone(),
                        layer: *since,
                        hidden_in: layer,
                    });
                }
            }
        }
    }

    /// The layer since which a package has been in the image.
    pub(super) fn since(&self, package: &Package) -> Option<usize> {
        self.packages.get(&(package.kind, &*package.name, &*package.version, &*package.arch)).map(|there| there.since)
    }

    /// What went away and did not come back.
    pub(super) fn hidden(mut self) -> Vec<HiddenPackage> {
        self.hidden.retain(|hidden| !self.packages.contains_key(&key(&hidden.package)));
        self.hidden.sort();
        self.hidden.dedup();
        self.hidden
    }
}
