//! The pages of a database's file without SQLite, which may not be able to read it: which are damaged, and putting back a bit
//! that was flipped.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use crate::checksum::{fits, flipped_bit, is_hole};
use crate::format::{LARGEST_PAGE, SMALLEST_PAGE, page_size, says_so};
use crate::look::PageCheck;

/// Pages whose checksums tell how long pages are, where the header does not.
const PROBED: u32 = 16;

/// A file whose pages have checksums. Nobody else in this process may have it open: closing it takes SQLite's locks away.
pub struct RawPages {
    path: PathBuf,
    file: File,
    page_size: usize,
    pages: u32,
}

impl RawPages {
    /// Of the file at `path`; none if there is no database, or one without checksums. What its header says is believed only
    /// where no page contradicts it.
    pub fn open(path: &Path) -> io::Result<Option<Self>> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let length = file.metadata()?.len();
        let mut header = vec![0; LARGEST_PAGE.min(usize::try_from(length).unwrap_or(LARGEST_PAGE))];
        file.read_exact_at(&mut header, 0)?;
        let said = page_size(&header);
        let sizes = said.into_iter().chain((SMALLEST_PAGE.ilog2()..=LARGEST_PAGE.ilog2()).map(|bits| 1 << bits));
        let mut pages = Self { path: path.to_owned(), file, page_size: 0, pages: 0 };
        for page_size in sizes {
            pages.page_size = page_size;
            pages.pages = u32::try_from(length / page_size as u64).unwrap_or(u32::MAX);
            if pages.has_checksums()? {
                return Ok(Some(pages));
            }
        }
        let Some(page_size) = said.filter(|_| says_so(&header)) else { return Ok(None) };
        pages.page_size = page_size;
        pages.pages = u32::try_from(length / page_size as u64).unwrap_or(u32::MAX);
        Ok(Some(pages))
    }

    /// Whether the header says how long the pages are, and that they have checksums. Where it does not, SQLite would take
    /// checksums for content.
    pub fn is_said(&self) -> io::Result<bool> {
        let header = self.page(1)?;
        Ok(page_size(&header) == Some(self.page_size) && says_so(&header))
    }

    /// Whether some page has one that fits, if pages are so long.
    fn has_checksums(&self) -> io::Result<bool> {
        for number in 1..=self.pages.min(PROBED) {
            let page = self.page(number)?;
            if fits(&page, number) || (number == 1 && flipped_bit(&page, number).is_some()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn page(&self, number: u32) -> io::Result<Vec<u8>> {
        let mut page = vec![0; self.page_size];
        self.file.read_exact_at(&mut page, self.offset(number))?;
        Ok(page)
    }

    fn offset(&self, number: u32) -> u64 {
        u64::from(number - 1) * self.page_size as u64
    }

    /// Looks at every page.
    pub fn check(&self) -> io::Result<PageCheck> {
        let mut check = PageCheck { pages: self.pages.into(), ..PageCheck::default() };
        for number in 1..=self.pages {
            let page = self.page(number)?;
            if is_hole(&page) {
                check.holes.push(number);
            } else if !fits(&page, number) {
                check.damaged.push(number);
            }
        }
        Ok(check)
    }

    /// Whether nothing is wrong with a page but that one bit of it was flipped.
    pub fn has_flipped_bit(&self, number: u32) -> io::Result<bool> {
        Ok((1..=self.pages).contains(&number) && flipped_bit(&self.page(number)?, number).is_some())
    }

    /// Puts back the one bit of a page that was flipped, durably; `false` if something else is wrong, or nothing.
    pub fn mend(&self, number: u32) -> io::Result<bool> {
        if !(1..=self.pages).contains(&number) {
            return Ok(false);
        }
        let mut page = self.page(number)?;
        let Some(bit) = flipped_bit(&page, number) else { return Ok(false) };
        page[bit / 8] ^= 1 << (bit % 8);
        if !fits(&page, number) {
            return Ok(false);
        }
        let file = OpenOptions::new().write(true).open(&self.path)?;
        file.write_all_at(&page[bit / 8..=bit / 8], self.offset(number) + bit as u64 / 8)?;
        file.sync_all()?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::{Connection, OpenFlags};

    use super::*;

    fn database(path: &Path) -> Vec<u8> {
        crate::register().expect("registered");
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = Connection::open_with_flags_and_vfs(path, flags, crate::NAME).expect("opened");
        crate::request_checksums(&connection).expect("asked");
        for table in 0..60 {
            let sql = format!("CREATE TABLE table_{table} (id INTEGER PRIMARY KEY, content TEXT NOT NULL)");
            connection.execute_batch(&sql).expect("made");
        }
        drop(connection);
        std::fs::read(path).expect("read")
    }

    #[test]
    fn flipped_bits_of_the_header_are_put_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("wharf.db");
        let content = database(&path);
        for bit in (0..110 * 8).step_by(5) {
            let mut damaged = content.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &damaged).expect("written");
            let pages = RawPages::open(&path).expect("read").unwrap_or_else(|| panic!("bit {bit}: no pages"));
            assert_eq!(pages.check().expect("read").damaged, [1], "bit {bit}");
            assert!(pages.has_flipped_bit(1).expect("read") && pages.mend(1).expect("written"), "bit {bit}");
            assert_eq!(std::fs::read(&path).expect("read"), content, "bit {bit}");
            assert!(!pages.mend(1).expect("read"), "bit {bit}: nothing is left to do");
        }
    }

    #[test]
    fn more_than_a_bit_is_found_and_left() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("wharf.db");
        let mut content = database(&path);
        content[20..32].fill(0xff);
        content[4096 + 7] ^= 3;
        std::fs::write(&path, &content).expect("written");
        let pages = RawPages::open(&path).expect("read").expect("other pages tell");
        assert_eq!(pages.check().expect("read").damaged, [1, 2]);
        assert!(!pages.is_said().expect("read"));
        assert!(
            !pages.mend(1).expect("read") && !pages.mend(2).expect("read") && !pages.mend(1_000_000).expect("read")
        );
        assert_eq!(std::fs::read(&path).expect("read"), content);
    }

    #[test]
    fn what_has_no_checksums() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("plain.db");
        assert!(RawPages::open(&path).expect("no file").is_none());
        std::fs::write(&path, "").expect("written");
        assert!(RawPages::open(&path).expect("read").is_none(), "an empty file");
        let connection = Connection::open(&path).expect("opened");
        connection.execute_batch("CREATE TABLE t (a); INSERT INTO t VALUES (1)").expect("made");
        drop(connection);
        assert!(RawPages::open(&path).expect("read").is_none(), "a plain database");
    }
}
