//! Whether a database has checksums, and how long its pages are: what the header of its file says, or should say.

use crate::checksum::{RESERVED_BYTES, fits, flipped_bit, is_hole};
use crate::disk::Disk;

/// The first bytes of a file that say this.
pub(crate) const HEADER: usize = 100;

const MAGIC: &[u8] = b"SQLite format 3\0";
const PAGE_SIZE_AT: usize = 16;
const RESERVED_AT: usize = 20;
pub(crate) const SMALLEST_PAGE: usize = 512;
pub(crate) const LARGEST_PAGE: usize = 65_536;

/// Pages that are looked at, spread over the file, where the header denies that there are checksums.
const SAMPLE: u64 = 64;

/// What is known of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Its first page was not seen yet.
    Unknown,
    /// It has no checksums.
    Plain,
    /// It has them, in pages of so many bytes; 0 until the first page was seen.
    Checksummed { page_size: usize },
    /// Its header denies it, some pages have them, and most have not; or it has other bytes at the end of its pages.
    Contradictory,
}

impl Format {
    /// What the first page says of the file; none if it is no first page of a database.
    pub(crate) fn of_first_page(page: &[u8]) -> Option<Self> {
        let page_size = page_size(page)?;
        Some(match *page.get(RESERVED_AT)? {
            RESERVED_BYTES => Self::Checksummed { page_size },
            0 => Self::Plain,
            _ => Self::Contradictory,
        })
    }

    /// What a file is, also if its header is damaged.
    pub(crate) fn of_file(disk: &impl Disk) -> Self {
        let Some(header) = disk.read(0, HEADER) else { return Self::Unknown };
        let said = Self::of_first_page(&header);
        if let Some(Self::Checksummed { page_size }) = said {
            return Self::Checksummed { page_size };
        }
        let said_size = page_size(&header);
        if let Some(page_size) = page_sizes(said_size).find(|page_size| is_one_bit_from_it(disk, *page_size)) {
            return Self::Checksummed { page_size };
        }
        let (Some(said), Some(page_size)) = (said, said_size) else { return Self::Unknown };
        let (looked, fitting) = sample(disk, page_size);
        match fitting {
            0 => said,
            _ if fitting * 2 > looked => Self::Checksummed { page_size },
            _ => Self::Contradictory,
        }
    }
}

/// The sizes that pages may have: those that the header says, if it says one.
fn page_sizes(said: Option<usize>) -> impl Iterator<Item = usize> {
    let sizes = (SMALLEST_PAGE.ilog2()..=LARGEST_PAGE.ilog2()).map(|power| 1 << power);
    sizes.filter(move |size| said.is_none_or(|said| said == *size))
}

/// Whether a flipped bit in the header is all by which a file is none with checksums and pages of this size.
fn is_one_bit_from_it(disk: &impl Disk, page_size: usize) -> bool {
    let Some(mut page) = disk.read(0, page_size) else { return false };
    put_right(&mut page) && Format::of_first_page(&page) == Some(Format::Checksummed { page_size })
}

/// How many pages after the first were looked at, and how many of them have a checksum that fits.
fn sample(disk: &impl Disk, page_size: usize) -> (u64, u64) {
    let others = (disk.size() / page_size as u64).saturating_sub(1);
    let count = others.min(SAMPLE);
    let (mut looked, mut fitting) = (0, 0);
    for index in (0..count).map(|step| 1 + step * others / count) {
        let Some(page) = disk.read(index * page_size as u64, page_size) else { continue };
        if is_hole(&page) {
            continue;
        }
        looked += 1;
        fitting += u64::from(u32::try_from(index + 1).is_ok_and(|number| fits(&page, number)));
    }
    (looked, fitting)
}

/// Flips the bit in the header of a first page that alone is wrong; `false` if there is none such.
pub(crate) fn put_right(page: &mut [u8]) -> bool {
    let Some(bit) = flipped_bit(page, 1).filter(|bit| bit / 8 < HEADER) else { return false };
    page[bit / 8] ^= 1 << (bit % 8);
    true
}

/// Whether a first page says that pages have checksums.
pub(crate) fn says_so(page: &[u8]) -> bool {
    page.get(RESERVED_AT) == Some(&RESERVED_BYTES)
}

/// Makes a first page say that pages have checksums.
pub(crate) fn say_so(page: &mut [u8]) {
    if let Some(reserved) = page.get_mut(RESERVED_AT) {
        *reserved = RESERVED_BYTES;
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checksum::put;

    struct InMemory(Vec<u8>);

    impl Disk for InMemory {
        fn read(&self, offset: u64, length: usize) -> Option<Vec<u8>> {
            self.0.get(offset as usize..).and_then(|rest| rest.get(..length)).map(<[u8]>::to_vec)
        }

        fn size(&self) -> u64 {
            self.0.len() as u64
        }
    }

    fn first_page(size: [u8; 2], reserved: u8, length: usize) -> Vec<u8> {
        let mut page = vec![0; length];
        page[..16].copy_from_slice(MAGIC);
        page[16..18].copy_from_slice(&size);
        page[20] = reserved;
        page
    }

    /// A file of so many pages, with checksums in those that are asked for.
    fn file(page_size: usize, pages: u32, reserved: u8, has_checksum: impl Fn(u32) -> bool) -> InMemory {
        let size = if page_size == LARGEST_PAGE { 1 } else { page_size as u16 };
        let mut content = first_page(size.to_be_bytes(), reserved, page_size * pages as usize);
        for (page, number) in content.chunks_exact_mut(page_size).zip(1..) {
            page[page_size / 2..].fill(number as u8 | 1);
            if has_checksum(number) {
                put(page, number);
            }
        }
        InMemory(content)
    }

    #[test]
    fn headers() {
        let cases = [
            ("with", first_page([16, 0], 8, 4096), Some(Format::Checksummed { page_size: 4096 })),
            ("the largest", first_page([0, 1], 8, 100), Some(Format::Checksummed { page_size: 65_536 })),
            ("without", first_page([16, 0], 0, 4096), Some(Format::Plain)),
            ("other bytes are reserved", first_page([16, 0], 12, 4096), Some(Format::Contradictory)),
            ("no size", first_page([16, 1], 8, 4096), None),
            ("no database", vec![0; 4096], None),
            ("cut off", first_page([16, 0], 8, 4096)[..17].to_vec(), None),
        ];
        for (name, page, expected) in cases {
            assert_eq!(Format::of_first_page(&page), expected, "{name}");
        }
    }

    #[test]
    fn any_bit_of_the_header_may_be_the_damaged_one() {
        for page_size in [512, 1024, 4096, 32_768, 65_536] {
            let mut file = file(page_size, 3, 8, |_| true);
            for bit in (0..HEADER * 8).step_by(if page_size > 4096 { 41 } else { 1 }) {
                file.0[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Format::of_file(&file), Format::Checksummed { page_size }, "bit {bit}");
                let mut page = file.0[..page_size].to_vec();
                assert!(put_right(&mut page) && fits(&page, 1), "bit {bit}");
                file.0[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn other_pages_know_better_than_a_first_one_with_more_damage() {
        let checksummed = Format::Checksummed { page_size: 512 };
        for reserved in [0, 9, 10, 12, 40, 72, 136] {
            for pages in [2, 3, 64, 65, 66, 1000] {
                let mut file = file(512, pages, reserved, |_| true);
                // What was put into the first page fits the wrong byte, or does not fit at all.
                assert_eq!(Format::of_file(&file), checksummed, "{reserved}, {pages} pages");
                file.0[200] ^= 1;
                assert_eq!(Format::of_file(&file), checksummed, "{reserved}, {pages} pages");
            }
        }
        assert_eq!(
            Format::of_file(&file(512, 1000, 0, |number| number % 3 > 0)),
            checksummed,
            "others are damaged, too"
        );
    }

    #[test]
    fn pages_that_disagree() {
        assert_eq!(Format::of_file(&file(512, 200, 0, |_| false)), Format::Plain);
        assert_eq!(Format::of_file(&file(512, 1, 0, |_| false)), Format::Plain);
        assert_eq!(Format::of_file(&file(512, 200, 12, |_| false)), Format::Contradictory);
        assert_eq!(Format::of_file(&file(512, 20, 0, |number| number == 7)), Format::Contradictory);
        assert_eq!(Format::of_file(&file(512, 200, 0, |number| number % 4 == 2)), Format::Contradictory);
        let mut holes = file(512, 20, 0, |number| number == 7);
        for number in (2..=20).filter(|number| *number != 7) {
            holes.0[512 * (number - 1)..512 * number].fill(0);
        }
        assert_eq!(Format::of_file(&holes), Format::Checksummed { page_size: 512 }, "holes say nothing");
    }

    #[test]
    fn files_that_are_no_database() {
        for content in [vec![], vec![7; 50], vec![0; 8192], vec![255; 8192], b"{}".repeat(70_000)] {
            assert_eq!(Format::of_file(&InMemory(content)), Format::Unknown);
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

    #[test]
    fn only_a_bit_of_the_header_is_put_right() {
        let mut page: Vec<u8> = (0..512_usize).map(|at| (at * 7 % 251) as u8).collect();
        put(&mut page, 1);
        assert!(!put_right(&mut page), "nothing is wrong");
        for bit in 0..page.len() * 8 {
            let mut damaged = page.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(put_right(&mut damaged), bit < HEADER * 8, "bit {bit}");
            assert_eq!(damaged == page, bit < HEADER * 8, "bit {bit}");
        }
    }
}
