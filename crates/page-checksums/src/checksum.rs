//! The checksum of one page: CRC-64/NVME of all before it, mixed with the page's number, so that a page that was written to
//! another's place does not fit either.

use crc_fast::CrcAlgorithm;

/// Bytes at the end of each page that hold the checksum, as the header of the file says.
pub const RESERVED_BYTES: u8 = 8;

const LENGTH: usize = RESERVED_BYTES as usize;

fn of(content: &[u8], number: u32) -> [u8; LENGTH] {
    (crc_fast::checksum(CrcAlgorithm::Crc64Nvme, content) ^ u64::from(number)).to_be_bytes()
}

/// Puts the checksum into a page that ends with room for it.
pub(crate) fn put(page: &mut [u8], number: u32) {
    if let Some((content, checksum)) = page.split_last_chunk_mut::<LENGTH>() {
        *checksum = of(content, number);
    }
}

/// Whether a page is what was written.
pub(crate) fn fits(page: &[u8], number: u32) -> bool {
    page.split_last_chunk::<LENGTH>().is_some_and(|(content, checksum)| of(content, number) == *checksum)
}

/// The generator of the checksum, as its register has it: the lowest bit is the one that comes first.
const GENERATOR: u64 = 0x9a6c_9329_ac4b_c9b5;

/// The bit, counted from the lowest of the page's first byte, without whose flipping the checksum would fit; none if it fits
/// or if more than one bit is wrong. Whatever else has happened to a page passes for one flipped bit in one of 2^48 cases.
pub(crate) fn flipped_bit(page: &[u8], number: u32) -> Option<usize> {
    let (content, checksum) = page.split_last_chunk::<LENGTH>()?;
    let difference = u64::from_be_bytes(of(content, number)) ^ u64::from_be_bytes(*checksum);
    if difference == 0 {
        return None;
    }
    if difference.is_power_of_two() {
        let bit = difference.trailing_zeros() as usize;
        return Some((page.len() - 1 - bit / 8) * 8 + bit % 8);
    }
    // The checksum is linear: what a flipped bit changes in it depends on how much comes after that bit, and on nothing else.
    let mut of_bit = GENERATOR;
    for at in (0..content.len() * 8).rev() {
        if of_bit == difference {
            return Some(at);
        }
        of_bit = (of_bit >> 1) ^ if of_bit & 1 == 1 { GENERATOR } else { 0 };
    }
    None
}

/// Whether a page was never written: SQLite leaves holes where a page was taken and given back at once.
pub(crate) fn is_hole(page: &[u8]) -> bool {
    page.iter().all(|byte| *byte == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_flipped_bit_shows() {
        let mut page: Vec<u8> = (0..512_usize).map(|at| (at * 7 % 251) as u8).collect();
        put(&mut page, 5);
        assert!(fits(&page, 5));
        assert!(!fits(&page, 6), "a page in another's place");
        for bit in 0..page.len() * 8 {
            page[bit / 8] ^= 1 << (bit % 8);
            assert!(!fits(&page, 5), "bit {bit}");
            page[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn a_flipped_bit_is_found_and_two_are_not() {
        let mut page: Vec<u8> = (0..512_usize).map(|at| (at * 7 % 251) as u8).collect();
        put(&mut page, 5);
        assert_eq!(flipped_bit(&page, 5), None, "it fits");
        for bit in 0..page.len() * 8 {
            page[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(flipped_bit(&page, 5), Some(bit));
            let other = (bit * 31 + 7) % (page.len() * 8);
            if other != bit {
                page[other / 8] ^= 1 << (other % 8);
                assert_eq!(flipped_bit(&page, 5), None, "bits {bit} and {other}");
                page[other / 8] ^= 1 << (other % 8);
            }
            page[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(flipped_bit(&page, 6), None, "a page in another's place");
        assert_eq!(flipped_bit(&[0; 512], 1), None, "a hole");
    }

    #[test]
    fn every_bit_of_a_page_shows_in_its_own_way() {
        let mut seen = std::collections::BTreeSet::new();
        let mut of_bit = GENERATOR;
        for _ in 0..(65_536 - LENGTH) * 8 {
            assert!(seen.insert(of_bit) && !of_bit.is_power_of_two());
            of_bit = (of_bit >> 1) ^ if of_bit & 1 == 1 { GENERATOR } else { 0 };
        }
    }

    #[test]
    fn it_is_the_published_checksum() {
        // CRC-64/NVME's check value, of the digits 1 to 9.
        let mut page = b"12345678900000000".to_vec();
        page[9..].fill(0);
        put(&mut page, 0);
        assert_eq!(page[9..], 0xae8b_1486_0a79_9888_u64.to_be_bytes());
    }

    #[test]
    fn a_hole_is_no_page() {
        assert!(is_hole(&[0; 512]));
        assert!(!fits(&[0; 512], 1));
    }
}
