//! Compiled programs, small ones, made here; and what is read of a real one.

use object::{Object, ObjectSection};
use scan::detectors::program::Program;

/// The forms of programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Elf64,
    Elf32,
    /// With the highest byte first, as s390x has it.
    Elf64Big,
    MachO,
    Pe,
}

impl Kind {
    pub const ALL: [Self; 5] = [Self::Elf64, Self::Elf32, Self::Elf64Big, Self::MachO, Self::Pe];

    pub fn is_big_endian(self) -> bool {
        self == Self::Elf64Big
    }

    pub fn is_wide(self) -> bool {
        self != Self::Elf32
    }
}

/// Where a program of ELF is loaded to, from its first byte on.
pub const BASE: u64 = 0x40_0000;

/// Writes numbers as a kind of program has them.
pub struct Bytes {
    pub kind: Kind,
    pub content: Vec<u8>,
}

impl Bytes {
    pub fn new(kind: Kind) -> Self {
        Self { kind, content: Vec::new() }
    }

    pub fn u16(&mut self, number: u16) -> &mut Self {
        self.put(&number.to_le_bytes())
    }

    pub fn u32(&mut self, number: u32) -> &mut Self {
        self.put(&number.to_le_bytes())
    }

    /// As wide as an address.
    pub fn word(&mut self, number: u64) -> &mut Self {
        if self.kind.is_wide() {
            self.put(&number.to_le_bytes())
        } else {
            self.u32(u32::try_from(number).expect("small"))
        }
    }

    fn put(&mut self, little: &[u8]) -> &mut Self {
        let mut bytes = little.to_vec();
        if self.kind.is_big_endian() {
            bytes.reverse();
        }
        self.bytes(&bytes)
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.content.extend_from_slice(bytes);
        self
    }

    pub fn align(&mut self, to: usize) -> &mut Self {
        self.content.resize(self.content.len().next_multiple_of(to), 0);
        self
    }
}

/// A program with named parts.
pub fn program(kind: Kind, parts: &[(&str, &[u8])]) -> Vec<u8> {
    match kind {
        Kind::Elf64 | Kind::Elf32 | Kind::Elf64Big => elf(kind, parts, true),
        Kind::MachO => mach_o(parts),
        Kind::Pe => pe(parts),
    }
}

/// Where the content of the first part of a program of ELF begins.
pub fn first_part(kind: Kind) -> u64 {
    if kind.is_wide() { 128 } else { 96 }
}

/// A program of ELF, all of which is loaded; without names the table of its parts is missing, as `sstrip` leaves it.
pub fn elf(kind: Kind, parts: &[(&str, &[u8])], has_names: bool) -> Vec<u8> {
    let (head, segment, section) = if kind.is_wide() { (64, 56, 64) } else { (52, 32, 40) };
    let mut content = vec![0; usize::try_from(first_part(kind)).expect("small")];
    let mut names = vec![0];
    let mut table = Vec::new();
    for (name, part) in parts.iter().copied().chain([(".shstrtab", b"".as_slice())]) {
        let at = content.len() as u64;
        let name_at = names.len() as u32;
        names.extend_from_slice(name.as_bytes());
        names.push(0);
        if name == ".shstrtab" {
            table.push((name_at, 3, 0, at, names.len() as u64));
            content.extend_from_slice(&names);
        } else {
            table.push((name_at, 1, BASE + at, at, part.len() as u64));
            content.extend_from_slice(part);
        }
        content.resize(content.len().next_multiple_of(16), 0);
    }
    let sections = content.len() as u64;
    let mut bytes = Bytes::new(kind);
    bytes
        .bytes(b"\x7fELF")
        .bytes(&[1 + u8::from(kind.is_wide()), 1 + u8::from(kind.is_big_endian()), 1])
        .bytes(&[0; 9]);
    bytes.u16(2).u16(62).u32(1).word(BASE).word(head).word(if has_names { sections } else { 0 }).u32(0);
    bytes.u16(head as u16).u16(segment).u16(1).u16(section);
    bytes.u16(if has_names { table.len() as u16 + 1 } else { 0 }).u16(if has_names { table.len() as u16 } else { 0 });
    bytes.u32(1);
    if kind.is_wide() {
        bytes.u32(6);
    }
    bytes.word(0).word(BASE).word(BASE).word(sections).word(sections);
    if !kind.is_wide() {
        bytes.u32(6);
    }
    bytes.word(16);
    content[..bytes.content.len()].copy_from_slice(&bytes.content);
    if has_names {
        let mut bytes = Bytes::new(kind);
        bytes.bytes(&vec![0; usize::from(section)]);
        for (name, kind, address, at, size) in table {
            bytes.u32(name).u32(kind).word(3).word(address).word(at).word(size).u32(0).u32(0).word(16).word(0);
        }
        content.extend_from_slice(&bytes.content);
    }
    content
}

fn mach_o(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut program = object::write::Object::new(
        object::BinaryFormat::MachO,
        object::Architecture::Aarch64,
        object::Endianness::Little,
    );
    for (name, part) in parts {
        let name = if *name == ".go.buildinfo" { "__go_buildinfo" } else { name };
        let section = program.add_section(b"__DATA".to_vec(), name.as_bytes().to_vec(), object::SectionKind::Data);
        program.append_section_data(section, part, 16);
    }
    program.write().expect("small")
}

/// A program of Windows, each part writable.
fn pe(parts: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Bytes::new(Kind::Pe);
    bytes.bytes(b"MZ").bytes(&[0; 58]).u32(64).bytes(b"PE\0\0");
    bytes.u16(0x8664).u16(parts.len() as u16).u32(0).u32(0).u32(0).u16(240).u16(0x22);
    bytes.u16(0x20b).bytes(&[0; 22]).word(0x1_4000_0000).bytes(&[0; 208]);
    let mut at = (bytes.content.len() + parts.len() * 40).next_multiple_of(16) as u32;
    for (name, part) in parts {
        let mut short = name.as_bytes()[..name.len().min(8)].to_vec();
        short.resize(8, 0);
        bytes.bytes(&short).u32(part.len() as u32).u32(0x1000 + at).u32(part.len() as u32).u32(at);
        bytes.bytes(&[0; 12]).u32(0xc000_0040);
        at = (at + part.len() as u32).next_multiple_of(16);
    }
    for (_, part) in parts {
        bytes.align(16).bytes(part);
    }
    bytes.content
}

#[test]
fn every_kind_has_its_parts() {
    for kind in Kind::ALL {
        let content = program(kind, &[(".one", b"first"), (".two", b"second part")]);
        let program = Program::read(&content).expect("a program");
        for (name, expected) in [(".one", b"first".as_slice()), (".two", b"second part")] {
            assert_eq!(program.named(name).map(|part| part.content), Some(expected), "{kind:?} {name}");
        }
        assert!(program.named(".three").is_none());
    }
}

#[test]
fn a_real_program_has_the_parts_that_another_reader_sees() {
    let path = std::env::current_exe().expect("this test");
    let content = std::fs::read(path).expect("this test");
    let program = Program::read(&content).expect("a program");
    let file = object::File::parse(content.as_slice()).expect("a program");
    let mut compared = 0;
    for section in file.sections() {
        let name = section.name().expect("a name");
        let first = file.section_by_name(name).expect("it has the name");
        if name.len() < 32 && first.index() == section.index() {
            let ours = program.named(name).map(|part| part.content);
            assert_eq!(ours, Some(section.data().expect("content")), "{name}");
            compared += 1;
        }
    }
    assert!(compared > 20, "{compared}");
    assert!(program.at(file.entry(), 16).is_some());
}

#[test]
fn what_is_no_program_has_no_parts() {
    for content in [b"".as_slice(), b"MZ", b"\x7fELF", b"#!/bin/sh", b"\xca\xfe\xba\xbe\0\0\0\x02"] {
        assert!(Program::read(content).is_none(), "{content:?}");
    }
}

#[test]
fn a_program_of_many_parts_and_one_endless_name_is_read_at_once() {
    let part = vec![b'a'; 4 << 20];
    let mut content = elf(Kind::Elf64, &[(".one", &part)], true);
    // Each of 65,000 parts has a name that no NUL ends: the names are the part itself.
    let table = content.len() - 3 * 64;
    let one = content[table + 64..table + 128].to_vec();
    content.truncate(table);
    for _ in 0..65_000 {
        content.extend_from_slice(&one);
    }
    content[60..64].copy_from_slice(&[0xe8, 0xfd, 1, 0]);
    let program = Program::read(&content).expect("a program");
    assert!(program.named(".dep-v0").is_none());
    assert!(program.named(&"a".repeat(32)).is_some());
}
