//! The reader of zip archives, beside another one.

use std::io::{Cursor, Read, Write};

use proptest::prelude::*;
use scan::detectors::zip::{Archive, ZipError};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::zipped;

/// Names and contents of all entries.
fn read(content: &[u8]) -> Result<Vec<(String, Vec<u8>)>, ZipError> {
    let archive = Archive::open(content)?;
    let entries = archive.entries().map(|entry| {
        let entry = entry?;
        let content = archive.content(&entry, 1 << 24)?.into_owned();
        Ok((String::from_utf8_lossy(entry.name).into_owned(), content))
    });
    entries.collect()
}

fn read_by_another(content: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(content)).expect("an archive");
    let mut entries = Vec::new();
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).expect("an entry");
        let mut content = Vec::new();
        entry.read_to_end(&mut content).expect("content");
        entries.push((entry.name().expect("a name").into_owned(), content));
    }
    entries
}

fn options(is_packed: bool, is_large: bool) -> SimpleFileOptions {
    let method = if is_packed { CompressionMethod::Deflated } else { CompressionMethod::Stored };
    SimpleFileOptions::default().compression_method(method).large_file(is_large)
}

proptest! {
    #[test]
    fn both_readers_read_the_same(
        entries in prop::collection::btree_map("[a-z]{1,8}(/[a-z.]{1,8})?", (prop::collection::vec(0..4_u8, 0..400), any::<bool>(), any::<bool>()), 0..12),
        before in prop::collection::vec(any::<u8>(), 0..100),
        comment in "[ -~]{0,60}",
    ) {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.set_comment(comment).expect("short");
        for (name, (content, is_packed, is_large)) in &entries {
            writer.start_file(name.as_str(), options(*is_packed, *is_large)).expect("an entry");
            writer.write_all(content).expect("in memory");
        }
        let content = writer.finish().expect("in memory").into_inner();
        let ours = read(&content).expect("an archive");
        prop_assert_eq!(&ours, &read_by_another(&content));
        let names: Vec<&String> = ours.iter().map(|(name, _)| name).collect();
        prop_assert_eq!(names, entries.keys().collect::<Vec<_>>());
        // What stands in front, and what the places do not count.
        prop_assert_eq!(read(&[before, content].concat()).expect("an archive"), ours);
    }
}

#[test]
fn an_archive_that_is_written_as_it_goes() {
    let mut writer = ZipWriter::new_stream(Vec::new());
    writer.start_file("a", options(true, false)).expect("an entry");
    writer.write_all(b"content").expect("in memory");
    let content = writer.finish().expect("in memory").into_inner();
    assert_eq!(read(&content), Ok(vec![("a".to_owned(), b"content".to_vec())]));
}

#[test]
fn an_archive_of_more_entries_than_the_short_numbers_hold() {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for number in 0..70_000 {
        writer.start_file(number.to_string(), options(false, false)).expect("an entry");
    }
    let content = writer.finish().expect("in memory").into_inner();
    for content in [content.clone(), [b"in front".as_slice(), &content].concat()] {
        let archive = Archive::open(&content).expect("an archive");
        assert_eq!(archive.entries().flatten().count(), 70_000);
    }
}

/// The archive of one entry with a number of its list changed.
fn lying(at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut content = zipped(&[("a", &[7; 1_000])]);
    let list = content.windows(4).position(|window| window == b"PK\x01\x02").expect("a list");
    content[list + at..list + at + bytes.len()].copy_from_slice(bytes);
    content
}

#[test]
fn an_archive_that_lies() {
    let cases: [(usize, &[u8], ZipError); 8] = [
        (8, &[1, 0], ZipError::Encrypted),
        (10, &[12, 0], ZipError::UnknownMethod(12)),
        (20, &[0xff, 0xff, 0, 0], ZipError::OutsideEntry),
        (24, &[0, 0, 0, 0x7f], ZipError::TooLarge(1 << 24)),
        (24, &[0xff; 4], ZipError::BrokenDirectory),
        (28, &[0xff, 0xff], ZipError::BrokenDirectory),
        (42, &[1, 0, 0, 0], ZipError::OutsideEntry),
        (42, &[0xfe, 0xff, 0xff, 0xff], ZipError::OutsideEntry),
    ];
    for (at, bytes, expected) in cases {
        assert_eq!(read(&lying(at, bytes)), Err(expected), "{at}");
    }
    // A size that is too small hides nothing, and is no way around the bound.
    let small = lying(24, &[1, 0, 0, 0]);
    assert_eq!(read(&small), Ok(vec![("a".to_owned(), vec![7; 1_000])]));
    let archive = Archive::open(&small).expect("an archive");
    let entry = archive.entries().next().expect("an entry").expect("an entry");
    assert_eq!(archive.content(&entry, 999), Err(ZipError::TooLarge(999)));
    assert_eq!(archive.beginning(&entry, 10).as_deref(), Ok([7; 10].as_slice()));
}

#[test]
fn what_is_no_archive() {
    let whole = zipped(&[("a", b"content")]);
    assert_eq!(read(b""), Err(ZipError::NoArchive));
    assert_eq!(read(&vec![0; 100_000]), Err(ZipError::NoArchive));
    assert_eq!(read(&b"PK\x05\x06".repeat(40_000)), Err(ZipError::BrokenDirectory));
    for size in 0..whole.len() {
        assert!(read(&whole[..size]).is_err(), "{size}");
    }
    assert_eq!(read(&zipped(&[])), Ok(Vec::new()));
}
