//! A database's real file, for looks at it beside what SQLite asks for.

use std::ffi::c_int;

use rusqlite::ffi::{SQLITE_OK, sqlite3_file, sqlite3_io_methods};

/// What can be read of a file. (Tests have one in memory.)
pub(crate) trait Disk {
    /// So many bytes from there on; none if they are not all to be had.
    fn read(&self, offset: u64, length: usize) -> Option<Vec<u8>>;

    /// How long the file is; 0 if that cannot be told.
    fn size(&self) -> u64;
}

/// A file that the real file system has opened.
pub(crate) struct RealFile {
    file: *mut sqlite3_file,
    methods: *const sqlite3_io_methods,
}

impl RealFile {
    /// # Safety
    ///
    /// `file` must be open and `methods` the table that the real file system gave it, both for as long as this is used, and
    /// nobody else may use the file meanwhile.
    pub(crate) unsafe fn new(file: *mut sqlite3_file, methods: *const sqlite3_io_methods) -> Self {
        Self { file, methods }
    }
}

impl Disk for RealFile {
    fn read(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
        let mut content = vec![0_u8; length];
        let (offset, length) = (i64::try_from(offset).ok()?, c_int::try_from(length).ok()?);
        // SAFETY: the table is valid, as whoever made this has promised.
        let read = unsafe { (*self.methods).xRead }?;
        // SAFETY: so is the file, and the vector has so many bytes.
        let code = unsafe { read(self.file, content.as_mut_ptr().cast(), length, offset) };
        (code == SQLITE_OK).then_some(content)
    }

    fn size(&self) -> u64 {
        let mut size = 0;
        // SAFETY: the table is valid, as whoever made this has promised.
        let Some(file_size) = (unsafe { (*self.methods).xFileSize }) else { return 0 };
        // SAFETY: so is the file, and the number is written to one of ours.
        let code = unsafe { file_size(self.file, &raw mut size) };
        if code == SQLITE_OK { u64::try_from(size).unwrap_or_default() } else { 0 }
    }
}
