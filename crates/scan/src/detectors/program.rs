//! Finds the named parts of a compiled program: ELF, Mach-O and PE.
//!
//! No more is read than the tables of parts and names, each once: names are compared in place, so a program with a million
//! parts and one endless name takes no longer than its tables are large.

/// A compiled program.
#[derive(Debug)]
pub struct Program<'a> {
    parts: Vec<Part<'a>>,
}

/// A part of a program that is loaded to an address.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Its name, cut at [`NAME_BYTES`]; empty for a segment.
    name: &'a [u8],
    /// Where it is loaded to.
    address: u64,
    /// What it holds.
    pub content: &'a [u8],
    /// Whether the program may write to it.
    is_writable: bool,
    /// Whether its address counts: sections of ELF and Mach-O lie in segments, which are parts as well.
    is_loaded: bool,
}

/// What is read of a part's name: the names that are asked for are shorter.
const NAME_BYTES: usize = 32;
/// Parts that are read of a program: real ones have some dozens.
const MAX_PARTS: usize = 65_536;

/// Whether a file begins as a program does. ELF's object files and kernel modules are none.
pub fn is_program(head: &[u8]) -> bool {
    match head {
        [0x7f, b'E', b'L', b'F', _, order, ..] => {
            let (low, high) = if *order == 2 { (17, 16) } else { (16, 17) };
            head.get(high) == Some(&0) && matches!(head.get(low), Some(2 | 3))
        }
        [b'M', b'Z', ..] | [0xce | 0xcf, 0xfa, 0xed, 0xfe, ..] | [0xfe, 0xed, 0xfa, 0xce | 0xcf, ..] => true,
        // Programs for several machines, of which there are few; classes of Java begin alike, with their version from 45 on.
        [0xca, 0xfe, 0xba, 0xbe, 0, 0, 0, count, ..] => (1..45).contains(count),
        _ => false,
    }
}

impl<'a> Program<'a> {
    /// Reads the tables of a program; none if it is no program, or one that is cut off before its tables.
    pub fn read(content: &'a [u8]) -> Option<Self> {
        match content.get(..4)? {
            b"\x7fELF" => elf(content),
            [0xcf | 0xce, 0xfa, 0xed, 0xfe] => mach_o(content, false),
            [0xfe, 0xed, 0xfa, 0xcf | 0xce] => mach_o(content, true),
            [0xca, 0xfe, 0xba, 0xbe] => {
                // The first of several; all are made of the same sources.
                let numbers = Numbers { content, is_big_endian: true };
                let (offset, size) = (numbers.u32(16)?, numbers.u32(20)?);
                let one = part_of(content, u64::from(offset), u64::from(size));
                let is_big_endian = one.first()? == &0xfe;
                mach_o(one, is_big_endian)
            }
            [b'M', b'Z', ..] => pe(content),
            _ => None,
        }
    }

    /// The part of a name.
    pub fn named(&self, name: &str) -> Option<Part<'a>> {
        self.parts.iter().find(|part| part.name == name.as_bytes()).copied()
    }

    /// The parts that are loaded.
    pub fn loaded(&self) -> impl Iterator<Item = Part<'a>> + '_ {
        self.parts.iter().filter(|part| part.is_loaded).copied()
    }

    /// The parts that are loaded and that the program may write to.
    pub fn writable(&self) -> impl Iterator<Item = Part<'a>> + '_ {
        self.loaded().filter(|part| part.is_writable)
    }

    /// What lies at an address.
    pub fn at(&self, address: u64, size: u64) -> Option<&'a [u8]> {
        self.loaded().find_map(|part| {
            let from = usize::try_from(address.checked_sub(part.address)?).ok()?;
            part.content.get(from..from.checked_add(usize::try_from(size).ok()?)?)
        })
    }
}

/// Reads numbers at places that a file names.
#[derive(Clone, Copy)]
pub struct Numbers<'a> {
    /// Where they lie.
    pub content: &'a [u8],
    /// Whether their highest byte comes first.
    pub is_big_endian: bool,
}

impl Numbers<'_> {
    fn bytes<const COUNT: usize>(self, at: u64) -> Option<[u8; COUNT]> {
        let at = usize::try_from(at).ok()?;
        self.content.get(at..at.checked_add(COUNT)?)?.try_into().ok()
    }

    fn u16(self, at: u64) -> Option<u16> {
        self.bytes(at).map(if self.is_big_endian { u16::from_be_bytes } else { u16::from_le_bytes })
    }

    fn u32(self, at: u64) -> Option<u32> {
        self.bytes(at).map(if self.is_big_endian { u32::from_be_bytes } else { u32::from_le_bytes })
    }

    fn u64(self, at: u64) -> Option<u64> {
        self.bytes(at).map(if self.is_big_endian { u64::from_be_bytes } else { u64::from_le_bytes })
    }

    /// A number as wide as addresses are.
    pub fn word(self, at: u64, is_wide: bool) -> Option<u64> {
        if is_wide { self.u64(at) } else { self.u32(at).map(u64::from) }
    }
}

/// A part of a file, as much of it as is there.
fn part_of(content: &[u8], offset: u64, size: u64) -> &[u8] {
    let after = usize::try_from(offset).ok().and_then(|offset| content.get(offset..)).unwrap_or_default();
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    after.get(..size).unwrap_or(after)
}

/// A name that ends at a NUL or with what is given of it.
fn name_in(text: &[u8]) -> &[u8] {
    let text = text.get(..NAME_BYTES).unwrap_or(text);
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}

fn elf(content: &[u8]) -> Option<Program<'_>> {
    const PT_LOAD: u32 = 1;
    const PF_W: u32 = 2;
    const SHT_NOBITS: u32 = 8;
    let is_wide = content.get(4)? == &2;
    let is_big_endian = content.get(5)? == &2;
    let numbers = Numbers { content, is_big_endian };
    let pick = |wide: u64, narrow: u64| if is_wide { wide } else { narrow };
    let mut parts = Vec::new();

    let sections = numbers.word(pick(40, 32), is_wide)?;
    let section_size = u64::from(numbers.u16(pick(58, 46))?);
    let section_count = u64::from(numbers.u16(pick(60, 48))?);
    // The first number of a section is where its name begins, among the names.
    let section = |at: u64| {
        let at = sections.checked_add(at.checked_mul(section_size)?)?;
        let place = |wide: u64, narrow: u64| numbers.word(at.checked_add(pick(wide, narrow))?, is_wide);
        let has_content = numbers.u32(at.checked_add(4)?)? != SHT_NOBITS;
        let size = if has_content { place(32, 20)? } else { 0 };
        Some((numbers.u32(at)?, place(16, 12)?, part_of(content, place(24, 16)?, size)))
    };
    let names = section(u64::from(numbers.u16(pick(62, 50))?)).map(|(.., names)| names).unwrap_or_default();
    for (name, address, content) in (0..section_count).map_while(section) {
        let name = name_in(part_of(names, u64::from(name), NAME_BYTES as u64));
        parts.push(Part { name, address, content, is_writable: false, is_loaded: false });
    }

    let segments = numbers.word(pick(32, 28), is_wide)?;
    let segment_size = u64::from(numbers.u16(pick(54, 42))?);
    let segment_count = u64::from(numbers.u16(pick(56, 44))?);
    let segment = |at: u64| {
        let at = segments.checked_add(at.checked_mul(segment_size)?)?;
        let place = |wide: u64, narrow: u64| numbers.word(at.checked_add(pick(wide, narrow))?, is_wide);
        let flags = numbers.u32(at.checked_add(pick(4, 24))?)?;
        let content = part_of(content, place(8, 4)?, place(32, 16)?);
        let (address, is_writable) = (place(16, 8)?, flags & PF_W != 0);
        Some((numbers.u32(at)?, Part { name: b"", address, content, is_writable, is_loaded: true }))
    };
    parts.extend((0..segment_count).map_while(segment).filter(|(kind, _)| *kind == PT_LOAD).map(|(_, part)| part));
    Some(Program { parts })
}

fn mach_o(content: &[u8], is_big_endian: bool) -> Option<Program<'_>> {
    const LC_SEGMENT: u32 = 1;
    const LC_SEGMENT_64: u32 = 0x19;
    const VM_PROT_WRITE: u32 = 2;
    let numbers = Numbers { content, is_big_endian };
    let is_wide = numbers.u32(0)? == 0xfeed_facf;
    let pick = |wide: u64, narrow: u64| if is_wide { wide } else { narrow };
    let commands = numbers.u32(16)?;
    let mut parts = Vec::new();
    let mut at = pick(32, 28);
    for _ in 0..commands {
        let (Some(command), Some(size)) = (numbers.u32(at), numbers.u32(at.saturating_add(4))) else { break };
        if command == LC_SEGMENT || command == LC_SEGMENT_64 {
            let place = |wide: u64, narrow: u64| numbers.word(at.checked_add(pick(wide, narrow))?, is_wide);
            let is_writable = numbers.u32(at.checked_add(pick(60, 44))?)? & VM_PROT_WRITE != 0;
            let segment = part_of(content, place(40, 32)?, place(48, 36)?);
            let count = u64::from(numbers.u32(at.checked_add(pick(64, 48))?)?).min(MAX_PARTS as u64);
            for section in 0..count {
                let at = at.checked_add(pick(72, 56))?.checked_add(section.checked_mul(pick(80, 68))?)?;
                let place = |wide: u64, narrow: u64| numbers.word(at.checked_add(pick(wide, narrow))?, is_wide);
                let (Some(address), Some(size)) = (place(32, 32), place(40, 36)) else { break };
                let offset = numbers.u32(at.checked_add(pick(48, 40))?)?;
                let content_of = part_of(content, u64::from(offset), size);
                let name = name_in(part_of(content, at, 16));
                parts.push(Part { name, address, content: content_of, is_writable, is_loaded: false });
            }
            parts.push(Part { name: b"", address: place(24, 24)?, content: segment, is_writable, is_loaded: true });
        }
        // A command of no size would be read for ever.
        if size < 8 || parts.len() > MAX_PARTS {
            break;
        }
        at = at.checked_add(u64::from(size))?;
    }
    Some(Program { parts })
}

fn pe(content: &[u8]) -> Option<Program<'_>> {
    const IMAGE_SCN_MEM_WRITE: u32 = 0x8000_0000;
    let numbers = Numbers { content, is_big_endian: false };
    let header = u64::from(numbers.u32(0x3c)?);
    if part_of(content, header, 4) != b"PE\0\0" {
        return None;
    }
    let count = u64::from(numbers.u16(header.checked_add(6)?)?);
    let optional_size = u64::from(numbers.u16(header.checked_add(20)?)?);
    let optional = header.checked_add(24)?;
    let is_wide = numbers.u16(optional)? == 0x20b;
    let base = numbers.word(optional.checked_add(if is_wide { 24 } else { 28 })?, is_wide)?;
    let mut parts = Vec::new();
    for section in 0..count {
        let at = optional.checked_add(optional_size)?.checked_add(section.checked_mul(40)?)?;
        let number = |place: u64| numbers.u32(at.checked_add(place)?);
        let (Some(address), Some(size), Some(offset), Some(flags)) = (number(12), number(16), number(20), number(36))
        else {
            break;
        };
        parts.push(Part {
            name: name_in(part_of(content, at, 8)),
            address: base.wrapping_add(u64::from(address)),
            content: part_of(content, u64::from(offset), u64::from(size)),
            is_writable: flags & IMAGE_SCN_MEM_WRITE != 0,
            is_loaded: true,
        });
    }
    Some(Program { parts })
}
