//! The form that rpm brings itself.

use scan::detectors::Rpm;

use super::{NDB, made::Made, read};

/// A slot has its place in the first page, behind the file's header and a free slot.
const FIRST_SLOT: usize = 48;

/// A database as rpm makes it, with a free slot in front and between.
pub fn database(headers: &[Vec<u8>]) -> Vec<u8> {
    let slot_pages = (headers.len() * 2 + 3).div_ceil(256);
    let mut file = [*b"RpmP", [0; 4], 7_u32.to_le_bytes(), (slot_pages as u32).to_le_bytes()].concat();
    file.extend((headers.len() as u32 + 1).to_le_bytes());
    file.resize(slot_pages * 4096, 0);
    for slot in 2..slot_pages * 256 {
        file[slot * 16..slot * 16 + 4].copy_from_slice(b"Slot");
    }
    for (index, header) in headers.iter().enumerate() {
        let number = (index as u32 + 1).to_le_bytes();
        let length = (header.len() as u32).to_le_bytes();
        let start = file.len();
        file.extend([*b"BlbS", number, 7_u32.to_le_bytes(), length].concat());
        file.extend(header);
        file.resize((file.len() + 12).next_multiple_of(16) - 12, 0);
        file.extend([[0xad; 4], length, *b"BlbE"].concat());
        let at = FIRST_SLOT + index * 32;
        let blocks = (file.len() - start) as u32 / 16;
        file[at + 4..at + 8].copy_from_slice(&number);
        file[at + 8..at + 12].copy_from_slice(&(start as u32 / 16).to_le_bytes());
        file[at + 12..at + 16].copy_from_slice(&blocks.to_le_bytes());
    }
    file
}

#[test]
fn what_is_broken_is_said_and_the_rest_read() {
    let headers: Vec<Vec<u8>> = (0..4).map(|number| Made::of(number).header().blob()).collect();
    let content = database(&headers);
    let blob = 4096;
    let end = blob + (headers[0].len() + 28).next_multiple_of(16);
    for (at, bytes, packages, problem) in [
        (FIRST_SLOT, &b"slot"[..], 3, "a slot is broken"),
        (FIRST_SLOT + 8, &[0xff; 4], 3, "the blob of package 1 lies beyond the end of the file"),
        (FIRST_SLOT + 12, &[0xff; 4], 3, "the blob of package 1 lies beyond the end of the file"),
        (FIRST_SLOT + 12, &[0; 4], 3, "the blob of package 1 is broken"),
        (FIRST_SLOT + 12, &[1, 0, 0, 0], 3, "the blob of package 1 is broken"),
        (FIRST_SLOT + 4, &[9, 0, 0, 0], 3, "the blob of package 9 is broken"),
        (blob, b"X", 3, "the blob of package 1 is broken"),
        (blob + 12, &[0xff; 4], 3, "the blob of package 1 is broken"),
        (end - 8, &[0xff; 4], 3, "the blob of package 1 is broken"),
        (end - 1, b"X", 3, "the blob of package 1 is broken"),
        (blob + 16, &[0xff], 3, "a package's header is cut short"),
        (4, &[1], 0, "it has the version 1, which is not known"),
        (12, &[99, 0, 0, 0], 4, "its 99 pages of slots do not lie in the file"),
        (12, &[0, 0, 0, 0], 4, "its 0 pages of slots do not lie in the file"),
    ] {
        let mut broken = content.clone();
        broken[at..at + bytes.len()].copy_from_slice(bytes);
        let found = read(&Rpm, NDB, &broken);
        assert_eq!(found.problems.first().map(String::as_str), Some(problem), "{:?}", found.problems);
        assert_eq!(found.packages.len(), packages, "{problem}");
    }
}

#[test]
fn a_blob_is_read_no_more_often_than_the_file_is_large() {
    let header = Made::of(1).with_files(500).header().blob();
    let mut content = database(std::slice::from_ref(&header));
    let slot: [u8; 16] = *content[FIRST_SLOT..].first_chunk().expect("slot");
    for at in (32..4096).step_by(16) {
        content[at..at + 16].copy_from_slice(&slot);
    }
    let found = read(&Rpm, NDB, &content);
    assert_eq!(found.problems, ["its blobs lie over each other"]);
    assert!(found.packages.len() <= content.len() / header.len(), "{}", found.packages.len());
}
