//! The checksum of one page: CRC-64/NVME of all before it, mixed with the page's number, so that a page that was written to
//! another's place does not fit either.

use crc_fast::CrcAlgorithm;

/// Bytes at the end of each page that hold the checksum, as the header of the file says.
pub const RESERVED_BYTES: u8 = 8;

const LENGTH: usize = RESERVED_BYTES as usize;

/// CRC-64/NVME's, for the lowest bit of each byte first.
const POLYNOMIAL: u64 = 0x9a6c_9329_ac4b_c9b5;

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

/// The one bit of the first `within` bytes of a page that has to be flipped for its checksum to fit, counted from the lowest
/// one of the first byte; none if it fits as it is, or if more is wrong.
///
/// A flipped bit changes a CRC in a way that depends on its distance from the end alone, and no two do it in the same one:
/// their distance would have to be a multiple of the polynomial's order, which is far beyond the length of a page.
pub(crate) fn wrong_bit(page: &[u8], number: u32, within: usize) -> Option<usize> {
    let (content, checksum) = page.split_last_chunk::<LENGTH>()?;
    let difference = u64::from_be_bytes(of(content, number)) ^ u64::from_be_bytes(*checksum);
    let mut effect = POLYNOMIAL;
    for bit in (0..content.len() * 8).rev() {
        if bit < within * 8 && effect == difference {
            return Some(bit);
        }
        effect = (effect >> 1) ^ if effect & 1 == 1 { POLYNOMIAL } else { 0 };
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
    fn the_flipped_bit_is_known() {
        for length in [512, 4096, 65_536] {
            let mut page: Vec<u8> = (0..length).map(|at| (at * 7 % 251) as u8).collect();
            put(&mut page, 3);
            assert_eq!(wrong_bit(&page, 3, length), None, "nothing is wrong");
            for bit in (0..800).step_by(if length > 4096 { 41 } else { 1 }) {
                page[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(wrong_bit(&page, 3, 100), Some(bit), "of {length} bytes");
                page[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }

    #[test]
    fn no_other_bit_is_taken_for_it() {
        let mut page: Vec<u8> = (0..512_usize).map(|at| (at * 7 % 251) as u8).collect();
        put(&mut page, 1);
        for bit in 800..page.len() * 8 {
            page[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(wrong_bit(&page, 1, 100), None, "bit {bit} is not among the first");
            page[160 / 8] ^= 1;
            assert_eq!(wrong_bit(&page, 1, 100), None, "bit {bit} and another");
            page[160 / 8] ^= 1;
            page[bit / 8] ^= 1 << (bit % 8);
        }
        assert_eq!(wrong_bit(&page, 2, 100), None, "a page in another's place");
        assert_eq!(wrong_bit(&page[..7], 1, 100), None, "no page");
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
