//! The header of a package of rpm: an index of tags with type, place and count, and the data that they point into.
//!
//! `index length, data length, (tag, type, offset, count)*, data`, all numbers of 32 bits in network order.

use super::{
    bytes::{Order, part},
    package::{Fields, is_package},
};
use crate::detectors::gather::Gather;

/// An entry of the index.
const ENTRY: usize = 16;

/// The tags that are read. Their numbers are rpm's.
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const VENDOR: u32 = 1011;
const ARCH: u32 = 1022;
const OLD_FILE_NAMES: u32 = 1027;
const FILE_STATES: u32 = 1029;
const FILE_MODES: u32 = 1030;
const FILE_FLAGS: u32 = 1037;
const SOURCE: u32 = 1044;
const FOLDER_OF_FILE: u32 = 1116;
const FILE_NAMES: u32 = 1117;
const FOLDERS: u32 = 1118;
const MODULE: u32 = 5096;
const TAGS: [u32; 15] = [
    NAME,
    VERSION,
    RELEASE,
    EPOCH,
    VENDOR,
    ARCH,
    OLD_FILE_NAMES,
    FILE_STATES,
    FILE_MODES,
    FILE_FLAGS,
    SOURCE,
    FOLDER_OF_FILE,
    FILE_NAMES,
    FOLDERS,
    MODULE,
];

/// The types of data.
const CHARS: u32 = 1;
const INT16: u32 = 3;
const INT32: u32 = 4;
const STRINGS: [u32; 3] = [6, 8, 9];

/// The bits of a file's mode that tell its kind, and the kind of a regular file.
const KIND_OF_FILE: u16 = 0o170_000;
const REGULAR: u16 = 0o100_000;
/// The flag of a file that the package owns but does not bring.
const GHOST: u32 = 1 << 6;
/// The state of a file that was left out, as documentation is from images.
const NOT_INSTALLED: u8 = 2;

/// Folders of one package that are kept in memory meanwhile. Real ones have some thousands.
const FOLDERS_AT_MOST: usize = 1 << 20;

/// Tells of the package of a header, and of its files.
pub(super) fn read(blob: &[u8], gather: &mut Gather<'_>) {
    let Some(header) = Header::new(blob) else {
        gather.problem("a package's header is cut short");
        return;
    };
    let name = header.string(NAME, gather).unwrap_or_default();
    if !is_package(name) {
        return;
    }
    let version = match (header.string(VERSION, gather), header.string(RELEASE, gather)) {
        (Some(version), Some(release)) => [version, b"-", release].concat(),
        (Some(version), None) => version.to_vec(),
        (None, _) => Vec::new(),
    };
    let fields = Fields {
        name,
        version: &version,
        epoch: header.int32s(EPOCH, gather).and_then(|mut epochs| epochs.next()).unwrap_or_default(),
        arch: header.string(ARCH, gather).unwrap_or_default(),
        vendor: header.string(VENDOR, gather).unwrap_or_default(),
        source: header.string(SOURCE, gather).unwrap_or_default(),
        module: header.string(MODULE, gather).unwrap_or_default(),
    };
    if let Some(name) = fields.tell(gather) {
        header.files(&name, gather);
    }
}

/// Where the data of a tag is.
#[derive(Debug, Clone, Copy)]
struct Entry<'a> {
    kind: u32,
    count: usize,
    /// The data from its first byte to the end of all data; nothing if it begins beyond it.
    data: Option<&'a [u8]>,
}

/// The entries of [`TAGS`], in the same order.
struct Header<'a>([Option<Entry<'a>>; TAGS.len()]);

impl<'a> Header<'a> {
    fn new(blob: &'a [u8]) -> Option<Self> {
        let entries = Order::Big.u32(blob, 0)? as usize;
        let length = Order::Big.u32(blob, 4)? as usize;
        let index_length = entries.checked_mul(ENTRY)?;
        let index = part(blob, 8, index_length)?;
        let data = part(blob, index_length.checked_add(8)?, length)?;
        let mut header = Self([None; TAGS.len()]);
        for entry in index.chunks_exact(ENTRY) {
            let tag = Order::Big.u32(entry, 0)?;
            let place = TAGS.iter().zip(&mut header.0).find(|(wanted, _)| **wanted == tag);
            if let Some((_, place)) = place {
                // The later one counts: what rpm adds when it installs a package follows what the package brings.
                *place = Some(Entry {
                    kind: Order::Big.u32(entry, 4)?,
                    count: Order::Big.u32(entry, 12)? as usize,
                    data: data.get(Order::Big.u32(entry, 8)? as usize..),
                });
            }
        }
        Some(header)
    }

    fn entry(&self, tag: u32) -> Option<Entry<'a>> {
        TAGS.iter().zip(&self.0).find(|(wanted, _)| **wanted == tag).and_then(|(_, entry)| *entry)
    }

    /// The entry of a tag whose type is one of these and whose data begins within; else nothing, which is said if the tag
    /// is there.
    fn data(&self, tag: u32, kinds: &[u32], gather: &mut Gather<'_>) -> Option<(&'a [u8], usize)> {
        let entry = self.entry(tag)?;
        match entry.data {
            Some(data) if kinds.contains(&entry.kind) => Some((data, entry.count)),
            _ => {
                gather.problem(format!("tag {tag} of a package's header is broken"));
                None
            }
        }
    }

    /// The first text of a tag.
    fn string(&self, tag: u32, gather: &mut Gather<'_>) -> Option<&'a [u8]> {
        let (data, _) = self.data(tag, &STRINGS, gather)?;
        let end = data.iter().position(|byte| *byte == 0);
        if end.is_none() {
            gather.problem(format!("tag {tag} of a package's header has no end"));
        }
        data.get(..end?)
    }

    /// The texts of a tag: as many as there are, which may be fewer than it says.
    fn strings(&self, tag: u32, gather: &mut Gather<'_>) -> Option<(impl Iterator<Item = &'a [u8]> + use<'a>, usize)> {
        let (data, count) = self.data(tag, &STRINGS, gather)?;
        let whole = data.iter().rposition(|byte| *byte == 0).and_then(|end| data.get(..end)).unwrap_or_default();
        Some((whole.split(|byte| *byte == 0).take(count), count))
    }

    /// The numbers of a tag.
    fn int32s(&self, tag: u32, gather: &mut Gather<'_>) -> Option<impl Iterator<Item = u32> + use<'a>> {
        let numbers = self.numbers(tag, INT32, 4, gather)?;
        Some(numbers.chunks_exact(4).filter_map(|number| Order::Big.u32(number, 0)))
    }

    fn int16s(&self, tag: u32, gather: &mut Gather<'_>) -> Option<impl Iterator<Item = u16> + use<'a>> {
        let numbers = self.numbers(tag, INT16, 2, gather)?;
        Some(numbers.chunks_exact(2).filter_map(|number| Order::Big.u16(number, 0)))
    }

    /// The bytes of a tag's numbers, each of that size.
    fn numbers(&self, tag: u32, kind: u32, size: usize, gather: &mut Gather<'_>) -> Option<&'a [u8]> {
        let (data, count) = self.data(tag, &[kind], gather)?;
        let numbers = count.checked_mul(size).and_then(|length| data.get(..length));
        if numbers.is_none() {
            gather.problem(format!("tag {tag} of a package's header is cut short"));
        }
        numbers
    }

    /// Tells of the regular files that the package brought.
    fn files(&self, package: &str, gather: &mut Gather<'_>) {
        let modes = self.int16s(FILE_MODES, gather);
        let flags = self.int32s(FILE_FLAGS, gather);
        let states = self.numbers(FILE_STATES, CHARS, 1, gather);
        let kinds =
            modes.into_iter().flatten().map(|mode| mode & KIND_OF_FILE == REGULAR).chain(std::iter::repeat(true));
        let ghosts = flags.into_iter().flatten().map(|flag| flag & GHOST != 0).chain(std::iter::repeat(false));
        let states = states.into_iter().flatten().map(|state| *state == NOT_INSTALLED).chain(std::iter::repeat(false));
        let mut is_brought = kinds
            .zip(ghosts)
            .zip(states)
            .map(|((is_regular, is_ghost), is_absent)| is_regular && !is_ghost && !is_absent);

        // Packages that were built long ago have whole paths.
        if let Some((paths, count)) = self.strings(OLD_FILE_NAMES, gather) {
            let mut read = 0;
            for (path, is_brought) in paths.zip(&mut is_brought) {
                read += 1;
                if gather.is_full() {
                    return;
                }
                if is_brought {
                    gather.owned(&[path], package);
                }
            }
            say_if_short(read, count, package, gather);
        }
        let (Some((names, count)), Some(folder_of_file), Some((folders, _))) =
            (self.strings(FILE_NAMES, gather), self.int32s(FOLDER_OF_FILE, gather), self.strings(FOLDERS, gather))
        else {
            return;
        };
        let folders: Vec<&[u8]> = folders.take(FOLDERS_AT_MOST).collect();
        let mut read = 0;
        for ((name, folder), is_brought) in names.zip(folder_of_file).zip(is_brought) {
            if gather.is_full() {
                return;
            }
            let Some(folder) = folders.get(folder as usize) else { break };
            read += 1;
            if is_brought {
                gather.owned(&[folder, name], package);
            }
        }
        say_if_short(read, count, package, gather);
    }
}

fn say_if_short(read: usize, count: usize, package: &str, gather: &mut Gather<'_>) {
    if read < count {
        gather.problem(format!("the list of the files of {package} is broken after {read} of {count}"));
    }
}
