//! Feeds that are published as a tar archive with a file for each record, or for a few.
//!
//! An archive without the block that ends it breaks off: to leave that out would take half a revision for a whole one.

use std::{
    io::{self, Read},
    ops::ControlFlow,
};

use super::{Form, Import, archive::is_of};

const BLOCK_BYTES: usize = 512;
/// Bytes of a header in front of an entry, which has a name that is too long for the entry's own.
const MAX_FRONT_BYTES: u64 = 64 << 10;

/// Reads each file whose name ends as those of the form do.
pub(super) fn read(import: &mut Import<'_>, form: Form, data: &mut dyn Read) -> ControlFlow<()> {
    let mut bundle = Bundle { data, content: 0, padding: 0, failure: None };
    let mut entries = 0_u64;
    loop {
        let entry = match bundle.next() {
            Ok(Some(entry)) => entry,
            Ok(None) => return ControlFlow::Continue(()),
            Err(error) => return import.end_all(error),
        };
        entries += 1;
        if entries > import.limits.entries {
            return import.end_all(format_args!("it has more than {} files", import.limits.entries));
        }
        if !entry.is_file || !is_of(form, &entry.name) {
            continue;
        }
        let flow = import.read_part(form, &entry.name, &mut bundle);
        // What ends the archive is no matter of the file alone.
        if let Some(error) = bundle.failure.take() {
            return import.end_all(error);
        }
        flow?;
    }
}

struct Entry {
    name: String,
    is_file: bool,
}

struct Bundle<'a> {
    data: &'a mut dyn Read,
    /// Bytes of the entry that are not read yet, and of what fills its last block.
    content: u64,
    padding: u64,
    /// Why the archive could not be read.
    failure: Option<String>,
}

impl Read for Bundle<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = usize::try_from(self.content).unwrap_or(usize::MAX).min(buffer.len());
        let Some(room) = buffer.get_mut(..length).filter(|room| !room.is_empty()) else { return Ok(0) };
        let read = self.data.read(room).and_then(|count| match count {
            0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it breaks off")),
            count => Ok(count),
        });
        match &read {
            Ok(count) => self.content = self.content.saturating_sub(*count as u64),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => self.failure = Some(error.to_string()),
        }
        read
    }
}

impl Bundle<'_> {
    /// The next entry; `None` at the end.
    fn next(&mut self) -> Result<Option<Entry>, String> {
        let (mut long_name, mut long_size) = (None, None);
        loop {
            let Some(block) = self.block()? else { return Ok(None) };
            let header = Header::read(&block)?;
            let is_front = matches!(header.kind, b'L' | b'K' | b'x' | b'g');
            self.content = if is_front { header.size } else { long_size.unwrap_or(header.size) };
            self.padding = self.content.wrapping_neg() % BLOCK_BYTES as u64;
            if !is_front {
                let name = long_name.unwrap_or(header.name);
                // Links and folders have no content, whatever they say.
                if matches!(header.kind, b'1'..=b'6') {
                    (self.content, self.padding) = (0, 0);
                }
                let is_file = matches!(header.kind, 0 | b'0' | b'7') && !name.ends_with('/');
                return Ok(Some(Entry { name, is_file }));
            }
            if self.content > MAX_FRONT_BYTES {
                return Err("a header of it is too large".to_owned());
            }
            let mut front = Vec::new();
            self.read_to_end(&mut front).map_err(|error| error.to_string())?;
            match header.kind {
                b'L' => long_name = Some(text(&front)),
                b'x' => {
                    let told = pax(&front).ok_or("a header of it cannot be read")?;
                    long_name = told.0.or(long_name);
                    long_size = told.1.or(long_size);
                }
                _ => {}
            }
        }
    }

    /// The next block of a header; `None` if it is the one that ends the archive.
    fn block(&mut self) -> Result<Option<[u8; BLOCK_BYTES]>, String> {
        let behind = self.content.saturating_add(self.padding);
        let skipped =
            io::copy(&mut (&mut *self.data).take(behind), &mut io::sink()).map_err(|error| error.to_string())?;
        (self.content, self.padding) = (0, 0);
        let mut block = [0; BLOCK_BYTES];
        if skipped < behind {
            return Err("it breaks off".to_owned());
        }
        self.data.read_exact(&mut block).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => "it breaks off".to_owned(),
            _ => error.to_string(),
        })?;
        Ok((block != [0; BLOCK_BYTES]).then_some(block))
    }
}

struct Header {
    name: String,
    kind: u8,
    size: u64,
}

impl Header {
    fn read(block: &[u8; BLOCK_BYTES]) -> Result<Self, String> {
        let field = |from: usize, length: usize| block.get(from..from + length).unwrap_or_default();
        let sum: u64 = block
            .iter()
            .enumerate()
            .map(|(at, byte)| u64::from(if (148..156).contains(&at) { b' ' } else { *byte }))
            .sum();
        if number(field(148, 8)) != Some(sum) {
            return Err("it is no tar archive, or is damaged".to_owned());
        }
        let size = number(field(124, 12)).ok_or("a size in it cannot be read")?;
        let mut name = text(field(0, 100));
        let prefix = text(field(345, 155));
        if field(257, 6) == b"ustar\0" && !prefix.is_empty() {
            name = format!("{prefix}/{name}");
        }
        Ok(Self { name, kind: field(156, 1).first().copied().unwrap_or_default(), size })
    }
}

/// A number in octal digits, or in binary where it would not fit.
fn number(field: &[u8]) -> Option<u64> {
    if let Some((0x80, rest)) = field.split_first().map(|(first, rest)| (*first, rest)) {
        let number =
            rest.iter().try_fold(0_u64, |number, byte| (number >> 55 == 0).then_some(number << 8 | u64::from(*byte)));
        return number;
    }
    let digits = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if digits.is_empty() { Some(0) } else { u64::from_str_radix(digits, 8).ok().filter(|number| number >> 62 == 0) }
}

/// What of a field is in front of its first zero.
fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

/// The name and the size that records in front of an entry give it.
fn pax(mut records: &[u8]) -> Option<(Option<String>, Option<u64>)> {
    let (mut name, mut size) = (None, None);
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ')?;
        let length: usize = std::str::from_utf8(records.get(..space)?).ok()?.parse().ok()?;
        let (record, behind) = records.split_at_checked(length)?;
        let record = std::str::from_utf8(record.get(space + 1..)?.strip_suffix(b"\n")?).ok()?;
        records = behind;
        match record.split_once('=')? {
            ("path", path) => name = Some(path.to_owned()),
            ("size", digits) => size = Some(digits.parse::<u64>().ok().filter(|number| number >> 62 == 0)?),
            _ => {}
        }
    }
    Some((name, size))
}
