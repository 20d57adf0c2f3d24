//! Layers that mean harm: reading them ends, takes no more than the limits say, and tells what was not read.

use std::io::{self, Read};

use mutate::Form;
use scan::facts::LayerFacts;
use scan::inventory::fold;
use scan::layer;
use scan::limits::Limits;

use super::support::{
    DETECTORS, Entry, directory, entry, facts, file, gzip, hard_link, header, image, link, open_tar, pax, tar, zstd,
};

/// The same bytes again and again.
struct Again<'a> {
    bytes: &'a [u8],
    at: usize,
    times: u64,
}

fn again(bytes: &[u8], times: u64) -> Again<'_> {
    Again { bytes, at: 0, times }
}

impl Read for Again<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.bytes.len() {
            (self.at, self.times) = (0, self.times.saturating_sub(1));
        }
        if self.times == 0 {
            return Ok(0);
        }
        let count = (&self.bytes[self.at..]).read(buffer)?;
        self.at += count;
        Ok(count)
    }
}

fn read(input: impl Read, limits: &Limits) -> LayerFacts {
    layer::read(input, &DETECTORS, limits).expect("memory can be read").facts
}

#[test]
fn bombs() {
    let mut bomb = file("bomb.pkg", "");
    bomb.size = Some(1 << 40);
    let zeros = vec![0; 8 << 20];
    let limits = Limits { ratio: 100, ratio_from_bytes: 8 << 20, ..Limits::default() };
    for (front, more) in [(gzip(&header(&bomb)), gzip(&zeros)), (zstd(&header(&bomb)), zstd(&zeros))] {
        let facts = read(front.chain(again(&more, u64::MAX)), &limits);
        assert_eq!(facts.problems, ["the layer unpacks to more than 100 times its size"]);
        let limits = Limits { ratio: u64::MAX, unpacked_bytes: 20 << 20, ..limits };
        let facts = read(front.chain(again(&more, u64::MAX)), &limits);
        assert_eq!(facts.problems, ["the layer unpacks to more than 20971520 bytes"]);
        // It is not read for a detector either.
        assert_eq!(facts.evidence().count(), 1);
    }
}

#[test]
fn entries_without_end() {
    let limits = Limits { entries: 200_000, facts_bytes: 1 << 20, ..Limits::default() };
    let blocks = open_tar(&[file("some/path", ""), file("some/.wh.other", ""), entry(b'g', "", "", "")]);
    let facts = read(again(&blocks, u64::MAX), &limits);
    assert_eq!(facts.problems, ["what is to be kept of the layer takes more than 1048576 bytes"]);
    let nothing = open_tar(&[entry(b'g', "", "", ""), file(".wh.", ""), directory("/")]);
    assert_eq!(read(again(&nothing, u64::MAX), &limits).problems, ["the layer has more than 200000 entries"]);
    let odd = read(again(&open_tar(&[entry(b'?', "odd", "", "")]), 10_000), &limits);
    assert_eq!((odd.problems.len(), odd.problems.last().map(String::as_str)), (51, Some("and 9950 more problems")));
}

#[test]
fn headers_that_ask_for_memory() {
    for kind in [b'L', b'K', b'x', b'g'] {
        let mut long = entry(kind, "", "", "");
        long.size = Some(1 << 33);
        let facts = read((&header(&long)[..]).chain(io::repeat(b'a')), &Limits::default());
        assert!(
            facts.problems[0].contains("a header in front of an entry that is of a usual size"),
            "{:?}",
            facts.problems
        );
    }
    let long = facts(&[entry(b'L', "", "", vec![b'a'; 1 << 20]), file("x", "")]);
    assert!(long.problems[0].ends_with("… has a path or a target that is too long, and was left out"));
    // A hole costs no byte of the layer, but counts.
    let hole = |size: u64| {
        let size = size.to_string();
        let records = [("GNU.sparse.map", "0,1"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.size", &*size)];
        open_tar(&[pax(&records), file("hole.pkg", "x")])
    };
    let limits = Limits { unpacked_bytes: 1 << 30, ..Limits::default() };
    let told = read(again(&hole(200 << 20), u64::MAX), &limits);
    assert_eq!(told.problems, ["the layer unpacks to more than 1073741824 bytes"]);
    assert_eq!(told.evidence().count(), 5);
    let told = read(hole(1 << 50).as_slice(), &limits);
    assert_eq!(told.files[0].evidence[0].found.problems, ["is larger than 268435456 bytes, and was not read"]);
    let mut endless = tar::GnuExtSparseHeader::new();
    endless.set_is_extended(true);
    let mut first = tar::Header::new_gnu();
    first.set_entry_type(tar::EntryType::GNUSparse);
    first.set_size(0);
    first.as_gnu_mut().expect("GNU's").set_is_extended(true);
    first.set_cksum();
    let limits = Limits { unpacked_bytes: 1 << 20, ..limits };
    let told = read(first.as_bytes().chain(again(endless.as_bytes(), u64::MAX)), &limits);
    assert_eq!(told.problems, ["the layer unpacks to more than 1048576 bytes"]);
}

#[test]
fn links_through_links_through_links() {
    // Each leads twice through the next.
    let mut entries: Vec<Entry> =
        (0..60).map(|at| link(&format!("l{at}"), &format!("l{}/../l{}", at + 1, at + 1))).collect();
    entries.extend((0..60).map(|at| link(&format!("r{at}"), &format!("r{}", (at + 1) % 60))));
    entries.push(link("self", "self"));
    let far = format!("far{}", "/x".repeat(2_000));
    entries.push(link("far", &far));
    for at in 0..2_000 {
        entries.push(file(&format!("l0/{at}.pkg"), "npm a 1"));
        entries.push(file(&format!("r0/{at}.pkg"), "npm a 1"));
        entries.push(hard_link(&format!("{at}.pkg"), "self/x"));
        entries.push(file(&format!("far/{at}.pkg"), "npm a 1"));
    }
    let inventory = image(&[&entries]);
    assert_eq!(inventory.packages, []);
    assert_eq!(inventory.problems.len(), 51);
    assert!(inventory.problems.iter().any(|problem| problem.what.ends_with("more problems with links")));
}

#[test]
fn deep_paths() {
    let deep = |at: u64| format!("{}{at}.pkg", "d/".repeat(2_000));
    let mut entries: Vec<Entry> = (0..1_000).map(|at| file(&deep(at), "npm a 1")).collect();
    let below = facts(&entries);
    let inventory = fold(&[&below]);
    assert_eq!((inventory.packages[0].occurrences.len(), inventory.is_whole()), (1_000, true));
    entries.insert(0, file(".wh.d", ""));
    entries.truncate(2);
    assert_eq!(image(&[&entries[1..], &entries[..1]]).packages, []);
    assert_eq!(image(&[&entries[1..], &[file("d", "")]]).hidden.len(), 1);
}

#[test]
fn links_and_directories_that_unfold() {
    let many = (0..2_000).fold(String::new(), |lines, at| lines + "npm a " + &at.to_string() + "\n");
    let mut entries = vec![file("0.pkg", many)];
    entries.extend((1..200).map(|at| hard_link(&format!("{at}.pkg"), "0.pkg")));
    let inventory = image(&[&entries]);
    assert_eq!((inventory.packages.len(), inventory.packages[0].occurrences.len()), (2_000, 101));
    assert_eq!(inventory.problems.len(), 51);
    assert!(inventory.problems[1].what.ends_with("of which there are too many"), "{:?}", inventory.problems[1]);
    let deep = (0..600).map(|at| link(&format!("{at}/{}", "d/".repeat(1_900)), "x"));
    let inventory = image(&[&deep.chain([file("last.pkg", "npm a 1")]).collect::<Vec<_>>()]);
    assert_eq!(inventory.problems[1].what, "lies in an image that has too many directories");
}

/// An archive with right checksums, whatever else was changed in it.
fn mended(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for block in bytes.chunks_exact_mut(512).filter(|block| block[257..262] == *b"ustar") {
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(block);
        header.set_cksum();
        block.copy_from_slice(header.as_bytes());
    }
    bytes
}

fn check(bytes: &[u8]) {
    let limits = Limits { facts_bytes: 1 << 20, ..Limits::default() };
    let read = layer::read(bytes, &DETECTORS, &limits).expect("memory can be read");
    assert_eq!(layer::read(bytes, &DETECTORS, &limits).expect("memory can be read"), read);
    let mut facts = read.facts;
    if let Some(again) = read.again {
        facts = layer::read_again(bytes, again, &DETECTORS, &limits).expect("memory can be read");
    }
    assert_eq!(LayerFacts::from_bytes(&facts.to_bytes(), &limits).as_ref(), Ok(&facts));
    let inventory = fold(&[&facts, &facts]);
    assert!(facts.problems.is_empty() || !inventory.is_whole());
}

#[test]
fn changed_archives() {
    let long = format!("{}packages", "long/".repeat(30));
    let sparse =
        [("GNU.sparse.map", "0,7"), ("GNU.sparse.numblocks", "1"), ("GNU.sparse.size", "9"), ("path", "p.pkg")];
    let seeds = [
        tar(&[directory("a"), file("a/packages", "npm a 1\nowns a/x b"), link("l", "a"), file("l/x.pkg", "os b 1")]),
        tar(&[file(&long, "npm a 1"), hard_link("x.pkg", &long), file("s", "npm s 1"), hard_link("t.pkg", "s")]),
        tar(&[pax(&sparse), file("x", "npm a 1"), file("a/.wh.b", ""), file("etc/os-release", "ID=x")]),
    ];
    let seeds = seeds.map(|bytes| String::from_utf8(bytes).expect("ASCII"));
    let seeds = seeds.each_ref().map(String::as_str);
    mutate::inputs(Form::Text, &seeds, 1_500, |input| {
        check(input);
        check(&mended(input));
    });
}

#[test]
fn damage_in_compressed_layers() {
    let whole = tar(&[file("a/packages", "npm a 1\n".repeat(500)), file("b/packages", "npm b 1")]);
    for packed in [gzip(&whole), zstd(&whole)] {
        for at in 0..packed.len() {
            let mut damaged = packed.clone();
            damaged[at] ^= 1 << (at % 8);
            check(&damaged);
            check(&packed[..at]);
        }
    }
}
