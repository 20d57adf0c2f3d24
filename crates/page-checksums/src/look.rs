//! What callers ask of an open connection: for checksums in a new database, and for a look at every page of the file.

use std::ffi::c_int;
use std::sync::Arc;

use rusqlite::ffi::{self, SQLITE_FCNTL_RESERVE_BYTES, SQLITE_OK, sqlite3_file_control};
use rusqlite::{Connection, Error};

use crate::checksum::{RESERVED_BYTES, fits, is_hole};
use crate::damage::PageDamage;
use crate::file::{ASK, Question};
use crate::format::Format;

/// Bytes that are read at once.
const CHUNK: usize = 1024 * 1024;
/// Looks at a page that does not fit: it may be being written.
const LOOKS: usize = 3;

/// What a look at all pages found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageCheck {
    /// How many there are.
    pub pages: u64,
    /// Those that are not what was written.
    pub damaged: Vec<u32>,
    /// Those that are all zeros. SQLite leaves such pages where it took one and gave it back at once, so they are damaged
    /// only if they are in use.
    pub holes: Vec<u32>,
}

/// Gives a new database pages with checksums. Without effect once anything was written to it.
pub fn request_checksums(connection: &Connection) -> Result<(), Error> {
    let mut reserved = c_int::from(RESERVED_BYTES);
    // SAFETY: the handle is valid while the connection is, and the argument of this code is a number.
    let code = unsafe {
        let argument = (&raw mut reserved).cast();
        sqlite3_file_control(connection.handle(), c"main".as_ptr(), SQLITE_FCNTL_RESERVE_BYTES, argument)
    };
    result(code)
}

fn result(code: c_int) -> Result<(), Error> {
    if code == SQLITE_OK { Ok(()) } else { Err(Error::SqliteFailure(ffi::Error::new(code), None)) }
}

/// Asks the file of a connection; one that is not of this crate leaves the question as it is.
fn ask(connection: &Connection, question: &mut Question) {
    // SAFETY: the handle is valid while the connection is, and the argument of this code is a question, which nobody else
    // uses meanwhile. Other file systems do not know the code and do not look at the argument.
    unsafe {
        sqlite3_file_control(connection.handle(), c"main".as_ptr(), ASK, std::ptr::from_mut(question).cast());
    }
}

/// What was noticed of the file that a connection has open; none if it was not opened with [`NAME`](crate::NAME).
pub fn damage_of(connection: &Connection) -> Option<Arc<PageDamage>> {
    let mut question = Question::default();
    ask(connection, &mut question);
    question.damage
}

/// Whether the file that a connection has open has checksums.
pub fn has_checksums(connection: &Connection) -> bool {
    let mut question = Question::default();
    ask(connection, &mut question);
    matches!(question.format, Some(Format::Checksummed { .. }))
}

/// Whether the header of the file that a connection has open and its pages contradict each other on whether they have
/// checksums: whatever is believed, SQLite would take something else for their content than what is.
pub fn is_contradictory(connection: &Connection) -> bool {
    let mut question = Question::default();
    ask(connection, &mut question);
    question.format == Some(Format::Contradictory)
}

/// Reads every page of the file, also those that are free; none if it has no checksums. The connection must be able to
/// write, and be in no transaction: where a page seems damaged, the log is folded into the file before the page is looked at
/// again.
pub fn check_pages(connection: &Connection) -> Result<Option<PageCheck>, Error> {
    // Whether there are checksums is known from the first page, which a new file's connection has not seen yet.
    connection.query_row("SELECT COUNT(*) FROM sqlite_schema", [], |_| Ok(()))?;
    let mut question = Question::default();
    ask(connection, &mut question);
    let Some(Format::Checksummed { page_size }) = question.format else { return Ok(None) };
    if page_size == 0 {
        return Ok(None);
    }
    result(question.code)?;
    let pages = u64::try_from(question.size).unwrap_or_default() / page_size as u64;
    let mut check = PageCheck { pages, ..PageCheck::default() };
    let at_once = (CHUNK / page_size) as u64;
    let mut suspects = Vec::new();
    let mut first = 0;
    while first < pages {
        let count = at_once.min(pages - first);
        read_pages(connection, &mut question, page_size, first, count)?;
        for (page, number) in question.content.chunks_exact(page_size).zip(first + 1..) {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            if !fits(page, number) {
                suspects.push(number);
            }
        }
        first += count;
    }
    for _ in 0..LOOKS {
        if suspects.is_empty() {
            break;
        }
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
        check.damaged.clear();
        check.holes.clear();
        for number in std::mem::take(&mut suspects) {
            read_pages(connection, &mut question, page_size, u64::from(number) - 1, 1)?;
            if is_hole(&question.content) {
                check.holes.push(number);
            } else if !fits(&question.content, number) {
                check.damaged.push(number);
            } else {
                continue;
            }
            suspects.push(number);
        }
    }
    Ok(Some(check))
}

fn read_pages(
    connection: &Connection,
    question: &mut Question,
    page_size: usize,
    first: u64,
    count: u64,
) -> Result<(), Error> {
    question.content.resize(page_size * count as usize, 0);
    question.offset = i64::try_from(first * page_size as u64).unwrap_or(i64::MAX);
    ask(connection, question);
    result(question.code)
}
