//! An open database's file: SQLite's own, with checksums put in and compared on the way.
//!
//! What SQLite knows as the file is the real one; this module's state lies behind it in the same piece of memory, and the
//! file's table of functions is a copy of the real one's in which a few are replaced. All others see their own file, unchanged.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::slice;
use std::sync::Arc;

use rusqlite::ffi::{SQLITE_FCNTL_PRAGMA, SQLITE_OK, sqlite3_file, sqlite3_int64, sqlite3_io_methods};

use crate::checksum::{fits, is_hole, put};
use crate::damage::PageDamage;
use crate::disk::{Disk, RealFile};
use crate::format::{Format, HEADER, is_page, number_of, page_size, put_right, say_so, says_so};

/// The file control by which this crate asks its own files; of no meaning to any other.
pub(crate) const ASK: c_int = 0x5748_5246;

/// What the file control asks and answers.
#[derive(Default)]
pub(crate) struct Question {
    /// Bytes to read as they are, and from where: nothing is compared or noted. Empty if none are wanted.
    pub(crate) content: Vec<u8>,
    pub(crate) offset: sqlite3_int64,
    /// How the reading went.
    pub(crate) code: c_int,
    /// The pages that were noticed; none if the file is not this crate's.
    pub(crate) damage: Option<Arc<PageDamage>>,
    pub(crate) format: Option<Format>,
    pub(crate) size: sqlite3_int64,
}

/// What lies behind the real file. The table comes first: the file's pointer to it is a pointer to all of this.
#[repr(C)]
pub(crate) struct State {
    methods: sqlite3_io_methods,
    real: *const sqlite3_io_methods,
    pages: Pages,
}

/// The safe part.
struct Pages {
    format: Format,
    damage: Arc<PageDamage>,
    /// A page with its checksum: what SQLite wants written is its own.
    buffer: Vec<u8>,
}

impl Pages {
    /// Learns from what was read, and puts the header of the file right in it.
    fn have_read(&mut self, content: &mut [u8], offset: i64, disk: &impl Disk) {
        if offset == 0 && is_page(content.len()) {
            self.look_at_first_page(content, disk);
        }
        let Format::Checksummed { page_size } = self.format else { return };
        if content.len() == page_size {
            match number_of(offset, page_size) {
                Some(1) => self.mend_first_page(content, disk),
                // A hole is judged by who knows whether its page is in use.
                Some(number) if !fits(content, number) && !is_hole(content) => self.damage.notice(number),
                Some(_) | None => {}
            }
        } else if let Ok(offset) = usize::try_from(offset)
            && offset < HEADER
            && content.len() < page_size
        {
            self.mend_header(content, offset, page_size, disk);
        }
    }

    /// A first page that was read. One that takes back what is known of the file is not believed.
    fn look_at_first_page(&mut self, page: &[u8], disk: &impl Disk) {
        if page_size(page) != Some(page.len()) {
            return;
        }
        let said = match self.format {
            Format::Unknown => Some(Format::of_file(disk)),
            _ => Format::of_first_page(page),
        };
        match (self.format, said) {
            (Format::Unknown, Some(format)) | (_, Some(format @ Format::Checksummed { .. })) => self.format = format,
            _ => {}
        }
    }

    /// Gives SQLite the header that was written, where it can be told, and what else is in the page as it is.
    fn mend_first_page(&mut self, page: &mut [u8], disk: &impl Disk) {
        if is_hole(page) {
            return;
        }
        if !fits(page, 1) {
            self.damage.notice(1);
            put_right(page);
        }
        self.keep_saying_so(page, disk);
    }

    /// The same for a part of the header, which SQLite reads by itself, and where it holds no lock.
    fn mend_header(&mut self, part: &mut [u8], offset: usize, page_size: usize, disk: &impl Disk) {
        let Some(mut page) = disk.read(0, page_size).filter(|page| !is_hole(page)) else { return };
        // A page that does not fit otherwise may be being written.
        if !fits(&page, 1) && put_right(&mut page) {
            self.damage.notice(1);
        }
        if self.keep_saying_so(&mut page, disk) {
            let end = HEADER.min(offset + part.len());
            part[..end - offset].copy_from_slice(&page[offset..end]);
        }
    }

    /// With the wrong length for the content of pages SQLite would use the bytes that checksums are put into. `false` if the
    /// file has none any more.
    fn keep_saying_so(&mut self, page: &mut [u8], disk: &impl Disk) -> bool {
        if says_so(page) {
            return true;
        }
        let format = Format::of_file(disk);
        if matches!(format, Format::Checksummed { .. }) {
            self.damage.notice(1);
            say_so(page);
            return true;
        }
        self.format = format;
        false
    }

    /// What is to be written in the place of this; none if that is to be written as it is.
    fn with_checksum(&mut self, content: &[u8], offset: i64) -> Option<&[u8]> {
        // What SQLite writes there is what it goes by.
        if offset == 0
            && is_page(content.len())
            && page_size(content) == Some(content.len())
            && let Some(format) = Format::of_first_page(content)
        {
            self.format = format;
        }
        if !matches!(self.format, Format::Checksummed { .. }) || !is_page(content.len()) {
            return None;
        }
        let number = number_of(offset, content.len())?;
        self.buffer.clear();
        self.buffer.extend_from_slice(content);
        put(&mut self.buffer, number);
        Some(&self.buffer)
    }

    fn have_written(&self, length: usize, offset: i64) {
        if let Some(number) = number_of(offset, length) {
            self.damage.written(number);
        }
    }

    fn has_pages(&self) -> bool {
        matches!(self.format, Format::Checksummed { page_size } if page_size > 0)
    }
}

/// Takes over a file that the real file system has opened.
///
/// # Safety
///
/// `file` must be open, and `state` room for a [`State`] that lives as long as the file and that nobody else uses.
pub(crate) unsafe fn take_over(file: *mut sqlite3_file, state: *mut State, format: Format, damage: Arc<PageDamage>) {
    // SAFETY: an open file has a table of functions, which lives as long as the file system.
    let (real, mut methods) = unsafe { ((*file).pMethods, *(*file).pMethods) };
    // Version 2 has no memory mapping: what is read must come through `read`.
    methods.iVersion = methods.iVersion.min(2);
    methods.xClose = Some(close);
    methods.xRead = Some(read);
    methods.xWrite = Some(write);
    methods.xFileControl = Some(file_control);
    let pages = Pages { format, damage, buffer: Vec::new() };
    // SAFETY: the caller gives room for it.
    unsafe { state.write(State { methods, real, pages }) };
    // SAFETY: both are valid, and the table stays where it is until `close` has taken it away from the file again.
    unsafe { (*file).pMethods = state.cast_const().cast() };
}

/// The state of a file.
///
/// # Safety
///
/// `file` must have been taken over, and not closed since.
unsafe fn state_of(file: *mut sqlite3_file) -> *mut State {
    // SAFETY: the file is valid; its table was set by `take_over` and is the first field of its state.
    unsafe { (*file).pMethods.cast::<State>().cast_mut() }
}

/// SQLite's calls below come with a file that this module has taken over, as no other has these functions, and one at a
/// time for each file: a connection's use of its file is never concurrent. The real functions are those of the real table,
/// called with the real file, and know nothing of this module.
unsafe extern "C" fn close(file: *mut sqlite3_file) -> c_int {
    // SAFETY: the file is taken over; see above.
    let state = unsafe { state_of(file) };
    // SAFETY: the state is read out once, as the file has the real table again before anything else is done with it.
    let State { real, pages, methods: _ } = unsafe { state.read() };
    drop(pages);
    // SAFETY: the file and its real table are valid until the real function returns.
    unsafe {
        (*file).pMethods = real;
        (*real).xClose.map_or(SQLITE_OK, |close| close(file))
    }
}

/// Reads from the real file.
///
/// # Safety
///
/// As for `state_of`; `content` must have room for `length` bytes.
unsafe fn read_real(file: *mut sqlite3_file, content: *mut c_void, length: c_int, offset: sqlite3_int64) -> c_int {
    // SAFETY: the file is taken over, and its real table valid.
    let read = unsafe { (*(*state_of(file)).real).xRead };
    // SAFETY: the caller gives the room.
    read.map_or(rusqlite::ffi::SQLITE_IOERR_READ, |read| unsafe { read(file, content, length, offset) })
}

/// See [`close`].
unsafe extern "C" fn read(
    file: *mut sqlite3_file,
    content: *mut c_void,
    length: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: SQLite gives a file of ours and room for so many bytes.
    let code = unsafe { read_real(file, content, length, offset) };
    if code == SQLITE_OK && length > 0 {
        // SAFETY: the real function has filled so many bytes, which are ours until this returns.
        let content = unsafe { slice::from_raw_parts_mut(content.cast::<u8>(), length as usize) };
        // SAFETY: the file is taken over, so its state is valid and used by this call alone.
        let State { real, pages, .. } = unsafe { &mut *state_of(file) };
        // SAFETY: the file is open with this table, and used by this call alone; the real functions do not look at our state.
        let disk = unsafe { RealFile::new(file, *real) };
        pages.have_read(content, offset, &disk);
    }
    code
}

/// See [`close`].
unsafe extern "C" fn write(
    file: *mut sqlite3_file,
    content: *const c_void,
    length: c_int,
    offset: sqlite3_int64,
) -> c_int {
    // SAFETY: the file is taken over, so its state is valid and used by this call alone.
    let State { real, pages, .. } = unsafe { &mut *state_of(file) };
    // SAFETY: the real table is valid.
    let Some(write) = (unsafe { (**real).xWrite }) else { return rusqlite::ffi::SQLITE_IOERR_WRITE };
    // SAFETY: SQLite gives so many bytes, which nobody changes before this returns.
    let given = unsafe { slice::from_raw_parts(content.cast::<u8>(), usize::try_from(length).unwrap_or_default()) };
    let written = pages.with_checksum(given, offset).map_or(content, |page| page.as_ptr().cast());
    // SAFETY: either is of this length: the page is a copy of what was given. The real function does not look at our state.
    let code = unsafe { write(file, written, length, offset) };
    if code == SQLITE_OK {
        pages.have_written(given.len(), offset);
    }
    code
}

/// See [`close`].
unsafe extern "C" fn file_control(file: *mut sqlite3_file, code: c_int, argument: *mut c_void) -> c_int {
    if code == ASK {
        // SAFETY: nobody but this crate knows this code, and it always gives a question.
        let question = unsafe { &mut *argument.cast::<Question>() };
        // SAFETY: the file is taken over.
        unsafe { answer(file, question) };
        return SQLITE_OK;
    }
    // SAFETY: the state is valid, and used by this call alone; with this code SQLite gives the words of a PRAGMA.
    if code == SQLITE_FCNTL_PRAGMA && unsafe { (*state_of(file)).pages.has_pages() && is_page_size(argument.cast()) } {
        // Done, by doing nothing.
        return SQLITE_OK;
    }
    // SAFETY: the file is taken over, its real table is valid, and the argument is what SQLite gives for the code.
    unsafe {
        let control = (*(*state_of(file)).real).xFileControl;
        control.map_or(rusqlite::ffi::SQLITE_NOTFOUND, |control| control(file, code, argument))
    }
}

/// Whether a PRAGMA asks for pages of another size: `VACUUM` would then write them in pieces.
///
/// # Safety
///
/// `words` must be three pointers, of which the second and third are C strings or null.
unsafe fn is_page_size(words: *const *const c_char) -> bool {
    // SAFETY: the caller gives three.
    let (name, value) = unsafe { (*words.add(1), *words.add(2)) };
    // SAFETY: a name that is not null is a C string.
    !value.is_null() && !name.is_null() && unsafe { CStr::from_ptr(name) }.to_bytes().eq_ignore_ascii_case(b"page_size")
}

/// # Safety
///
/// As for `state_of`.
unsafe fn answer(file: *mut sqlite3_file, question: &mut Question) {
    // SAFETY: the state is valid, and used by this call alone.
    let State { real, pages, .. } = unsafe { &*state_of(file) };
    question.damage = Some(Arc::clone(&pages.damage));
    question.format = Some(pages.format);
    // SAFETY: the real table is valid, and the size is written to what is valid.
    if let Some(file_size) = unsafe { (**real).xFileSize } {
        // SAFETY: as above.
        question.code = unsafe { file_size(file, &raw mut question.size) };
    }
    if question.code == SQLITE_OK && !question.content.is_empty() {
        let length = question.content.len() as c_int;
        // SAFETY: the vector has so many bytes.
        question.code = unsafe { read_real(file, question.content.as_mut_ptr().cast(), length, question.offset) };
    }
}
