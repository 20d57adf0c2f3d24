//! The file system that SQLite is told of: the real one, but for how a database's file is opened.

use std::ffi::{CStr, c_char, c_int};
use std::ptr;
use std::sync::OnceLock;

use rusqlite::ffi::{
    SQLITE_ERROR, SQLITE_OK, SQLITE_OPEN_MAIN_DB, sqlite3_file, sqlite3_uri_int64, sqlite3_vfs, sqlite3_vfs_find,
    sqlite3_vfs_register,
};

use crate::checksum::RESERVED_BYTES;
use crate::damage::PageDamage;
use crate::disk::{Disk as _, RealFile};
use crate::file::{State, take_over};
use crate::format::{Format, HEADER};

/// The name by which connections ask for it.
pub const NAME: &CStr = c"wharf-pages";

/// The table that SQLite gets, and what `open` needs beside it.
#[repr(C)]
struct FileSystem {
    table: sqlite3_vfs,
    real: *mut sqlite3_vfs,
    /// Where our state is behind the real file.
    state_at: usize,
}

/// Makes the file system known to SQLite; further calls change nothing. Without it, opening with [`NAME`] fails.
pub fn register() -> Result<(), rusqlite::Error> {
    static REGISTERED: OnceLock<c_int> = OnceLock::new();
    match *REGISTERED.get_or_init(register_once) {
        SQLITE_OK => Ok(()),
        code => {
            let problem = "SQLite has no file system that page checksums could be put on".to_owned();
            Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), Some(problem)))
        }
    }
}

fn register_once() -> c_int {
    // SAFETY: a null name asks for the default one; SQLite initialises itself with the call.
    let real = unsafe { sqlite3_vfs_find(ptr::null()) };
    if real.is_null() {
        return SQLITE_ERROR;
    }
    // SAFETY: it is valid for as long as the process runs, and nobody changes it.
    let mut table = unsafe { *real };
    let state_at = usize::try_from(table.szOsFile).unwrap_or_default().next_multiple_of(align_of::<State>());
    let Ok(size) = c_int::try_from(state_at + size_of::<State>()) else { return SQLITE_ERROR };
    // All functions but `xOpen` are the real ones. Those of the Unix file system that the bundled SQLite has do not look at
    // the table that they are called with.
    table.szOsFile = size;
    table.pNext = ptr::null_mut();
    table.zName = NAME.as_ptr();
    table.xOpen = Some(open);
    // It is never given back, as SQLite may use it until the process ends.
    let ours = Box::into_raw(Box::new(FileSystem { table, real, state_at }));
    // SAFETY: the table comes first in what lives on and is not used from here any more; it does not become the default one.
    unsafe { sqlite3_vfs_register(ours.cast(), 0) }
}

/// Opens a file as the real file system does. Only a database's own is taken over; logs, journals and temporary files are
/// the real file system's from then on.
///
/// SQLite calls it with our table and with `szOsFile` bytes at `file`, aligned to eight.
unsafe extern "C" fn open(
    table: *mut sqlite3_vfs,
    name: *const c_char,
    file: *mut sqlite3_file,
    flags: c_int,
    out_flags: *mut c_int,
) -> c_int {
    // SAFETY: `open` is in our table alone, which is the first field of this and never freed.
    let FileSystem { real, state_at, .. } = unsafe { &*table.cast::<FileSystem>() };
    // SAFETY: the real one is valid, and gets what SQLite has given: the memory is longer than it needs.
    let code = unsafe { (**real).xOpen.map_or(SQLITE_ERROR, |open| open(*real, name, file, flags, out_flags)) };
    if code != SQLITE_OK || flags & SQLITE_OPEN_MAIN_DB == 0 || name.is_null() {
        return code;
    }
    // SAFETY: the file is open.
    if unsafe { (*file).pMethods.is_null() } {
        return code;
    }
    // SAFETY: SQLite's names are C strings and live as long as their file.
    let path = unsafe { CStr::from_ptr(name) };
    // SAFETY: the file is open and its table still the real one; the name is SQLite's own.
    let format = unsafe { format_of(file, name) };
    // SAFETY: SQLite has given `szOsFile` bytes, of which the state are the last ones; `state_at` is a multiple of its alignment.
    unsafe {
        let state = file.byte_add(*state_at).cast::<State>();
        take_over(file, state, format, PageDamage::of(path.to_bytes()));
    }
    code
}

/// What the file says of itself, or of one that is new, what is asked for it: `VACUUM INTO` writes pages before the first.
///
/// # Safety
///
/// `file` must be open, with the real table, and `name` what SQLite opened it by.
unsafe fn format_of(file: *mut sqlite3_file, name: *const c_char) -> Format {
    // SAFETY: the file has the real table, and nobody else has it yet.
    let disk = unsafe { RealFile::new(file, (*file).pMethods) };
    if disk.size() >= HEADER as u64 {
        return Format::of_file(&disk);
    }
    // SAFETY: the name is SQLite's own, behind which it has the parameters.
    let reserved = unsafe { sqlite3_uri_int64(name, c"reserve".as_ptr(), 0) };
    if reserved == i64::from(RESERVED_BYTES) { Format::Checksummed { page_size: 0 } } else { Format::Unknown }
}
