//! Archives of all kinds, read into facts.

use scan::limits::Limits;

use super::support::{
    Entry, analyse, directory, entry, facts, facts_of, file, gzip, hard_link, header, link, open_tar, packages, pax,
    tar, told, zstd,
};

fn some() -> Vec<Entry> {
    vec![
        directory("app/"),
        file("app/packages", "npm a 1\n"),
        file("app/other", vec![7; 3000]),
        link("app/l", "../x"),
        file("bin/tool", "MAGIC tool"),
    ]
}

const SOME: [&str; 5] = ["app/", "app/packages read", "app/other", "app/l -> ../x", "bin/tool read"];

#[test]
fn packed_or_not_a_layer_is_the_same() {
    let plain = tar(&some());
    let (front, back) = plain.split_at(1000);
    let skippable = [b"\x5a\x2a\x4d\x18\x03\0\0\0abc".as_slice(), &zstd(&plain)].concat();
    let forms = [
        plain.clone(),
        gzip(&plain),
        [gzip(front), gzip(back)].concat(),
        zstd(&plain),
        [zstd(front), zstd(back)].concat(),
        skippable,
        // What is behind the end is no part of the archive.
        [plain.clone(), tar(&[file("more", "")])].concat(),
        open_tar(&some()),
        [open_tar(&some()), vec![0; 512]].concat(),
    ];
    let expected = facts_of(&plain);
    assert_eq!(told(&expected), SOME);
    assert!(expected.is_whole());
    for (at, form) in forms.iter().enumerate() {
        assert_eq!(facts_of(form), expected, "{at}");
    }
    assert!(facts_of(&[]).is_whole(), "an empty layer");
    assert!(facts_of(&gzip(&[])).is_whole());
}

/// A reader that gives one byte at a time.
struct Slow<'a>(&'a [u8]);

impl std::io::Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (Some((first, rest)), Some(place)) = (self.0.split_first(), buffer.first_mut()) else { return Ok(0) };
        (*place, self.0) = (*first, rest);
        Ok(1)
    }
}

/// A reader that fails in the end.
struct Failing<'a>(&'a [u8]);

impl std::io::Read for Failing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(std::io::Error::other("the disk is gone")),
            count => Ok(count),
        }
    }
}

#[test]
fn how_the_bytes_come_makes_no_difference() {
    for form in [tar(&some()), gzip(&tar(&some())), zstd(&tar(&some()))] {
        let analysis = scan::layer::read(Slow(&form), &super::support::DETECTORS, &Limits::default()).expect("bytes");
        assert_eq!(analysis.facts, facts_of(&form));
        // What cannot be read now can be read later: it says nothing of the layer.
        let failed =
            scan::layer::read(Failing(&form[..form.len() / 2]), &super::support::DETECTORS, &Limits::default());
        assert_eq!(failed.expect_err("no layer").to_string(), "the disk is gone");
    }
}

#[test]
fn kinds_of_entries() {
    let mut contiguous = file("contiguous.pkg", "npm a 1");
    contiguous.kind = b'7';
    let mut old_directory = directory("old/");
    old_directory.kind = 0;
    let mut old = file("old/file.pkg", "npm b 1");
    old.kind = 0;
    // Kinds without content have none, whatever their size says.
    let mut sized = hard_link("hard", "contiguous.pkg");
    sized.size = Some(5000);
    let entries = [
        contiguous,
        old_directory,
        old,
        sized,
        entry(b'3', "device", "", ""),
        entry(b'4', "block", "", ""),
        entry(b'6', "pipe", "", ""),
        entry(b'g', "pax_global_header", "", "16 path=ignored\n"),
        file("./dot//path", ""),
        file("/absolute", ""),
        file("a/../b/../../up", ""),
        directory("."),
        directory("/"),
        link("to", "/a//../b"),
    ];
    let read = facts(&entries);
    let expected = [
        "contiguous.pkg read",
        "old/",
        "old/file.pkg read",
        "hard = contiguous.pkg []",
        "device",
        "block",
        "pipe",
        "dot/path",
        "absolute",
        "up",
        "to -> /a//../b",
    ];
    assert_eq!(told(&read), expected);
    assert!(read.is_whole(), "{:?}", read.problems);
    let unknown = facts(&[entry(b'M', "half", "", "x"), file("whole", "")]);
    assert_eq!(told(&unknown), ["whole"]);
    assert_eq!(unknown.problems, ["half is of a kind that is not known, and was left out"]);
}

#[test]
fn whiteouts() {
    let read = facts(&[
        file("a/.wh.b", ""),
        file(".wh.c", ""),
        file("d/.wh..wh..opq", ""),
        file(".wh..wh..opq", ""),
        file(".wh..wh.plnk", ""),
        file("e/.wh.", ""),
    ]);
    assert_eq!(
        (read.whiteouts, read.opaque),
        (vec!["a/b".to_owned(), "c".to_owned()], vec!["d".to_owned(), String::new()])
    );
    assert!(read.entries.is_empty());
}

#[test]
fn long_names() {
    let long = format!("{}packages", "directory/".repeat(50));
    let records = [("path", long.as_str()), ("linkpath", long.as_str())];
    let read = facts(&[
        file(&long, "npm a 1"),
        link("l", &long),
        pax(&records),
        file("short", "npm a 1"),
        pax(&records),
        link("m", "short"),
        // A record without a value counts as none.
        pax(&[("path", "")]),
        file("short", ""),
    ]);
    let target = format!("-> {long}");
    let expected = [
        format!("{long} read"),
        format!("l {target}"),
        format!("{long} read"),
        format!("{long} {target}"),
        "short".to_owned(),
    ];
    assert_eq!(told(&read), expected);
    // The name of GNU's header counts before that of the records; what is in front of global records is forgotten.
    let gnu = entry(b'L', "././@LongLink", "", "gnu\0rest");
    let both = facts(&[pax(&records), gnu.clone(), file("own", ""), gnu, entry(b'g', "", "", ""), file("own", "")]);
    assert_eq!(told(&both), ["gnu", "own"]);
}

#[test]
fn names_in_two_parts() {
    let mut block = tar::Header::new_ustar();
    block.set_path(format!("{}/packages", ["prefix"; 20].join("/"))).expect("two parts");
    block.set_size(0);
    block.set_cksum();
    let read = facts_of(block.as_bytes());
    assert_eq!(told(&read), [format!("{}/packages read", ["prefix"; 20].join("/"))]);
}

#[test]
fn sizes_beyond_the_header() {
    let mut sized = file("a.pkg", "npm a 1");
    sized.size = Some(0);
    let read = facts(&[pax(&[("size", "7")]), sized, file("b.pkg", "npm b 1")]);
    assert_eq!(told(&read), ["a.pkg read", "b.pkg read"]);
    assert_eq!(read.evidence().map(|evidence| evidence.found.packages.len()).collect::<Vec<_>>(), [1, 1]);
}

/// Sparse files in all forms: `npm a 1`, a hole of 1,000 zeros with a line's end at its end, and `npm b 1`.
#[test]
fn sparse_files() {
    let whole = [b"npm a 1\n".as_slice(), &[0; 991], b"\nnpm b 1\n"].concat();
    let packed = b"npm a 1\n\nnpm b 1\n";
    let (size, map) = (whole.len().to_string(), "0,8,999,9");
    let oldest = [
        ("GNU.sparse.size", size.as_str()),
        ("GNU.sparse.numblocks", "2"),
        ("GNU.sparse.offset", "0"),
        ("GNU.sparse.numbytes", "8"),
        ("GNU.sparse.offset", "999"),
        ("GNU.sparse.numbytes", "9"),
    ];
    let old = [("GNU.sparse.size", size.as_str()), ("GNU.sparse.numblocks", "2"), ("GNU.sparse.map", map)];
    let new = [
        ("GNU.sparse.major", "1"),
        ("GNU.sparse.minor", "0"),
        ("GNU.sparse.name", "new.pkg"),
        ("GNU.sparse.realsize", size.as_str()),
    ];
    let mut in_front = b"2\n0\n8\n999\n9\n".to_vec();
    in_front.resize(512, 0);
    in_front.extend(packed);
    let mut archive = open_tar(&[pax(&oldest), file("oldest.pkg", packed), pax(&old), file("old.pkg", packed)]);
    archive.extend(open_tar(&[pax(&new), file("GNUSparseFile.1/new", in_front)]));
    archive.extend(gnu_sparse("gnu.pkg", whole.len() as u64, packed));
    archive.extend(tar(&[file("plain.pkg", whole)]));
    let read = facts_of(&archive);
    assert_eq!(told(&read), ["oldest.pkg read", "old.pkg read", "new.pkg read", "gnu.pkg read", "plain.pkg read"]);
    let found: Vec<_> = read.evidence().map(|evidence| &evidence.found).collect();
    assert_eq!(found.iter().filter(|one| **one == found[4]).count(), 5, "{found:#?}");
    assert_eq!(found[4].packages.len(), 2);
}

/// A sparse file in GNU's own form, its second piece in a block of its own.
fn gnu_sparse(name: &str, size: u64, packed: &[u8]) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).expect("short");
    header.set_entry_type(tar::EntryType::GNUSparse);
    header.set_size(packed.len() as u64);
    let gnu = header.as_gnu_mut().expect("GNU's");
    gnu.set_real_size(size);
    for (piece, (offset, length)) in gnu.sparse.iter_mut().zip([(0, 8)]) {
        piece.set_offset(offset);
        piece.set_length(length);
    }
    gnu.set_is_extended(true);
    header.set_cksum();
    let mut more = tar::GnuExtSparseHeader::new();
    more.sparse_mut()[0].set_offset(999);
    more.sparse_mut()[0].set_length(9);
    let mut bytes = [header.as_bytes().as_slice(), more.as_bytes(), packed].concat();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

#[test]
fn a_layer_that_is_cut_off_is_partly_analysed() {
    let whole = tar(&some());
    let read = facts_of(&whole[..1026]);
    assert_eq!(told(&read), ["app/"]);
    assert_eq!(read.problems, ["the layer's archive ends in the middle of an entry"]);
    for packed in [gzip(&whole), zstd(&whole)] {
        let cut = facts_of(&packed[..packed.len() / 2]);
        assert!(cut.problems[0].starts_with("the layer cannot be unpacked: ") && !cut.is_whole(), "{:?}", cut.problems);
    }
    let mut broken = whole;
    broken[512] ^= 1;
    assert_eq!(told(&facts_of(&broken)), ["app/"]);
    assert!(facts_of(&broken).problems[0].contains("an entry lacks the right checksum"));
    for other in [b"\xfd7zXZ\0 and what follows".as_slice(), b"hello", &[b'x'; 5000]] {
        assert!(!facts_of(other).is_whole());
    }
}

#[test]
fn hard_links_to_what_was_not_read_ask_for_a_second_reading() {
    let entries = [file("store/1", "npm a 1"), hard_link("app/a.pkg", "store/1"), hard_link("app/b", "store/1")];
    let analysis = analyse(&tar(&entries), &Limits::default());
    assert_eq!(told(&analysis.facts), ["store/1", "app/a.pkg = store/1 [1]", "app/b = store/1 []"]);
    assert!(analysis.again.is_some());
    assert_eq!(told(&facts(&entries)), ["store/1 read", "app/a.pkg = store/1 [1]", "app/b = store/1 []"]);
    let image = super::support::image(&[&entries]);
    assert_eq!((packages(&image), image.is_whole()), (vec!["a 1 app/a.pkg".to_owned()], true));
    // Of one that a later entry has replaced, the link is what is there then.
    let replaced = [file("s", "npm a 1"), file("s/x", ""), hard_link("a.pkg", "s")];
    assert_eq!(packages(&super::support::image(&[&replaced])), Vec::<String>::new());
    // Nothing more would be found in what was read.
    let read = [file("a.pkg", "npm a 1"), hard_link("b.pkg", "a.pkg"), file("m", "MAGIC m"), hard_link("n", "m")];
    let analysis = analyse(&tar(&read), &Limits::default());
    assert_eq!(told(&analysis.facts), ["a.pkg read", "b.pkg = a.pkg [1]", "m read", "n = m [2]"]);
    assert_eq!(analysis.again, None);
}

#[test]
fn what_each_limit_leaves() {
    let limits = Limits::default();
    let reached = |limits: Limits, entries: &[Entry]| {
        let facts = analyse(&tar(entries), &limits).facts;
        let found = facts.evidence().flat_map(|evidence| evidence.found.problems.clone()).collect::<Vec<_>>();
        assert!(!facts.is_whole());
        (told(&facts), [facts.problems.clone(), found].concat().join("; "))
    };
    let (left, why) = reached(Limits { entries: 2, ..limits }, &some());
    assert_eq!((left.len(), &*why), (2, "the layer has more than 2 entries"));
    let (left, why) = reached(Limits { unpacked_bytes: 4096, ..limits }, &[file("a", ""), file("b", vec![1; 300_000])]);
    assert_eq!((left.len(), &*why), (0, "the layer unpacks to more than 4096 bytes"));
    let (left, why) = reached(Limits { file_bytes: 5, ..limits }, &some());
    assert_eq!(left, SOME);
    assert_eq!(why, "is larger than 5 bytes, and was not read; is larger than 5 bytes, and was not read");
    let (left, why) = reached(Limits { path_bytes: 12, ..limits }, &[file("packages", ""), file("of/13/letters", "")]);
    assert_eq!((left.len(), &*why), (1, "of/13/letters has a path or a target that is too long, and was left out"));
    let many = file("packages", "npm a 1\nnpm b 1\nnpm c 1\n");
    let (left, why) = reached(Limits { packages: 2, ..limits }, &[many, file("x", "")]);
    assert_eq!((left.len(), &*why), (2, "brings the layer's packages to more than 2"));
    let archives = ["a.pkg", "b.pkg", "c.pkg"].map(|name| file(name, "unpacks 40"));
    let (_, why) = reached(Limits { archive_bytes: 40, archives_bytes: 60, ..limits }, &archives);
    assert_eq!(why, "20 of 40 bytes are unpacked; 0 of 40 bytes are unpacked");
    let (left, why) = reached(Limits { facts_bytes: 500, ..limits }, &vec![file("some/path", ""); 100]);
    assert_eq!(why, "what is to be kept of the layer takes more than 500 bytes");
    assert!(left.len() > 10);
    let ratio = Limits { ratio: 20, ratio_from_bytes: 1 << 20, ..limits };
    let zeros = analyse(&gzip(&tar(&[file("a", ""), file("zeros", vec![0; 10 << 20]), file("b", "")])), &ratio).facts;
    assert_eq!(zeros.problems, ["the layer unpacks to more than 20 times its size"]);
    assert_eq!(told(&zeros), ["a", "zeros"]);
}

#[test]
fn headers_that_only_look_right_are_refused() {
    let refused = |change: &dyn Fn(&mut [u8; 512])| {
        let mut block = header(&file("a.pkg", ""));
        change(&mut block);
        let mut header = tar::Header::new_old();
        header.as_mut_bytes().copy_from_slice(&block);
        header.set_cksum();
        !facts_of(header.as_bytes()).is_whole()
    };
    assert!(!refused(&|_| {}));
    for size in [
        b"0000000008x\0",
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
        b"-0000000001\0",
        b"\x80\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",
    ] {
        assert!(refused(&|block| block[124..136].copy_from_slice(size)), "{size:?}");
    }
    // No digits are no bytes.
    assert!(!refused(&|block| block[124..136].fill(b' ')));
}
