//! The form of rpm's database that rpm brings itself, `ndb`: a table of slots, each of which points to a header.
//!
//! All numbers are of 32 bits, the one of the least worth first. The file begins with a header of two slots' size; slots have
//! `Slot`, the number of the package, and the place and length of its blob in blocks of 16 bytes. A blob is framed by
//! `BlbS`, the number of the package again, a generation and the header's length, and by a checksum, the length and `BlbE`.

use super::{
    bytes::{Order, part},
    header,
};
use crate::detectors::gather::Gather;

/// What each file begins with, and the only version that there is.
const MAGIC: &[u8] = b"RpmP";
const VERSION: u32 = 0;
/// Where the pages of slots are counted, and their size.
const SLOT_PAGES: usize = 12;
const SLOT_PAGE: usize = 4096;
/// The size of the file's header, of a slot and of a block.
const FILE_HEADER: usize = 32;
const SLOT: usize = 16;
const BLOCK: usize = 16;
/// What frames a blob.
const HEAD: usize = 16;
const TAIL: usize = 12;

const LITTLE: Order = Order::Little;

/// Whether a file is one of this form.
pub(super) fn is_one(content: &[u8]) -> bool {
    content.starts_with(MAGIC)
}

/// Reads the packages of a file.
pub(super) fn read(content: &[u8], gather: &mut Gather<'_>) -> Result<(), String> {
    let cut = "its header is cut short";
    let version = LITTLE.u32(content, 4).ok_or(cut)?;
    if version != VERSION {
        return Err(format!("it has the version {version}, which is not known"));
    }
    let pages = LITTLE.u32(content, SLOT_PAGES).ok_or(cut)? as usize;
    let end = pages.saturating_mul(SLOT_PAGE);
    let slots = content.get(FILE_HEADER..end).or_else(|| content.get(FILE_HEADER..)).unwrap_or_default();
    if pages == 0 || end > content.len() {
        gather.problem(format!("its {pages} pages of slots do not lie in the file"));
    }
    // Blobs lie beside each other, so that all of them are no larger than the file.
    let mut left = content.len();
    for slot in slots.chunks_exact(SLOT) {
        if gather.is_full() {
            break;
        }
        match blob(content, slot) {
            Ok(None) => {}
            Ok(Some(blob)) => {
                left = left.checked_sub(blob.len() + HEAD + TAIL).ok_or("its blobs lie over each other")?;
                header::read(blob, gather);
            }
            Err(problem) => gather.problem(problem),
        }
    }
    Ok(())
}

/// The blob that a slot points to, unless it is free.
fn blob<'a>(content: &'a [u8], slot: &[u8]) -> Result<Option<&'a [u8]>, String> {
    let field = |index: usize| LITTLE.u32(slot, 4 * index).unwrap_or_default();
    let number = field(1);
    if !slot.starts_with(b"Slot") {
        return Err("a slot is broken".to_owned());
    }
    if number == 0 {
        return Ok(None);
    }
    let framed = (field(2) as usize).checked_mul(BLOCK).zip((field(3) as usize).checked_mul(BLOCK));
    let framed = framed.and_then(|(start, length)| part(content, start, length));
    let framed = framed.ok_or_else(|| format!("the blob of package {number} lies beyond the end of the file"))?;
    unframed(framed, number).map(Some).ok_or_else(|| format!("the blob of package {number} is broken"))
}

/// The header in a blob's frame.
fn unframed(framed: &[u8], number: u32) -> Option<&[u8]> {
    let length = LITTLE.u32(framed, 12)?;
    let (inner, tail) = framed.split_at_checked(framed.len().checked_sub(TAIL)?)?;
    let is_whole = framed.starts_with(b"BlbS")
        && LITTLE.u32(framed, 4) == Some(number)
        && LITTLE.u32(tail, 4) == Some(length)
        && tail.ends_with(b"BlbE");
    part(inner, HEAD, length as usize).filter(|_| is_whole)
}
