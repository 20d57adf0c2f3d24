//! Package databases that links lead away to places where none is looked for: the packages are there, and nobody read them.

use std::collections::BTreeMap;

use super::tree::Tree;
use crate::detectors::{self, Candidate};

/// By the database's path, where it leads, and the layer since which it does.
pub(super) type Elsewhere = BTreeMap<String, (String, usize)>;

/// Takes in what a layer changed.
pub(super) fn layer(known: &mut Elsewhere, layer: usize, tree: &Tree<'_>) {
    let detectors = detectors::all();
    let led = |path: String| {
        let (folder, _) = path.rsplit_once('/')?;
        let (base, _) = folder.rsplit_once('/')?;
        let real = tree.path(&tree.place(&path, true).ok()?);
        // Behind a link above them (`lib`, of many systems) there is a database only if the system has one.
        let unlinked = format!("{}{}", tree.path(&tree.place(base, true).ok()?), path.get(base.len()..)?);
        let candidate = Candidate { path: &real, head: &[], size: 1, mode: 0o644 };
        let is_away = real != unlinked && !detectors.iter().any(|detector| detector.wants(&candidate));
        is_away.then_some((path, real))
    };
    let mut now = Elsewhere::new();
    for (path, real) in detectors::databases().filter_map(led) {
        // One folder may have databases of several forms.
        let folder = path.rsplit_once('/').map(|(folder, _)| folder);
        if !now.keys().any(|known| known.rsplit_once('/').map(|(folder, _)| folder) == folder) {
            let since = known.get(&path).filter(|(known, _)| *known == real).map_or(layer, |(_, since)| *since);
            now.insert(path, (real, since));
        }
    }
    *known = now;
}
