//! One header of a tar archive: what it says, as Go's `archive/tar` reads it, with which images are extracted.

use super::Stop;

/// Bytes of a block, of which archives are made.
pub(super) const BLOCK_BYTES: usize = 512;
/// A block.
pub(super) type Block = [u8; BLOCK_BYTES];

/// What a header says before the headers in front of it are heeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// The kind of the entry: the byte of the archive.
    pub(super) kind: u8,
    pub(super) size: u64,
    pub(super) mode: u32,
    pub(super) name: Vec<u8>,
    pub(super) link: Vec<u8>,
}

/// How the second half of a header is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    V7,
    Ustar,
    Star,
    Gnu,
}

/// A field of a block. The offsets are constants within it.
fn field(block: &Block, from: usize, length: usize) -> &[u8] {
    block.get(from..from.saturating_add(length)).unwrap_or_default()
}

/// What of a field is in front of its first zero.
fn text(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// A number in octal digits, or in binary where it would not fit; `None` where it is none or below 0.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    if let Some((first, rest)) = field.split_first()
        && first & 0x80 != 0
    {
        // The next bit is the sign.
        if first & 0x40 != 0 {
            return None;
        }
        let number = rest.iter().try_fold(u64::from(first & 0x7f), |number, byte| {
            (number >> 56 == 0).then_some(number << 8 | u64::from(*byte))
        })?;
        return (number >> 63 == 0).then_some(number);
    }
    let is_filling = |byte: &u8| *byte == b' ' || *byte == 0;
    let start = field.iter().position(|byte| !is_filling(byte)).unwrap_or(field.len());
    let digits = text(field.get(start..).unwrap_or_default());
    let end = digits.iter().rposition(|byte| !is_filling(byte)).map_or(0, |last| last.saturating_add(1));
    let digits = digits.get(..end).unwrap_or_default();
    digits.iter().try_fold(0_u64, |number, digit| match digit {
        b'0'..=b'7' if number >> 60 == 0 => Some(number << 3 | u64::from(digit & 7)),
        _ => None,
    })
}

impl Header {
    /// Reads a block that is not all zeros.
    pub(super) fn read(block: &Block) -> Result<Self, Stop> {
        let format = format(block)?;
        let size = number(field(block, 124, 12)).filter(|size| i64::try_from(*size).is_ok());
        let mut header = Self {
            kind: block.get(156).copied().unwrap_or_default(),
            size: size.ok_or(Stop::Header("a size"))?,
            mode: number(field(block, 100, 8)).unwrap_or_default() as u32,
            name: Vec::new(),
            link: text(field(block, 157, 100)).to_vec(),
        };
        let prefix = match format {
            Format::V7 => &[],
            Format::Ustar => text(field(block, 345, 155)),
            Format::Star => text(field(block, 345, 131)),
            // Go itself once wrote such headers with a prefix where two times belong.
            Format::Gnu => {
                let is_time = |from| {
                    let field = field(block, from, 12);
                    field.first() == Some(&0) || number(field).is_some() || is_below_zero(field)
                };
                let prefix = text(field(block, 345, 155));
                if is_time(345) && is_time(357) || !prefix.is_ascii() { &[] } else { prefix }
            }
        };
        if !prefix.is_empty() {
            header.name.extend_from_slice(prefix);
            header.name.push(b'/');
        }
        header.name.extend_from_slice(text(field(block, 0, 100)));
        Ok(header)
    }
}

/// Whether a binary number is below 0, as times may be.
fn is_below_zero(field: &[u8]) -> bool {
    field.first().is_some_and(|first| first & 0xc0 == 0xc0)
}

fn format(block: &Block) -> Result<Format, Stop> {
    let stored = number(field(block, 148, 8)).ok_or(Stop::Header("a checksum"))?;
    // The checksum's own bytes count as spaces. Some programs took bytes for signed.
    let (mut unsigned, mut signed) = (0_i64, 0_i64);
    for (at, byte) in block.iter().enumerate() {
        let byte = if (148..156).contains(&at) { b' ' } else { *byte };
        unsigned = unsigned.wrapping_add(i64::from(byte));
        signed = signed.wrapping_add(i64::from(byte.cast_signed()));
    }
    let stored = i64::try_from(stored).map_err(|_| Stop::Header("a checksum"))?;
    if stored != unsigned && stored != signed {
        return Err(Stop::Header("the right checksum"));
    }
    Ok(match field(block, 257, 8) {
        [b'u', b's', b't', b'a', b'r', 0, ..] if field(block, 508, 4) == b"tar\0" => Format::Star,
        [b'u', b's', b't', b'a', b'r', 0, ..] => Format::Ustar,
        b"ustar  \0" => Format::Gnu,
        _ => Format::V7,
    })
}

/// The pieces of a sparse file that a GNU header or a block behind it lists, and whether another block follows.
pub(super) fn sparse_pieces(block: &Block, is_first: bool) -> Result<(Vec<(u64, u64)>, bool), Stop> {
    let (from, count) = if is_first { (386, 4) } else { (0, 21) };
    let list = field(block, from, count * 24);
    let mut pieces = Vec::new();
    for piece in list.chunks_exact(24) {
        let (offset, length) = piece.split_at(12);
        if offset.first() == Some(&0) {
            break;
        }
        let piece = number(offset).zip(number(length)).ok_or(Stop::Sparse)?;
        pieces.push(piece);
    }
    let goes_on = field(block, from.saturating_add(count * 24), 1).first().is_some_and(|byte| *byte != 0);
    Ok((pieces, goes_on))
}

/// The size of a sparse file with its holes, as a GNU header says.
pub(super) fn sparse_size(block: &Block) -> Result<u64, Stop> {
    if field(block, 257, 8) != b"ustar  \0" {
        return Err(Stop::Sparse);
    }
    number(field(block, 483, 12)).filter(|size| i64::try_from(*size).is_ok()).ok_or(Stop::Sparse)
}
