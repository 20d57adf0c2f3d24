//! Applies the facts of layers to a tree, one after the other.

use super::presence::Presences;
use super::tree::{Tree, Unplaced, What};
use super::{ImagePackage, Inventory, Occurrence, Problem, declared, elsewhere, honest, owners};
use crate::facts::{EntryKind, Evidence, LayerFacts, OtherName};
use crate::os::{self, Files};
use crate::package::Package;

/// What hard links may say once more of an image: packages, and paths that packages own.
const MAX_COPIED: usize = 200_000;
/// Problems of a layer's links that are kept.
const MAX_PROBLEMS: usize = 50;

/// An image, as far as its layers have been applied.
pub(super) struct Image<'a> {
    tree: Tree<'a>,
    /// All files that were ever put into the tree.
    files: Vec<ReadFile<'a>>,
    /// The first of them that the layer has brought that is being applied.
    fresh_from: usize,
    /// Those of the layers below that it has taken away.
    gone: Vec<usize>,
    presences: Presences<'a>,
    problems: Vec<Problem>,
    elsewhere: elsewhere::Elsewhere,
    /// What hard links have said once more.
    copied: usize,
}

/// A file that was read, at a path of the image.
pub(super) struct ReadFile<'a> {
    pub(super) path: String,
    pub(super) layer: usize,
    pub(super) is_there: bool,
    pub(super) evidence: Vec<Told<'a>>,
    content: Option<&'a [u8]>,
    /// What hard links to it are told.
    other_names: Option<(&'a LayerFacts, &'a [OtherName])>,
    /// Since which layer the path tells of each package, in the order of [`ReadFile::packages`].
    pub(super) since: Vec<usize>,
}

/// What a detector found.
#[derive(Clone, Copy)]
pub(super) struct Told<'a> {
    detector: &'a str,
    evidence: &'a Evidence,
}

impl<'a> ReadFile<'a> {
    /// The packages of all evidence.
    pub(super) fn packages(&self) -> impl Iterator<Item = &'a Package> + use<'a, '_> {
        self.evidence.iter().flat_map(|told| &told.evidence.found.packages)
    }

    /// What the file tells under the name of a hard link to it, by readers that want it there.
    fn told(&self, path: &str, wanted: &[&str]) -> AllTold<'a> {
        let named = self.other_names.and_then(|(facts, names)| {
            let at = names.binary_search_by(|name| name.path.as_str().cmp(path)).ok()?;
            let name = names.get(at)?;
            Some(all_told(facts, &name.evidence, name.content.as_deref()))
        });
        named.unwrap_or_else(|| {
            let is_wanted = |told: &&Told<'_>| told.evidence.is_by_content || wanted.contains(&told.detector);
            let evidence = self.evidence.iter().filter(is_wanted).copied().collect();
            (evidence, self.content.filter(|_| wanted.contains(&os::READER)))
        })
    }
}

impl<'a> Image<'a> {
    pub(super) fn new() -> Self {
        Self {
            tree: Tree::new(),
            files: Vec::new(),
            fresh_from: 0,
            gone: Vec::new(),
            presences: Presences::default(),
            problems: Vec::new(),
            elsewhere: elsewhere::Elsewhere::new(),
            copied: 0,
        }
    }

    /// Applies a layer.
    pub(super) fn apply(&mut self, layer: usize, facts: &'a LayerFacts) {
        let problem = |what: &String| Problem { layer, path: None, what: what.clone() };
        self.problems.extend(facts.problems.iter().map(problem));
        let before = self.problems.len();
        self.fresh_from = self.files.len();
        self.take_away(layer, facts);
        let mut files = facts.files.iter();
        let mut entries = facts.entries.reader();
        loop {
            let entry = match entries.next() {
                Ok(Some(entry)) => entry,
                Ok(None) => break,
                Err(damaged) => {
                    self.problem(layer, None, damaged.to_string());
                    break;
                }
            };
            let applied = match entry.kind {
                EntryKind::Directory => self.directory(entry.path),
                EntryKind::File => self.file(entry.path),
                EntryKind::Read => {
                    let Some(file) = files.next() else { continue };
                    let told = all_told(facts, &file.evidence, file.content.as_deref());
                    self.read(entry.path, layer, told, Some((facts, &file.other_names)))
                }
                EntryKind::Link { target } => self.put(entry.path, What::Link(target)),
                EntryKind::HardLink { target, wanted_by } => {
                    self.hard_link(entry.path, target, &wanted_by, layer, facts)
                }
            };
            if let Err(unplaced) = applied {
                self.problem(layer, Some(entry.path.to_owned()), unplaced.to_string());
            }
        }
        let left_out = self.problems.len().saturating_sub(before.saturating_add(MAX_PROBLEMS));
        if left_out > 0 {
            self.problems.truncate(before.saturating_add(MAX_PROBLEMS));
            self.problem(layer, None, format!("and {left_out} more problems with links"));
        }
        elsewhere::layer(&mut self.elsewhere, layer, &self.tree);
        self.presences.layer(layer, &mut self.files, self.fresh_from, &std::mem::take(&mut self.gone));
    }

    fn problem(&mut self, layer: usize, path: Option<String>, what: String) {
        self.problems.push(Problem { layer, path, what });
    }

    /// What the layer takes away from those below, before it brings anything.
    fn take_away(&mut self, layer: usize, facts: &LayerFacts) {
        let whiteouts = facts.whiteouts.iter().map(|path| (path, false));
        let opaque = facts.opaque.iter().map(|path| (path, true));
        for (path, is_opaque) in opaque.chain(whiteouts) {
            match self.tree.place(path, is_opaque) {
                Ok(place) if !place.rest.is_empty() => {}
                // The directory itself stays.
                Ok(place) if is_opaque => {
                    if self.tree.what(place.node) == What::Directory {
                        let removed = self.tree.clear(place.node);
                        self.removed(removed);
                    }
                }
                Ok(place) => {
                    let removed = self.tree.remove(place.node);
                    self.removed(removed);
                }
                Err(unplaced) => self.problem(layer, Some(path.clone()), unplaced.to_string()),
            }
        }
    }

    fn removed(&mut self, files: impl IntoIterator<Item = usize>) {
        for file in files {
            if let Some(gone) = self.files.get_mut(file) {
                gone.is_there = false;
                if file < self.fresh_from {
                    self.gone.push(file);
                }
            }
        }
    }

    fn directory(&mut self, path: &str) -> Result<(), Unplaced> {
        if self.tree.is_apart(path) {
            return Ok(());
        }
        let place = self.tree.place(path, false)?;
        let removed =
            if place.rest.is_empty() { self.tree.make_directory(place.node) } else { self.tree.make_way(&place) };
        self.removed(removed);
        Ok(())
    }

    /// A file of which nothing is kept takes the place of what was there.
    fn file(&mut self, path: &str) -> Result<(), Unplaced> {
        if self.tree.is_apart(path) {
            return Ok(());
        }
        let place = self.tree.place(path, false)?;
        let removed = self.tree.make_way(&place);
        self.removed(removed);
        if place.rest.is_empty() {
            let removed = self.tree.remove(place.node);
            self.removed(removed);
        }
        Ok(())
    }

    fn put(&mut self, path: &str, what: What<'a>) -> Result<(), Unplaced> {
        let place = self.tree.place(path, false)?;
        self.tree.room(&place)?;
        let in_the_way = self.tree.make_way(&place);
        let removed = self.tree.put(&place, what);
        self.removed(in_the_way.into_iter().chain(removed));
        Ok(())
    }

    fn read(
        &mut self,
        path: &str,
        layer: usize,
        (evidence, content): AllTold<'a>,
        other_names: Option<(&'a LayerFacts, &'a [OtherName])>,
    ) -> Result<(), Unplaced> {
        let place = self.tree.place(path, false)?;
        self.tree.room(&place)?;
        let path = self.tree.path(&place);
        let in_the_way = self.tree.make_way(&place);
        let removed = self.tree.put(&place, What::File(self.files.len()));
        self.removed(in_the_way.into_iter().chain(removed));
        self.files.push(ReadFile { path, layer, is_there: true, evidence, content, other_names, since: Vec::new() });
        Ok(())
    }

    /// Another name of a file, which may be of a layer below. What was read of the file under its own name is what there
    /// is; a detector that would have wanted it under the new name alone is a problem.
    fn hard_link(
        &mut self,
        path: &str,
        target: &str,
        wanted_by: &[usize],
        layer: usize,
        facts: &'a LayerFacts,
    ) -> Result<(), Unplaced> {
        let from = self.tree.place(target, false)?;
        let to = self.tree.place(path, false)?;
        if from == to {
            return Ok(());
        }
        let there = if from.rest.is_empty() { self.tree.what(from.node) } else { What::Directory };
        let file = match there {
            What::Link(target) => return self.put(path, What::Link(target)),
            What::File(file) => self.files.get(file),
            What::Directory => None,
        };
        let wanted: Vec<&'a str> =
            wanted_by.iter().filter_map(|at| facts.readers.get(*at)).map(|one| &*one.name).collect();
        let other_names = file.and_then(|file| file.other_names);
        let (evidence, content) = file.map(|file| file.told(path, &wanted)).unwrap_or_default();
        let is_read = |name: &&'a str| {
            evidence.iter().any(|told| told.detector == *name) || *name == os::READER && content.is_some()
        };
        if !wanted.iter().all(is_read) {
            let what = format!("is a hard link to {target}, which was not read");
            self.problem(layer, Some(path.to_owned()), what);
        }
        let found = evidence.iter().map(|told| &told.evidence.found);
        let copied = found.map(|found| found.packages.len().saturating_add(found.owned.len()));
        self.copied = copied.fold(self.copied, usize::saturating_add);
        if self.copied > MAX_COPIED {
            let what = format!("is a hard link to {target}, of which there are too many");
            self.problem(layer, Some(path.to_owned()), what);
            return self.file(path);
        }
        let is_of_no_use =
            evidence.is_empty() && content.is_none() && other_names.is_none_or(|(_, names)| names.is_empty());
        if is_of_no_use { self.file(path) } else { self.read(path, layer, (evidence, content), other_names) }
    }

    /// What the image holds.
    pub(super) fn inventory(mut self) -> Inventory {
        let os = os::identify(&Tellers { image: &self });
        for (path, (real, layer)) in std::mem::take(&mut self.elsewhere) {
            self.problem(layer, Some(path), format!("leads to {real}, where no package database is looked for"));
        }
        let there: Vec<&ReadFile<'_>> = self.files.iter().filter(|file| file.is_there).collect();
        for file in &there {
            let problems = file.evidence.iter().flat_map(|told| &told.evidence.found.problems);
            let problem =
                |what: &String| Problem { layer: file.layer, path: Some(file.path.clone()), what: what.clone() };
            self.problems.extend(problems.map(problem));
        }
        self.problems.sort();
        self.problems.dedup();
        let mut places = Vec::new();
        for file in &there {
            let found = file.evidence.iter().flat_map(|told| {
                let packages = told.evidence.found.packages.iter().enumerate();
                packages.map(|(at, package)| (package, told.detector, told.evidence.found.within.get(&at)))
            });
            for ((package, detector, within), layer) in found.zip(&file.since) {
                let (path, detector) = (file.path.clone(), detector.to_owned());
                places.push((
                    package,
                    Occurrence { path, within: within.cloned(), detector, layer: *layer, owner: None },
                ));
            }
        }
        let owned = there.iter().flat_map(|file| &file.evidence).flat_map(|told| &told.evidence.found.owned);
        owners::find(&mut places, owned, &self.tree);
        places.sort_unstable();
        places.dedup();
        declared::leave_out(&mut places);
        let mut packages: Vec<ImagePackage> = Vec::new();
        for (package, place) in places {
            match packages.last_mut() {
                Some(last) if last.package.is_same(package) => {
                    last.package.add_imports(package);
                    last.occurrences.push(place);
                }
                Some(_) | None => {
                    let layer = self.presences.since(package).unwrap_or(place.layer);
                    packages.push(ImagePackage { package: package.clone(), layer, occurrences: vec![place] });
                }
            }
        }
        // Those of one package that programs use differently stand one behind the other.
        for package in &mut packages {
            package.occurrences.sort_unstable();
            package.occurrences.dedup();
        }
        honest::inventory(Inventory { os, packages, hidden: self.presences.hidden(), problems: self.problems })
    }
}

/// What was found in a file, and its content if that is kept.
type AllTold<'a> = (Vec<Told<'a>>, Option<&'a [u8]>);

/// All that was found in a file of a layer.
fn all_told<'a>(facts: &'a LayerFacts, evidence: &'a [Evidence], content: Option<&'a [u8]>) -> AllTold<'a> {
    let told = |evidence: &'a Evidence| {
        let detector = facts.readers.get(evidence.reader).map_or("", |reader| &*reader.name);
        Told { detector, evidence }
    };
    (evidence.iter().map(told).collect(), content)
}

/// The files that tell the operating system.
struct Tellers<'a, 'b> {
    image: &'b Image<'a>,
}

impl Files for Tellers<'_, '_> {
    fn content(&self, path: &str) -> Option<&[u8]> {
        let place = self.image.tree.place(path, true).ok()?;
        if !place.rest.is_empty() {
            return None;
        }
        match self.image.tree.what(place.node) {
            What::File(file) => self.image.files.get(file)?.content,
            What::Directory | What::Link(_) => None,
        }
    }

    fn below<'a>(&'a self, directory: &str) -> Vec<(&'a str, &'a [u8])> {
        let Ok(place) = self.image.tree.place(directory, true) else { return Vec::new() };
        if !place.rest.is_empty() {
            return Vec::new();
        }
        let files = self.image.tree.files_below(place.node);
        let files = files.into_iter().filter_map(|file| self.image.files.get(file));
        files.filter_map(|file| Some((&*file.path, file.content?))).collect()
    }
}
