//! Reads zip archives out of memory: entries one by one, nothing unpacked that is not asked for.
//!
//! An own reader, as an archive of the image may lie about all it says: no list of entries is kept, whatever number an
//! archive names; each entry's size is compared with what may be read before a byte of it is unpacked, and counts as it is
//! unpacked, not as it is named; entries that lie over each other are no danger then, as each counts by itself.

use std::borrow::Cow;
use std::io::Read;

/// What is wrong with an archive, or one of its entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ZipError {
    /// It does not end as zip archives do.
    #[error("it is no zip archive")]
    NoArchive,
    /// Its list of entries lies outside of it, or stops in the middle.
    #[error("the list of its entries is broken")]
    BrokenDirectory,
    /// An entry lies outside of the archive, or does not begin as entries do.
    #[error("the entry lies outside of the archive")]
    OutsideEntry,
    /// An entry needs a password.
    #[error("the entry is encrypted")]
    Encrypted,
    /// An entry is packed in another way than zip archives of programs are.
    #[error("the entry is packed by method {0}")]
    UnknownMethod(u16),
    /// What is packed is broken.
    #[error("the entry cannot be unpacked: {0}")]
    BrokenEntry(String),
    /// An entry is larger than may be read.
    #[error("the entry has more than {0} bytes")]
    TooLarge(u64),
}

/// A zip archive.
#[derive(Debug, Clone, Copy)]
pub struct Archive<'a> {
    content: &'a [u8],
    /// Where the archive begins, of which all places in it count: a program may stand in front.
    start: u64,
    directory: &'a [u8],
}

/// An entry, as the list of entries has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its name, which is a path.
    pub name: &'a [u8],
    /// Its size, as the archive says.
    pub size: u64,
    packed_size: u64,
    method: u16,
    flags: u16,
    place: u64,
}

const END: &[u8] = b"PK\x05\x06";
const END_BYTES: usize = 22;
const WIDE_END: &[u8] = b"PK\x06\x06";
const WIDE_END_BYTES: u64 = 56;
const WIDE_LOCATOR: &[u8] = b"PK\x06\x07";
const WIDE_LOCATOR_BYTES: u64 = 20;
const ENTRY: &[u8] = b"PK\x01\x02";
const ENTRY_BYTES: usize = 46;
const LOCAL: &[u8] = b"PK\x03\x04";
const LOCAL_BYTES: u64 = 30;
/// What a comment may have behind the end of the archive.
const MAX_COMMENT_BYTES: usize = u16::MAX as usize;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;
/// No byte of deflate unpacks to more.
const MOST_BY_BYTE: u64 = 1032;

fn u16_at(content: &[u8], at: u64) -> Option<u16> {
    let at = usize::try_from(at).ok()?;
    Some(u16::from_le_bytes(content.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(content: &[u8], at: u64) -> Option<u32> {
    let at = usize::try_from(at).ok()?;
    Some(u32::from_le_bytes(content.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(content: &[u8], at: u64) -> Option<u64> {
    let at = usize::try_from(at).ok()?;
    Some(u64::from_le_bytes(content.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// A part of the content, whole.
fn part(content: &[u8], at: u64, size: u64) -> Option<&[u8]> {
    let (at, size) = (usize::try_from(at).ok()?, usize::try_from(size).ok()?);
    content.get(at..at.checked_add(size)?)
}

/// The last place where an archive may end: it says how long its comment is, which fits into what follows.
fn end_of(content: &[u8]) -> Option<u64> {
    let last = content.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(MAX_COMMENT_BYTES);
    let searched = content.get(first..last + END.len())?;
    let found = searched.windows(END.len()).enumerate().rev().filter(|(_, window)| *window == END);
    let fits = |at: &u64| u16_at(content, at + 20).is_some_and(|bytes| usize::from(bytes) <= last - *at as usize);
    found.map(|(at, _)| (first + at) as u64).find(fits)
}

impl<'a> Archive<'a> {
    /// Finds the list of entries.
    pub fn open(content: &'a [u8]) -> Result<Self, ZipError> {
        let end = end_of(content).ok_or(ZipError::NoArchive)?;
        let (size, place) = (u32_at(content, end + 12), u32_at(content, end + 16));
        let (size, place) = size.zip(place).ok_or(ZipError::NoArchive)?;
        let is_wide = size == u32::MAX || place == u32::MAX || u16_at(content, end + 10) == Some(u16::MAX);
        let (directory_end, size, place) =
            is_wide.then(|| wide_end(content, end)).flatten().unwrap_or((end, u64::from(size), u64::from(place)));
        let begin = directory_end.checked_sub(size).ok_or(ZipError::BrokenDirectory)?;
        let start = begin.checked_sub(place).ok_or(ZipError::BrokenDirectory)?;
        let directory = part(content, begin, size).ok_or(ZipError::BrokenDirectory)?;
        if !directory.is_empty() && !directory.starts_with(ENTRY) {
            return Err(ZipError::BrokenDirectory);
        }
        Ok(Self { content, start, directory })
    }

    /// Its entries, in the order of the list; the last may be that the list is broken from there on.
    pub fn entries(&self) -> impl Iterator<Item = Result<Entry<'a>, ZipError>> + use<'a> {
        let mut rest = self.directory;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let read = entry(rest);
            rest = read.map(|(_, after)| after).unwrap_or_default();
            Some(read.map(|(entry, _)| entry).ok_or(ZipError::BrokenDirectory))
        })
    }

    /// The whole content of an entry, if it has no more bytes than may be read.
    pub fn content(&self, entry: &Entry<'_>, most: u64) -> Result<Cow<'a, [u8]>, ZipError> {
        if entry.size > most {
            return Err(ZipError::TooLarge(most));
        }
        let packed = self.packed(entry)?;
        match entry.method {
            STORED if packed.len() as u64 > most => Err(ZipError::TooLarge(most)),
            STORED => Ok(Cow::Borrowed(packed)),
            _ => {
                let content = unpack(entry, packed, most.saturating_add(1))?;
                if content.len() as u64 > most { Err(ZipError::TooLarge(most)) } else { Ok(Cow::Owned(content)) }
            }
        }
    }

    /// The first bytes of an entry.
    pub fn beginning(&self, entry: &Entry<'_>, most: u64) -> Result<Cow<'a, [u8]>, ZipError> {
        let packed = self.packed(entry)?;
        match entry.method {
            STORED => Ok(Cow::Borrowed(packed.get(..usize::try_from(most).unwrap_or(usize::MAX)).unwrap_or(packed))),
            _ => unpack(entry, packed, most).map(Cow::Owned),
        }
    }

    fn packed(&self, entry: &Entry<'_>) -> Result<&'a [u8], ZipError> {
        if entry.flags & 1 != 0 {
            return Err(ZipError::Encrypted);
        }
        if entry.method != STORED && entry.method != DEFLATED {
            return Err(ZipError::UnknownMethod(entry.method));
        }
        let found = || {
            let local = self.start.checked_add(entry.place)?;
            let header = part(self.content, local, LOCAL_BYTES)?;
            let names = u64::from(u16_at(header, 26)?) + u64::from(u16_at(header, 28)?);
            let begin = local.checked_add(LOCAL_BYTES)?.checked_add(names)?;
            header.starts_with(LOCAL).then(|| part(self.content, begin, entry.packed_size)).flatten()
        };
        found().ok_or(ZipError::OutsideEntry)
    }
}

fn unpack(entry: &Entry<'_>, packed: &[u8], most: u64) -> Result<Vec<u8>, ZipError> {
    let expected = entry.size.min(most).min(packed.len() as u64 * MOST_BY_BYTE);
    let mut content = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
    flate2::read::DeflateDecoder::new(packed)
        .take(most)
        .read_to_end(&mut content)
        .map_err(|error| ZipError::BrokenEntry(error.to_string()))?;
    Ok(content)
}

/// The end of an archive that is too large for the numbers of the short one: where the list of entries ends, its size, and
/// its place.
fn wide_end(content: &[u8], end: u64) -> Option<(u64, u64, u64)> {
    let locator = end.checked_sub(WIDE_LOCATOR_BYTES)?;
    if !part(content, locator, WIDE_LOCATOR_BYTES)?.starts_with(WIDE_LOCATOR) {
        return None;
    }
    // The place that is named does not count what stands in front of the archive.
    let named = u64_at(content, locator + 8);
    let before = locator.checked_sub(WIDE_END_BYTES);
    let begins = |at: &u64| part(content, *at, WIDE_END_BYTES).is_some_and(|bytes| bytes.starts_with(WIDE_END));
    let wide = [named, before].into_iter().flatten().find(begins)?;
    Some((wide, u64_at(content, wide + 40)?, u64_at(content, wide + 48)?))
}

/// The first entry of a list, and the list behind it.
fn entry(list: &[u8]) -> Option<(Entry<'_>, &[u8])> {
    let (header, rest) = list.split_at_checked(ENTRY_BYTES)?;
    if !header.starts_with(ENTRY) {
        return None;
    }
    let (name, rest) = rest.split_at_checked(usize::from(u16_at(header, 28)?))?;
    let (extra, rest) = rest.split_at_checked(usize::from(u16_at(header, 30)?))?;
    let (_comment, rest) = rest.split_at_checked(usize::from(u16_at(header, 32)?))?;
    let mut wide = wide_numbers(extra);
    let mut number = |at: u64| {
        let short = u32_at(header, at)?;
        if short == u32::MAX { wide.next() } else { Some(u64::from(short)) }
    };
    // The wide numbers stand in this order, each only where the short one does not hold it.
    let size = number(24)?;
    let packed_size = number(20)?;
    let place = number(42)?;
    let entry = Entry { name, size, packed_size, place, method: u16_at(header, 10)?, flags: u16_at(header, 8)? };
    Some((entry, rest))
}

/// The numbers of an entry that need more than 32 bits.
fn wide_numbers(mut extra: &[u8]) -> impl Iterator<Item = u64> + '_ {
    const WIDE: u16 = 1;
    let mut numbers: &[u8] = &[];
    while let (Some(kind), Some(size)) = (u16_at(extra, 0), u16_at(extra, 2)) {
        let Some(field) = part(extra, 4, u64::from(size)) else { break };
        if kind == WIDE {
            numbers = field;
            break;
        }
        extra = extra.get(4 + field.len()..).unwrap_or_default();
    }
    numbers.chunks_exact(8).filter_map(|bytes| u64_at(bytes, 0))
}
