//! The program that tests start in place of Wharf, and layers.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use flate2::{Compression, write::GzEncoder};
use scan::limits::Limits;
use scan_worker::{Analyst, COMMAND, Demand};

/// Time that no child of these tests needs.
pub const LONG: Duration = Duration::from_secs(120);

/// `examples/planted`, which is built with the tests.
pub fn planted() -> PathBuf {
    let own = std::env::current_exe().expect("a path");
    let folder = own.parent().and_then(|deps| deps.parent()).expect("target/debug");
    let planted = folder.join("examples/planted");
    assert!(planted.is_file(), "{}: `cargo build -p scan-worker --examples` makes it", planted.display());
    planted
}

/// One whose children are as they should be.
pub fn analyst(limits: Limits) -> Analyst {
    Analyst::new(limits, Demand::Required).with_program(planted(), &[COMMAND])
}

/// One whose children misbehave.
pub fn misbehaving(how: &str) -> Analyst {
    Analyst::new(small(), Demand::BestEffort).with_program(planted(), &["misbehave", how])
}

/// Limits that are reached soon.
pub fn small() -> Limits {
    Limits { file_bytes: 1 << 20, facts_bytes: 1 << 20, ..Limits::default() }
}

/// An entry of an archive: its kind, its path, and its content or the target of a link.
pub type Entry<'a> = (tar::EntryType, &'a str, &'a [u8]);

pub fn file<'a>(path: &'a str, content: &'a (impl AsRef<[u8]> + ?Sized)) -> Entry<'a> {
    (tar::EntryType::Regular, path, content.as_ref())
}

pub fn hard_link<'a>(path: &'a str, target: &'a str) -> Entry<'a> {
    (tar::EntryType::Link, path, target.as_bytes())
}

pub fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (kind, path, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        if kind.is_hard_link() || kind.is_symlink() {
            header.set_size(0);
            let target = std::str::from_utf8(content).expect("a path");
            archive.append_link(&mut header, path, target).expect("memory");
        } else {
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, path, *content).expect("memory");
        }
    }
    archive.into_inner().expect("memory")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory");
    encoder.finish().expect("memory")
}
