//! Finds what Go's linker says of a build, and reads both forms of it.

use crate::detectors::program::{Numbers, Program};

/// Where it begins; in a part that nothing names, at a multiple of 16.
const MARK: &[u8] = b"\xff Go buildinf:";
const ALIGNMENT: usize = 16;
/// The linker puts it first in its part.
const SEARCHED_BYTES: usize = 1 << 20;
/// Go's linker makes one part that the program may write to, others some more.
const SEARCHED_PARTS: usize = 8;
/// What the list of modules stands between.
const FRAME_BYTES: usize = 16;

/// What Go's linker says.
pub struct BuildInfo<'a> {
    /// The version of Go, as `go1.22.1`.
    pub go: &'a [u8],
    /// The modules; empty in a program that was built without.
    pub modules: &'a [u8],
}

/// Where a program's begins; none in what Go's linker has not made.
pub fn find<'a>(program: &Program<'a>) -> Option<&'a [u8]> {
    let named = program.named(".go.buildinfo").or_else(|| program.named("__go_buildinfo"));
    match named {
        Some(part) => begin_of(part.content),
        None => program.writable().take(SEARCHED_PARTS).find_map(|part| begin_of(part.content)),
    }
}

fn begin_of(content: &[u8]) -> Option<&[u8]> {
    let searched = content.get(..SEARCHED_BYTES).unwrap_or(content);
    let at = searched.chunks(ALIGNMENT).position(|chunk| chunk.starts_with(MARK))?;
    content.get(at * ALIGNMENT..)
}

/// Reads it from where it begins. Since Go 1.18 both texts follow, each behind its length; before, two addresses of texts.
pub fn read<'a>(program: &Program<'a>, place: &'a [u8]) -> Option<BuildInfo<'a>> {
    const IS_BIG_ENDIAN: u8 = 1;
    const IS_INLINE: u8 = 2;
    let (word_bytes, flags) = (*place.get(14)?, *place.get(15)?);
    let (go, framed) = if flags & IS_INLINE != 0 {
        let (go, rest) = counted(place.get(32..)?)?;
        (go, counted(rest)?.0)
    } else {
        let is_wide = match word_bytes {
            4 => false,
            8 => true,
            _ => return None,
        };
        let words = Words { program, is_wide, is_big_endian: flags & IS_BIG_ENDIAN != 0 };
        let numbers = words.numbers(place);
        let go = words.text(numbers.word(16, is_wide)?)?;
        // The second is no address where there are no modules.
        (go, words.text(numbers.word(16 + u64::from(word_bytes), is_wide)?).unwrap_or_default())
    };
    Some(BuildInfo { go, modules: unframed(framed) })
}

/// A text behind its length, which has seven bits in each byte.
fn counted(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0_u64;
    for (at, byte) in content.iter().take(9).enumerate() {
        length |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return content.get(at + 1..)?.split_at_checked(usize::try_from(length).ok()?);
        }
    }
    None
}

/// The list of modules without its frame; empty if it has none.
fn unframed(framed: &[u8]) -> &[u8] {
    let inside = framed.len().checked_sub(FRAME_BYTES).and_then(|end| framed.get(FRAME_BYTES..end)).unwrap_or_default();
    if inside.ends_with(b"\n") { inside } else { b"" }
}

/// Texts as programs of Go have them: an address of the text's address and length.
struct Words<'p, 'a> {
    program: &'p Program<'a>,
    is_wide: bool,
    is_big_endian: bool,
}

impl<'a> Words<'_, 'a> {
    fn numbers<'n>(&self, content: &'n [u8]) -> Numbers<'n> {
        Numbers { content, is_big_endian: self.is_big_endian }
    }

    fn text(&self, address: u64) -> Option<&'a [u8]> {
        let word_bytes = if self.is_wide { 8 } else { 4 };
        let header = self.numbers(self.program.at(address, 2 * word_bytes)?);
        self.program.at(header.word(0, self.is_wide)?, header.word(word_bytes, self.is_wide)?)
    }
}
