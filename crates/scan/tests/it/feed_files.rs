//! The files of feeds as they are published: packed in each way, cut off anywhere, changed at random, and made to be too much.

use std::{
    io::{Cursor, Write},
    ops::ControlFlow,
};

use bzip2::write::BzEncoder;
use flate2::write::GzEncoder;
use lzma_rust2::{XzOptions, XzWriter};
use scan::{
    ecosystem::Ecosystem,
    feeds::{About, Compression, FeedLimits, Form, Packaging, Record, Report, import_file},
};

/// Records of a language and of a distribution, one a line.
fn lines() -> String {
    let line = |number: u32| {
        format!(
            r#"{{"id":"GHSA-{number}","aliases":["CVE-2024-{number}"],"affected":[{{"package":{{"ecosystem":"npm","name":"a{number}"}},"ranges":[{{"type":"SEMVER","events":[{{"introduced":"0"}},{{"fixed":"1.{number}.0"}}]}}]}}]}}"#
        )
    };
    (0..40).map(line).fold(String::new(), |lines, line| lines + &line + "\n")
}

fn read(form: Form, packaging: Packaging, bytes: &[u8], limits: &FeedLimits) -> (Vec<Record>, Report) {
    let mut records = Vec::new();
    let mut keep = |record| {
        records.push(record);
        ControlFlow::Continue(())
    };
    let about = About { source: "test", ..About::default() };
    let mut scratch = tempfile::tempfile().expect("a file");
    let report = import_file(form, packaging, about, Cursor::new(bytes), Some(&mut scratch), limits, &mut keep);
    assert_eq!(records.len() as u64, report.records);
    (records, report)
}

fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        tar.append_data(&mut header, name, *content).expect("an entry");
    }
    tar.into_inner().expect("a tar")
}

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).expect("a file");
        zip.write_all(content).expect("bytes");
    }
    zip.finish().expect("a zip").into_inner()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("bytes");
    encoder.finish().expect("gzip")
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    encoder.write_all(bytes).expect("bytes");
    encoder.finish().expect("bzip2")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    encoder.include_checksum(true).expect("a checksum");
    encoder.write_all(bytes).expect("bytes");
    encoder.finish().expect("zstd")
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).expect("an encoder");
    encoder.write_all(bytes).expect("bytes");
    encoder.finish().expect("xz")
}

/// One block of xz that is stored as it is, of which it is known what lies where.
fn stored_xz(bytes: &[u8]) -> Vec<u8> {
    let crc = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_le_bytes()
    };
    let mut file = b"\xfd7zXZ\0\0\x01".to_vec();
    file.extend(crc(&file[6..8]));
    let block = file.len();
    // Size, flags, LZMA2 with one byte of properties (a dictionary of 1 MiB), and what fills it up.
    let header = [2, 0, 0x21, 1, 16, 0, 0, 0];
    file.extend(header);
    file.extend(crc(&header));
    for (at, chunk) in bytes.chunks(1 << 16).enumerate() {
        file.push(if at == 0 { 1 } else { 2 });
        file.extend(u16::try_from(chunk.len() - 1).expect("a chunk").to_be_bytes());
        file.extend(chunk);
    }
    file.push(0);
    let unpadded = file.len() - block + 4;
    while !file.len().is_multiple_of(4) {
        file.push(0);
    }
    file.extend(crc(bytes));
    let index = file.len();
    file.extend([0, 1]);
    for mut number in [unpadded, bytes.len()] {
        while number >= 0x80 {
            file.push(number as u8 | 0x80);
            number >>= 7;
        }
        file.push(number as u8);
    }
    while !(file.len() - index).is_multiple_of(4) {
        file.push(0);
    }
    let sum = crc(&file[index..]);
    file.extend(sum);
    let size = u32::try_from((file.len() - index) / 4 - 1).expect("a size");
    let mut footer = size.to_le_bytes().to_vec();
    footer.extend([0, 1]);
    file.extend(crc(&footer));
    file.extend(footer);
    file.extend(b"YZ");
    file
}

fn packed(compression: Compression, bytes: &[u8]) -> Vec<u8> {
    match compression {
        Compression::None => bytes.to_vec(),
        Compression::Gzip => gzip(bytes),
        Compression::Bzip2 => bzip2(bytes),
        Compression::Xz => xz(bytes),
        Compression::Zstd => zstd(bytes),
    }
}

/// The same records in each packaging.
fn files() -> Vec<(Packaging, Vec<u8>)> {
    let lines = lines();
    let (first, second) = lines.split_at(lines.len() / 2 + lines[lines.len() / 2..].find('\n').expect("a line") + 1);
    let long = format!("{}/b.json", "folder/".repeat(40));
    let parts =
        [("a.json", first.as_bytes()), ("readme.txt", b"nothing".as_slice()), (long.as_str(), second.as_bytes())];
    let inner = zip(&parts);
    let of = |packaging| match packaging {
        Packaging::File(compression) => packed(compression, lines.as_bytes()),
        Packaging::Tar(compression) => packed(compression, &tar(&parts)),
        Packaging::Zip => inner.clone(),
        Packaging::ZipInZip => zip(&[("readme", b"x".as_slice()), ("all.zip", &inner)]),
    };
    let stored = (Packaging::File(Compression::Xz), stored_xz(lines.as_bytes()));
    Packaging::all().map(|packaging| (packaging, of(packaging))).chain([stored]).collect()
}

#[test]
fn each_packaging() {
    for (packaging, bytes) in files() {
        let (records, report) = read(Form::Osv, packaging, &bytes, &FeedLimits::default());
        assert_eq!((records.len(), report.broken, report.ended.as_deref()), (40, 0, None), "{packaging}");
        assert_eq!(report.places.into_iter().collect::<Vec<_>>(), [((Ecosystem::Npm, String::new()), 40)]);
    }
}

#[test]
fn what_breaks_off_is_no_whole_revision() {
    for (packaging, bytes) in files() {
        if packaging == Packaging::File(Compression::None) {
            continue;
        }
        // The two blocks that end a tar archive are one more than is needed, and its writer may fill up more.
        let spare = if packaging == Packaging::Tar(Compression::None) { 512 } else { 0 };
        let step = bytes.len() / 1500 + 1;
        for length in (0..bytes.len() - spare).step_by(step).chain([bytes.len() - spare - 1]) {
            let (_, report) = read(Form::Osv, packaging, &bytes[..length], &FeedLimits::default());
            assert!(report.ended.is_some() && !report.is_fit(), "{packaging}: {length} of {}", bytes.len());
        }
    }
}

#[test]
fn documents_that_break_off_are_no_whole_revision() {
    let documents = [
        (
            Form::Secdb,
            r#"{"distroversion":"v3.20","packages":[{"pkg":{"name":"a","secfixes":{"1":["CVE-2024-1"]}}},{"pkg":{"name":"b","secfixes":{"1":["CVE-2024-1"]}}}]}"#,
        ),
        (
            Form::DebianTracker,
            r#"{"a":{"CVE-2024-1":{"releases":{"bookworm":{"status":"open"}}}},"b":{"CVE-2024-1":{"releases":{"sid":{"status":"open"}}}}}"#,
        ),
        (
            Form::Photon,
            r#"[{"os_version":"4.0","cve_id":"CVE-2019-2","pkg":"a"},{"os_version":"4.0","cve_id":"CVE-2019-3","pkg":"a"}]"#,
        ),
        (Form::Kev, r#"{"vulnerabilities":[{"cveID":"CVE-2018-1"},{"cveID":"CVE-2018-2"}]}"#),
        (
            Form::UpdateInfo,
            r#"<?xml version="1.0"?><updates><update><id>ALAS2-2024-1</id></update><update><id>ALAS2-2024-2</id></update></updates>"#,
        ),
        (
            Form::Oval,
            r#"<oval_definitions><definitions><definition><reference source="elsa" ref_id="ELSA-1"/></definition></definitions></oval_definitions>"#,
        ),
    ];
    let plain = Packaging::File(Compression::None);
    for (document, is_fit) in [(r#"{"distroversion":"v3.24","packages":[]}"#, true), (r#"{"error":"gone"}"#, false)] {
        assert_eq!(read(Form::Secdb, plain, document.as_bytes(), &FeedLimits::default()).1.is_fit(), is_fit);
    }
    for (form, document) in documents {
        let report = read(form, plain, document.as_bytes(), &FeedLimits::default()).1;
        assert!(report.is_fit(), "{form}: {report:?}");
        for length in 0..document.len() {
            let report = read(form, plain, &document.as_bytes()[..length], &FeedLimits::default()).1;
            assert!(!report.is_fit(), "{form}: {length}: {report:?}");
        }
    }
}

#[test]
fn a_page_in_place_of_a_feed_is_none() {
    let page = "<!doctype html><html><head><title>Moved</title></head><body>Sign in first.<br></body></html>\n";
    for form in Form::all() {
        for packaging in Packaging::all() {
            let report = read(form, packaging, page.as_bytes(), &FeedLimits::default()).1;
            assert!(!report.is_fit(), "{form} {packaging}: {report:?}");
        }
    }
}

#[test]
fn a_broken_file_of_an_archive_is_one_record() {
    let whole = lines();
    let parts = [("a.json", whole.as_bytes()), ("b.json", b"{\"id\":".as_slice()), ("c.json", whole.as_bytes())];
    for (packaging, bytes) in [(Packaging::Zip, zip(&parts)), (Packaging::Tar(Compression::Gzip), gzip(&tar(&parts)))] {
        let report = read(Form::Osv, packaging, &bytes, &FeedLimits::default()).1;
        assert_eq!((report.records, report.broken, report.ended), (80, 1, None), "{packaging}");
    }
    let nothing = zip(&[("a.zip", zip(&parts).as_slice()), ("b.zip", b"")]);
    let report = read(Form::Osv, Packaging::ZipInZip, &nothing, &FeedLimits::default()).1;
    assert_eq!(report.ended.as_deref(), Some("it does not hold one archive"));
    let about = About::default();
    let mut keep = |_| ControlFlow::Continue(());
    let input = Cursor::new(zip(&[("a.zip", zip(&parts).as_slice())]));
    let report = import_file(Form::Osv, Packaging::ZipInZip, about, input, None, &FeedLimits::default(), &mut keep);
    assert!(report.ended.is_some());
}

#[test]
fn too_much_is_noticed() {
    let spaces = vec![b' '; 8 << 20];
    let tight = FeedLimits { ratio: 50, ratio_from_bytes: 1 << 20, ..FeedLimits::default() };
    let small = FeedLimits { bytes: 1 << 20, ..FeedLimits::default() };
    let few = FeedLimits { entries: 2, ..FeedLimits::default() };
    let one = FeedLimits { records: 1, ..FeedLimits::default() };
    let parts = [("a.json", spaces.as_slice()), ("b.json", spaces.as_slice())];
    for packaging in Packaging::all() {
        let bytes = match packaging {
            Packaging::File(compression) => packed(compression, &spaces),
            Packaging::Tar(compression) => packed(compression, &tar(&parts)),
            Packaging::Zip => zip(&parts),
            Packaging::ZipInZip => zip(&[("a.zip", zip(&parts).as_slice())]),
        };
        let report = read(Form::Osv, packaging, &bytes, &small).1;
        assert!(report.ended.as_deref().is_some_and(|why| why.contains("larger than")), "{packaging}: {report:?}");
        // What is stored as it is has no ratio; of the outer zip only the inner one's size is asked.
        if bytes.len() < spaces.len() / 50 {
            let report = read(Form::Osv, packaging, &bytes, &tight).1;
            assert!(
                report.ended.as_deref().is_some_and(|why| why.contains("times its size")),
                "{packaging}: {report:?}"
            );
        }
    }
    for (packaging, bytes) in files() {
        let is_archive = !matches!(packaging, Packaging::File(_));
        let report = read(Form::Osv, packaging, &bytes, &few).1;
        assert_eq!(report.ended.is_some(), is_archive, "{packaging}: {report:?}");
        let report = read(Form::Osv, packaging, &bytes, &one).1;
        assert_eq!(report.ended.as_deref(), Some("it has more than 1 records"), "{packaging}");
        let mut end = |_| ControlFlow::Break(());
        let mut scratch = tempfile::tempfile().expect("a file");
        let input = Cursor::new(&bytes);
        let limits = FeedLimits::default();
        let report = import_file(Form::Osv, packaging, About::default(), input, Some(&mut scratch), &limits, &mut end);
        assert_eq!((report.records, report.ended.as_deref()), (1, Some("it was ended")), "{packaging}");
    }
}

#[test]
fn memory_is_bounded_whatever_a_header_says() {
    // A dictionary of 4 GiB - 1.
    let mut file = stored_xz(b"{}");
    file[16] = 40;
    let mut crc = flate2::Crc::new();
    crc.update(&file[12..20]);
    file[20..24].copy_from_slice(&crc.sum().to_le_bytes());
    let report = read(Form::Osv, Packaging::File(Compression::Xz), &file, &FeedLimits::default()).1;
    assert!(report.ended.as_deref().is_some_and(|why| why.contains("memory")), "{report:?}");
    // A window of 2 GiB.
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).expect("an encoder");
    encoder.window_log(31).expect("a window");
    encoder.long_distance_matching(true).expect("a distance");
    encoder.write_all(b"{}").expect("bytes");
    encoder.flush().expect("a block");
    let file = encoder.finish().expect("zstd");
    let report = read(Form::Osv, Packaging::File(Compression::Zstd), &file, &FeedLimits::default()).1;
    assert!(report.ended.as_deref().is_some_and(|why| why.contains("memory")), "{report:?}");
    // A name of many gigabytes.
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_cksum();
    let report = read(Form::Osv, Packaging::Tar(Compression::None), header.as_bytes(), &FeedLimits::default()).1;
    assert_eq!(report.ended.as_deref(), Some("a header of it is too large"));
}

#[test]
fn no_file_harms_the_reader() {
    let limits = FeedLimits { bytes: 4 << 20, ..FeedLimits::default() };
    for (packaging, bytes) in files() {
        mutate::binaries(&[&bytes], 200, |bytes| {
            read(Form::Osv, packaging, bytes, &limits);
        });
    }
}
