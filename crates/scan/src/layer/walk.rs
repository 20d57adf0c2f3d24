//! Goes through the entries of a layer, has detectors read the files they want, and notes what is kept.

use std::collections::HashMap;
use std::io::Read;

use super::archive::{Archive, Entry};
use super::outdated::by_path;
use super::path::{self, Whiteout};
use super::{Again, Analysis, Stop};
use crate::detectors::{Candidate, Detector};
use crate::facts::{Entry as Kept, EntryKind, Evidence, FileFacts, Found, LayerFacts, OtherName, Reader};
use crate::limits::Limits;
use crate::os;
use crate::signs::Escaped;

/// Bytes of a file's beginning that detectors may look at.
const HEAD_BYTES: usize = 64;
/// Problems that are kept; of more, only their number is of use.
const MAX_PROBLEMS: usize = 50;
/// Bytes of a path that are shown in a problem.
const SHOWN_BYTES: usize = 200;
/// The place among the readers of what reads the files that tell the operating system.
const OS_READER: usize = 0;

/// A layer that is being gone through.
pub(super) struct Walk<'a> {
    detectors: &'a [&'a dyn Detector],
    limits: &'a Limits,
    facts: LayerFacts,
    /// What is kept so far, by the measure of [`Limits::facts_bytes`].
    kept: usize,
    packages: usize,
    /// What may still be unpacked from archives in the layer.
    archives_bytes: u64,
    /// Problems beyond those that are kept.
    more_problems: usize,
    /// The files that were read, by their path as the archive says: the last one of each.
    read: HashMap<String, ReadFile>,
    /// What this reading reads for the sake of hard links.
    wanted_links: Again,
    /// What another reading would have to read.
    again: Again,
    content: Vec<u8>,
}

/// What hard links to a file need to know of it.
struct ReadFile {
    head: Vec<u8>,
    size: u64,
    mode: u32,
    /// Whose reading of it there is.
    readers: Vec<usize>,
}

/// Who wants a file.
#[derive(Default)]
struct Wanted {
    /// The places of the readers, and whether each goes by the content.
    readers: Vec<(usize, bool)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(detectors: &'a [&'a dyn Detector], limits: &'a Limits, wanted_links: Again) -> Self {
        Self {
            detectors,
            limits,
            facts: LayerFacts { readers: readers(detectors), ..LayerFacts::default() },
            kept: 0,
            packages: 0,
            archives_bytes: limits.archives_bytes,
            more_problems: 0,
            read: HashMap::new(),
            wanted_links,
            again: Again::default(),
            content: Vec::new(),
        }
    }

    /// Goes through all entries.
    pub(super) fn all<R: Read>(&mut self, archive: &mut Archive<R>) -> Result<(), Stop> {
        while let Some(entry) = archive.next()? {
            self.entry(archive, &entry)?;
        }
        Ok(())
    }

    /// Notes why it ended early.
    pub(super) fn stopped(&mut self, stop: &Stop) {
        // This one is said, however many there are.
        self.facts.problems.insert(0, stop.to_string());
    }

    pub(super) fn done(mut self) -> Analysis {
        if self.more_problems > 0 {
            self.facts.problems.push(format!("and {} more problems", self.more_problems));
        }
        Analysis { facts: self.facts, again: Some(self.again).filter(|again| !again.links.is_empty()) }
    }

    fn entry<R: Read>(&mut self, archive: &mut Archive<R>, entry: &Entry) -> Result<(), Stop> {
        if entry.name.len() > self.limits.path_bytes || entry.link.len() > self.limits.path_bytes {
            return self.problem(&path::text(&entry.name), "has a path or a target that is too long, and was left out");
        }
        let path = path::normalised(&entry.name);
        // Of the root itself nothing is asked: it is a directory.
        if path.is_empty() {
            return Ok(());
        }
        if let Some(whiteout) = path::whiteout(&path) {
            return self.whiteout(&whiteout);
        }
        match entry.kind {
            b'0' | b'7' => self.file(archive, entry, &path),
            b'5' => self.keep(&path, EntryKind::Directory),
            b'2' => self.keep(&path, EntryKind::Link { target: &path::text(&entry.link) }),
            b'1' => self.hard_link(&path, &path::normalised(&entry.link)),
            b'3' | b'4' | b'6' => self.keep(&path, EntryKind::File),
            _ => self.problem(&path, "is of a kind that is not known, and was left out"),
        }
    }

    fn whiteout(&mut self, whiteout: &Whiteout<'_>) -> Result<(), Stop> {
        let (list, path) = match *whiteout {
            Whiteout::Path("", name) => (&mut self.facts.whiteouts, name.to_owned()),
            Whiteout::Path(directory, name) => (&mut self.facts.whiteouts, format!("{directory}/{name}")),
            Whiteout::Opaque(directory) => (&mut self.facts.opaque, directory.to_owned()),
            Whiteout::Nothing => return Ok(()),
        };
        let cost = crate::facts::text_cost(&path);
        list.push(path);
        self.charge(cost)
    }

    /// Notes an entry.
    fn keep(&mut self, path: &str, kind: EntryKind<'_>) -> Result<(), Stop> {
        let entry = Kept { path, kind };
        self.charge(entry.cost())?;
        self.facts.entries.push(path, &entry.kind);
        Ok(())
    }

    /// Notes a file that was read.
    fn keep_read(&mut self, path: &str, file: FileFacts) -> Result<(), Stop> {
        self.charge(file.cost())?;
        self.keep(path, EntryKind::Read)?;
        self.facts.files.push(file);
        Ok(())
    }

    fn charge(&mut self, cost: usize) -> Result<(), Stop> {
        let kept = self.kept.saturating_add(cost);
        if kept > self.limits.facts_bytes {
            return Err(Stop::FactsBytes(self.limits.facts_bytes));
        }
        self.kept = kept;
        Ok(())
    }

    fn problem(&mut self, path: &str, what: &str) -> Result<(), Stop> {
        if self.facts.problems.len() >= MAX_PROBLEMS {
            self.more_problems = self.more_problems.saturating_add(1);
            return Ok(());
        }
        let shown = path.get(..path.floor_char_boundary(SHOWN_BYTES)).unwrap_or_default();
        let cut = if shown.len() < path.len() { "…" } else { "" };
        let problem = format!("{}{cut} {what}", Escaped(shown));
        self.charge(crate::facts::text_cost(&problem))?;
        self.facts.problems.push(problem);
        Ok(())
    }

    fn file<R: Read>(&mut self, archive: &mut Archive<R>, entry: &Entry, path: &str) -> Result<(), Stop> {
        let is_small = entry.size <= self.limits.file_bytes;
        self.content.clear();
        // A sparse file's beginning is known only once its pieces are in their places.
        let is_whole = entry.is_sparse() && is_small;
        if is_whole {
            archive.content(entry, &mut self.content)?;
        }
        let head = if entry.is_sparse() { self.content.get(..HEAD_BYTES.min(self.content.len())) } else { None };
        let head = match head {
            Some(head) => head.to_vec(),
            None if entry.is_sparse() => Vec::new(),
            None => archive.head(HEAD_BYTES)?.to_vec(),
        };
        let candidate = Candidate { path, head: &head, size: entry.size, mode: entry.mode };
        let wanted = self.wanted(&candidate);
        let links = self.wanted_links.links.get(path).cloned().unwrap_or_default();
        if wanted.readers.is_empty() && links.is_empty() {
            return self.keep(path, EntryKind::File);
        }
        if is_small && !is_whole {
            archive.content(entry, &mut self.content)?;
        }
        let mut file = self.facts_of(path, &wanted, is_small);
        for link in links {
            let wanted = self.wanted(&Candidate { path: &link, ..candidate });
            let FileFacts { evidence, content, .. } = self.facts_of(&link, &wanted, is_small);
            file.other_names.push(OtherName { path: link, evidence, content });
        }
        let readers = wanted.readers.iter().map(|(reader, _)| *reader).collect();
        self.charge(path.len().saturating_add(HEAD_BYTES))?;
        let read = ReadFile { head, size: entry.size, mode: entry.mode, readers };
        self.read.insert(path.to_owned(), read);
        self.keep_read(path, file)?;
        // One large file is not to hold memory while the rest is read.
        if self.content.capacity() > 16 << 20 {
            self.content = Vec::new();
        }
        Ok(())
    }

    fn wanted(&self, file: &Candidate<'_>) -> Wanted {
        let mut wanted = Wanted::default();
        if os::wants(file.path) {
            wanted.readers.push((OS_READER, false));
        }
        for (detector, reader) in self.detectors.iter().zip(1..) {
            if detector.wants(file) {
                wanted.readers.push((reader, !detector.wants(&Candidate { head: &[], ..*file })));
            }
        }
        wanted
    }

    /// What the readers find in the content that is at hand.
    fn facts_of(&mut self, path: &str, wanted: &Wanted, is_small: bool) -> FileFacts {
        let mut file = FileFacts::default();
        for (reader, is_by_content) in &wanted.readers {
            let detector = reader.checked_sub(1).and_then(|at| self.detectors.get(at));
            let found = match detector {
                _ if !is_small => unread(format!("is larger than {} bytes", self.limits.file_bytes)),
                Some(detector) => {
                    let archive_bytes = self.limits.archive_bytes.min(self.archives_bytes);
                    let mut found = detector.read(path, &self.content, &Limits { archive_bytes, ..*self.limits });
                    self.archives_bytes = self.archives_bytes.saturating_sub(std::mem::take(&mut found.unpacked_bytes));
                    found
                }
                None if self.content.len() > os::MAX_BYTES => unread(format!("is larger than {} bytes", os::MAX_BYTES)),
                None => {
                    file.content = Some(self.content.clone());
                    continue;
                }
            };
            let found = self.within_packages(found);
            file.evidence.push(Evidence { reader: *reader, is_by_content: *is_by_content, found });
        }
        file
    }

    /// What was found, no more packages than the layer may have.
    fn within_packages(&mut self, mut found: Found) -> Found {
        let room = self.limits.packages.saturating_sub(self.packages);
        if found.packages.len() > room {
            found.packages.truncate(room);
            found.problems.push(format!("brings the layer's packages to more than {}", self.limits.packages));
        }
        self.packages = self.packages.saturating_add(found.packages.len());
        found
    }

    fn hard_link(&mut self, path: &str, target: &str) -> Result<(), Stop> {
        let file = self.read.get(target);
        let candidate = match file {
            Some(ReadFile { head, size, mode, .. }) => Candidate { path, head, size: *size, mode: *mode },
            None => by_path(path),
        };
        let wanted = self.wanted(&candidate);
        let wanted_by: Vec<usize> = wanted.readers.iter().map(|(reader, _)| *reader).collect();
        let has_read = |reader| file.is_some_and(|file| file.readers.contains(reader));
        if !wanted_by.iter().all(has_read) {
            self.charge(path.len().saturating_add(target.len()))?;
            self.again.links.entry(target.to_owned()).or_default().insert(path.to_owned());
        }
        self.keep(path, EntryKind::HardLink { target, wanted_by })
    }
}

/// Who reads files, as they are now: what reads the files that tell the operating system, and the detectors.
pub(super) fn readers(detectors: &[&dyn Detector]) -> Vec<Reader> {
    let os = Reader { name: os::READER.to_owned(), revision: os::REVISION };
    let others = detectors.iter().map(|one| Reader { name: one.name().to_owned(), revision: one.revision() });
    std::iter::once(os).chain(others).collect()
}

/// What is found in a file that is not read.
fn unread(why: String) -> Found {
    Found { problems: vec![format!("{why}, and was not read")], ..Found::default() }
}
