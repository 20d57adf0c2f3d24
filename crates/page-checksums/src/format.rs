//! Whether a database has checksums, and how long its pages are: what the header of its file says.

use crate::checksum::{RESERVED_BYTES, fits};

/// The first bytes of a file that say this.
pub(crate) const HEADER: usize = 100;

const MAGIC: &[u8] = b"SQLite format 3\0";
const PAGE_SIZE_AT: usize = 16;
const RESERVED_AT: usize = 20;
pub(crate) const SMALLEST_PAGE: usize = 512;
pub(crate) const LARGEST_PAGE: usize = 65_536;

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Its first page was not seen yet.
    Unknown,
    /// It has no checksums.
    Plain,
    /// It has them, in pages of so many bytes; 0 until the first page was seen.
    Checksummed { page_size: usize },
}

impl Format {
    /// What the first page says of the file; none if it is no first page of a database.
    pub(crate) fn of_first_page(page: &[u8]) -> Option<Self> {
        let page_size = page_size(page)?;
        let has = says_checksums(page) || (page.len() == page_size && fits_if_said(page));
        Some(if has { Self::Checksummed { page_size } } else { Self::Plain })
    }
}

/// Whether a header says that there are checksums.
pub(crate) fn says_checksums(header: &[u8]) -> bool {
    header.get(RESERVED_AT) == Some(&RESERVED_BYTES)
}

/// The length of a page by the header of the file; none if it is no header.
pub(crate) fn page_size(header: &[u8]) -> Option<usize> {
    let [high, low] = *header.get(PAGE_SIZE_AT..)?.first_chunk()?;
    let page_size = match u16::from_be_bytes([high, low]) {
        1 => LARGEST_PAGE,
        other => usize::from(other),
    };
    (header.starts_with(MAGIC) && is_page(page_size)).then_some(page_size)
}

/// Whether something of this length may be a page.
pub(crate) const fn is_page(length: usize) -> bool {
    length >= SMALLEST_PAGE && length <= LARGEST_PAGE && length.is_power_of_two()
}

/// The number of the page that begins at `offset` and has this length; none if no page does.
pub(crate) fn number_of(offset: i64, length: usize) -> Option<u32> {
    let (offset, length) = (u64::try_from(offset).ok()?, length as u64);
    (length > 0 && offset.is_multiple_of(length)).then(|| u32::try_from(offset / length + 1).ok()).flatten()
}

/// Whether the byte that says that there are checksums is what was damaged.
fn fits_if_said(page: &[u8]) -> bool {
    let mut page = page.to_vec();
    if let Some(reserved) = page.get_mut(RESERVED_AT) {
        *reserved = RESERVED_BYTES;
    }
    fits(&page, 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::put;

    fn first_page(size: [u8; 2], reserved: u8, length: usize) -> Vec<u8> {
        let mut page = vec![0; length];
        page[..16].copy_from_slice(MAGIC);
        page[16..18].copy_from_slice(&size);
        page[20] = reserved;
        page
    }

    #[test]
    fn headers() {
        let cases = [
            ("with", first_page([16, 0], 8, 4096), Some(Format::Checksummed { page_size: 4096 })),
            ("the largest", first_page([0, 1], 8, 100), Some(Format::Checksummed { page_size: 65_536 })),
            ("without", first_page([16, 0], 0, 4096), Some(Format::Plain)),
            ("other bytes are reserved", first_page([16, 0], 12, 4096), Some(Format::Plain)),
            ("no size", first_page([16, 1], 8, 4096), None),
            ("no database", vec![0; 4096], None),
            ("cut off", first_page([16, 0], 8, 4096)[..17].to_vec(), None),
        ];
        for (name, page, expected) in cases {
            assert_eq!(Format::of_first_page(&page), expected, "{name}");
        }
    }

    #[test]
    fn the_byte_that_says_so_may_be_the_damaged_one() {
        let mut page = first_page([2, 0], 8, 512);
        put(&mut page, 1);
        for bit in 0..8 {
            page[20] = 8 ^ (1 << bit);
            assert_eq!(Format::of_first_page(&page), Some(Format::Checksummed { page_size: 512 }), "bit {bit}");
        }
    }

    #[test]
    fn numbers() {
        assert_eq!(number_of(0, 4096), Some(1));
        assert_eq!(number_of(8192, 4096), Some(3));
        assert_eq!(number_of(100, 4096), None);
        assert_eq!(number_of(-4096, 4096), None);
        assert_eq!(number_of(0, 0), None);
    }
}
