//! The entries of a layer in the archive's order, as few bytes: a path is kept as what differs from the one before.

use super::codec::{self, Input};
use super::stored::Damaged;

/// The entries of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries {
    bytes: Vec<u8>,
    count: usize,
    /// The path that the next one is compared with.
    last: String,
}

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'path, 'a> {
    /// The path as the archive says, without a slash in front: symbolic links are not followed in it.
    pub path: &'path str,
    /// What is there.
    pub kind: EntryKind<'a>,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind<'a> {
    /// A directory.
    Directory,
    /// A file that was not read, a device, a pipe: it takes the place of what was there.
    File,
    /// A file that was read: the next of [`super::LayerFacts::files`].
    Read,
    /// A symbolic link.
    Link {
        /// Where it leads, as the archive says.
        target: &'a str,
    },
    /// A hard link to another file of the layer, or of one below.
    HardLink {
        /// The other file's path, as [`Entry::path`].
        target: &'a str,
        /// Which of [`super::LayerFacts::readers`] want the file under this path.
        wanted_by: Vec<usize>,
    },
}

const DIRECTORY: u8 = 0;
const FILE: u8 = 1;
const READ: u8 = 2;
const LINK: u8 = 3;
const HARD_LINK: u8 = 4;

impl Entries {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds one.
    pub(crate) fn push(&mut self, path: &str, kind: &EntryKind<'_>) {
        let out = &mut self.bytes;
        out.push(match kind {
            EntryKind::Directory => DIRECTORY,
            EntryKind::File => FILE,
            EntryKind::Read => READ,
            EntryKind::Link { .. } => LINK,
            EntryKind::HardLink { .. } => HARD_LINK,
        });
        codec::put_after(out, &self.last, path);
        match kind {
            EntryKind::Directory | EntryKind::File | EntryKind::Read => {}
            EntryKind::Link { target } => codec::put_text(out, target),
            EntryKind::HardLink { target, wanted_by } => {
                codec::put_text(out, target);
                codec::put_number(out, wanted_by.len() as u64);
                for reader in wanted_by {
                    codec::put_number(out, *reader as u64);
                }
            }
        }
        path.clone_into(&mut self.last);
        self.count = self.count.saturating_add(1);
    }

    /// Reads them from the first on.
    pub fn reader(&self) -> EntriesReader<'_> {
        EntriesReader { input: Input::new(&self.bytes, usize::MAX), path: String::new() }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Takes them as they were stored. `readers` and `budget` bound what they may say.
    pub(super) fn stored(bytes: &[u8], readers: usize, budget: &mut usize) -> Result<(Self, usize), Damaged> {
        let mut entries = Self { bytes: bytes.to_vec(), count: 0, last: String::new() };
        let mut reader = EntriesReader { input: Input::new(bytes, usize::MAX), path: String::new() };
        let (mut count, mut read) = (0_usize, 0_usize);
        while let Some(entry) = reader.next()? {
            *budget = budget.checked_sub(entry.cost()).ok_or(Damaged("more entries than there may be"))?;
            count = count.saturating_add(1);
            match entry.kind {
                EntryKind::Read => read = read.saturating_add(1),
                EntryKind::HardLink { wanted_by, .. } if wanted_by.iter().any(|reader| *reader >= readers) => {
                    return Err(Damaged("a hard link for nobody"));
                }
                EntryKind::Directory | EntryKind::File | EntryKind::Link { .. } | EntryKind::HardLink { .. } => {}
            }
        }
        (entries.count, entries.last) = (count, reader.path);
        Ok((entries, read))
    }
}

impl Entry<'_, '_> {
    /// What it takes of the bound of facts: its texts are gone through whenever layers are folded.
    pub(crate) fn cost(&self) -> usize {
        let more = match &self.kind {
            EntryKind::Directory | EntryKind::File | EntryKind::Read => 0,
            EntryKind::Link { target } => target.len(),
            EntryKind::HardLink { target, wanted_by } => target.len().saturating_add(wanted_by.len()),
        };
        self.path.len().saturating_add(more).saturating_add(8)
    }
}

/// Reads entries one after the other.
#[derive(Debug)]
pub struct EntriesReader<'a> {
    input: Input<'a>,
    path: String,
}

impl<'a> EntriesReader<'a> {
    /// The next entry. Entries that were checked when they came from storage are never damaged.
    #[expect(clippy::should_implement_trait, reason = "an entry borrows the reader's path")]
    pub fn next(&mut self) -> Result<Option<Entry<'_, 'a>>, Damaged> {
        if self.input.is_at_end() {
            return Ok(None);
        }
        let kind = self.input.byte()?;
        self.input.after(&mut self.path)?;
        let kind = match kind {
            DIRECTORY => EntryKind::Directory,
            FILE => EntryKind::File,
            READ => EntryKind::Read,
            LINK => EntryKind::Link { target: self.input.text()? },
            HARD_LINK => {
                let target = self.input.text()?;
                let count = self.input.count()?;
                let mut wanted_by = Vec::new();
                for _ in 0..count {
                    wanted_by.push(self.input.count()?);
                }
                EntryKind::HardLink { target, wanted_by }
            }
            _ => return Err(Damaged("an entry of no kind")),
        };
        Ok(Some(Entry { path: &self.path, kind }))
    }
}
