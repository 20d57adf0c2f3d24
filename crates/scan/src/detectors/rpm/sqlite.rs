//! The form of rpm's database that is a file of SQLite: the table `Packages` has a header in each row.
//!
//! The file is read as it lies there, as SQLite's documentation of its format says: pages of one size, of which each table is
//! a tree; the rows are in the leaves, and what does not fit there in a chain of pages. Nothing is asked of indices, of the
//! list of free pages or of SQL.

use std::borrow::Cow;

use super::{
    bytes::{Order, Pages, part},
    header,
};
use crate::detectors::gather::Gather;

/// What each file begins with.
const MAGIC: &[u8] = b"SQLite format 3\0";
/// The header of the file, which the first page begins with.
const FILE_HEADER: usize = 100;
/// Where the pages' size is, the bytes that each page has for others at its end, and the text's encoding.
const PAGE_SIZE: usize = 16;
const RESERVED: usize = 20;
const ENCODING: usize = 56;
const UTF_8: u32 = 1;
/// Less is left to no page, as the format says.
const USABLE_AT_LEAST: usize = 480;
/// The kinds of pages that a table has.
const INTERIOR: u8 = 5;
const LEAF: u8 = 13;
/// A cell has so many bytes beside its record, with the pointer to it.
const CELL_AT_LEAST: usize = 4;
/// The page that lists the tables, and the columns of the list.
const TABLES: u32 = 1;
const KIND: usize = 0;
const NAME: usize = 1;
const ROOT: usize = 3;
/// The table of packages, and the column of their headers.
const PACKAGES: &[u8] = b"Packages";
const HEADER: usize = 1;

/// Whether a file is one of SQLite.
pub(super) fn is_one(content: &[u8]) -> bool {
    content.starts_with(MAGIC)
}

/// Reads the packages of a file.
pub(super) fn read(content: &[u8], gather: &mut Gather<'_>) -> Result<(), String> {
    let mut database = Database::new(content)?;
    let mut root = None;
    database.rows(TABLES, gather, &mut |row, _| {
        let is_table = column(row, KIND) == Some(b"table");
        if is_table && column(row, NAME).is_some_and(|name| name.eq_ignore_ascii_case(PACKAGES)) {
            root = column(row, ROOT).and_then(integer);
        }
    })?;
    let root = root.ok_or("it has no table of packages")?;
    database.rows(root, gather, &mut |row, gather| match column(row, HEADER) {
        Some(blob) => header::read(blob, gather),
        None => gather.problem("a row of the table of packages is broken"),
    })
}

/// Says that a log beside the file holds changes that are not in the file yet.
pub(super) fn log(content: &[u8]) -> Result<(), String> {
    /// Magic number, in both of its forms, the place of the salt in the log's header and in that of its first page.
    const AHEAD: [[u8; 4]; 2] = [[0x37, 0x7f, 0x06, 0x82], [0x37, 0x7f, 0x06, 0x83]];
    const SALT: usize = 16;
    const FIRST_SALT: usize = 32 + 8;
    /// What a journal begins with; one that is done with has zeros there.
    const JOURNAL: &[u8] = &[0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];

    let salt = part(content, SALT, 8);
    let has_pages = AHEAD.iter().any(|magic| content.starts_with(magic)) && salt == part(content, FIRST_SALT, 8);
    if (salt.is_some() && has_pages) || content.starts_with(JOURNAL) {
        return Err(
            "SQLite's log beside the database of packages holds changes that the database may not have".to_owned()
        );
    }
    Ok(())
}

struct Database<'a> {
    pages: Pages<'a>,
    /// The bytes of a page that are used.
    usable: usize,
}

impl<'a> Database<'a> {
    fn new(content: &'a [u8]) -> Result<Self, String> {
        let cut = "its header is cut short";
        let size = match Order::Big.u16(content, PAGE_SIZE).ok_or(cut)? {
            // The greatest size does not fit.
            1 => 65536,
            size => usize::from(size),
        };
        let reserved = usize::from(*content.get(RESERVED).ok_or(cut)?);
        let encoding = Order::Big.u32(content, ENCODING).ok_or(cut)?;
        if !size.is_power_of_two() || size < 512 || size - reserved.min(size) < USABLE_AT_LEAST {
            return Err(format!("its pages have the size {size}, of which {reserved} are not used"));
        }
        if encoding != UTF_8 {
            return Err(format!("its text has the encoding {encoding}, which is not UTF-8"));
        }
        Ok(Self { pages: Pages::new(content, size), usable: size - reserved })
    }

    /// Goes over the rows of the table whose tree begins at a page. What is broken is said; the rest of the tree is read.
    fn rows(
        &mut self,
        root: u32,
        gather: &mut Gather<'_>,
        each: &mut dyn FnMut(&[u8], &mut Gather<'_>),
    ) -> Result<(), String> {
        // A page is taken as soon as another names it, so that there are never more to come than the file has.
        let mut to_come = vec![self.page(root)?];
        while let Some(page) = to_come.pop() {
            if gather.is_full() {
                break;
            }
            match page.kind() {
                LEAF => self.leaf(page, gather, each)?,
                INTERIOR => {
                    let first_child = to_come.len();
                    self.interior(page, gather, &mut to_come);
                    // The first of them is the next to be read.
                    to_come.get_mut(first_child..).unwrap_or_default().reverse();
                }
                kind => gather.problem(format!("a page that should be of a table has the kind {kind}")),
            }
        }
        Ok(())
    }

    /// Goes over the rows of a leaf.
    fn leaf(
        &mut self,
        page: Page<'a>,
        gather: &mut Gather<'_>,
        each: &mut dyn FnMut(&[u8], &mut Gather<'_>),
    ) -> Result<(), String> {
        for cell in page.cells(8, gather) {
            if gather.is_full() {
                break;
            }
            let row = match cell.and_then(Record::of) {
                Ok(record) => {
                    self.pages.spend(self.local(record.length).saturating_add(CELL_AT_LEAST))?;
                    self.whole(record)
                }
                Err(problem) => Err(problem),
            };
            match row {
                Ok(row) => each(&row, gather),
                Err(problem) => gather.problem(problem),
            }
        }
        Ok(())
    }

    /// The pages below one that is no leaf.
    fn interior(&mut self, page: Page<'a>, gather: &mut Gather<'_>, children: &mut Vec<Page<'a>>) {
        let last = page.number(8);
        let numbers = page.cells(12, gather).map(|cell| Order::Big.u32(cell?, 0).ok_or_else(cut_cell));
        for number in numbers.chain([last]) {
            match number.and_then(|number| self.page(number)) {
                Ok(child) => children.push(child),
                Err(problem) => gather.problem(problem),
            }
        }
    }

    /// A page by its number from 1.
    fn page(&mut self, number: u32) -> Result<Page<'a>, String> {
        let index = (number as usize).checked_sub(1).ok_or("a page has the number 0")?;
        let bytes = self.pages.take(index)?;
        let bytes = bytes.get(..self.usable).unwrap_or(bytes);
        Ok(Page { bytes, start: if index == 0 { FILE_HEADER } else { 0 } })
    }

    /// The whole of a record: as it lies in its cell, or put together.
    fn whole(&mut self, record: Record<'a>) -> Result<Cow<'a, [u8]>, String> {
        let Record { length, from } = record;
        let here = self.local(length);
        let local = part(from, 0, here).ok_or_else(cut_cell)?;
        if here == length {
            return Ok(Cow::Borrowed(local));
        }
        if length > self.pages.bytes() {
            return Err(format!("a record of {length} bytes is longer than the file"));
        }
        let mut whole = Vec::with_capacity(length);
        whole.extend_from_slice(local);
        let mut next = Order::Big.u32(from, here).ok_or_else(cut_cell)?;
        while whole.len() < length {
            if next == 0 {
                return Err(format!("a record ends after {} of {length} bytes", whole.len()));
            }
            let page = self.page(next)?.bytes;
            next = Order::Big.u32(page, 0).unwrap_or_default();
            let more = page.get(4..).unwrap_or_default();
            whole.extend_from_slice(more.get(..length - whole.len()).unwrap_or(more));
        }
        Ok(Cow::Owned(whole))
    }

    /// How many bytes of a record lie in the leaf, by the rule of the format.
    fn local(&self, length: usize) -> usize {
        let most = self.usable - 35;
        if length <= most {
            return length;
        }
        let least = (self.usable - 12) * 32 / 255 - 23;
        let local = least + (length - least) % (self.usable - 4);
        if local <= most { local } else { least }
    }
}

/// A page of a table.
#[derive(Clone, Copy)]
struct Page<'a> {
    bytes: &'a [u8],
    /// Where its own header begins.
    start: usize,
}

impl<'a> Page<'a> {
    fn kind(self) -> u8 {
        self.bytes.get(self.start).copied().unwrap_or_default()
    }

    /// The number of a page at a place of the header.
    fn number(self, at: usize) -> Result<u32, String> {
        Order::Big.u32(self.bytes, self.start + at).ok_or_else(cut_cell)
    }

    /// The page from the first byte of each of its cells on, whose pointers follow a header of that size.
    fn cells(self, header: usize, gather: &mut Gather<'_>) -> impl Iterator<Item = Result<&'a [u8], String>> + use<'a> {
        let count = usize::from(Order::Big.u16(self.bytes, self.start + 3).unwrap_or_default());
        let pointers = self.start + header;
        let room = self.bytes.len().saturating_sub(pointers) / 2;
        if count > room {
            gather.problem(format!("a page tells of {count} cells, and has room for {room}"));
        }
        (0..count.min(room)).map(move |index| {
            let at = Order::Big.u16(self.bytes, pointers + 2 * index);
            at.and_then(|at| self.bytes.get(usize::from(at)..)).ok_or_else(cut_cell)
        })
    }
}

/// The record of a leaf's cell, as it begins there.
struct Record<'a> {
    length: usize,
    /// The page from the record's first byte on.
    from: &'a [u8],
}

impl<'a> Record<'a> {
    fn of(cell: &'a [u8]) -> Result<Self, String> {
        let (length, rest) = varint(cell).ok_or_else(cut_cell)?;
        // The number of the row.
        let (_, from) = varint(rest).ok_or_else(cut_cell)?;
        Ok(Self { length: usize::try_from(length).unwrap_or(usize::MAX), from })
    }
}

fn cut_cell() -> String {
    "a cell of a page is cut short".to_owned()
}

/// A number of one to nine bytes, and what follows it.
fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut number = 0;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        let rest = bytes.get(index + 1..)?;
        if index == 8 {
            return Some((number << 8 | u64::from(*byte), rest));
        }
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((number, rest));
        }
    }
    None
}

/// The value of a record's column, whose number is small.
fn column(record: &[u8], number: usize) -> Option<&[u8]> {
    let (header_length, rest) = varint(record)?;
    let header_length = usize::try_from(header_length).ok()?;
    let header = record.get(record.len() - rest.len()..header_length)?;
    let (mut header, mut at) = (header, header_length);
    for _ in 0..number {
        let (kind, rest) = varint(header)?;
        at = at.checked_add(length_of(kind)?)?;
        header = rest;
    }
    let (kind, _) = varint(header)?;
    part(record, at, length_of(kind)?)
}

/// The length of a value, by its kind.
fn length_of(kind: u64) -> Option<usize> {
    match kind {
        0 | 8 | 9 => Some(0),
        1..=4 => usize::try_from(kind).ok(),
        5 => Some(6),
        6 | 7 => Some(8),
        10 | 11 => None,
        _ => usize::try_from((kind - 12) / 2).ok(),
    }
}

/// A page number.
fn integer(bytes: &[u8]) -> Option<u32> {
    let number = bytes.iter().take(8).fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
    u32::try_from(number).ok()
}
