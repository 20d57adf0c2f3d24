//! The header of a package.

use scan::{detectors::Rpm, facts::Found, limits::Limits};

use super::super::read_within;
use super::{
    NDB,
    made::{
        EPOCH, FILE_FLAGS, FILE_MODES, FILE_NAMES, FILE_STATES, FOLDER_OF_FILE, FOLDERS, Header, MODULE, Made, NAME,
        RELEASE, SOURCE, STRING, VENDOR, VERSION,
    },
    ndb, owned, read,
};

fn read_one(header: &Header) -> Found {
    read(&Rpm, NDB, &ndb::database(&[header.blob()]))
}

/// A package `a` of version `1` and release `2`.
fn plain() -> Header {
    Header::default().string(NAME, "a").string(VERSION, "1").string(RELEASE, "2")
}

/// Files of the folders `/b/` and `/c/`.
fn with_files(header: Header, folder_of_file: &[u32], names: &[&str]) -> Header {
    header
        .int32s(FOLDER_OF_FILE, folder_of_file)
        .strings(FILE_NAMES, names.iter().copied())
        .strings(FOLDERS, ["/b/", "/c/"])
}

#[test]
fn fields() {
    let versions = |header: &Header| {
        let found = read_one(header);
        assert!(found.problems.is_empty(), "{:?}", found.problems);
        let package = found.packages.into_iter().next().expect("a package");
        let source = package.source.map_or(String::new(), |source| format!("{} {}", source.name, source.version));
        [package.version, source, package.vendor.unwrap_or_default(), package.module.unwrap_or_default()]
    };
    for (header, expected) in [
        (plain(), ["1-2", "", "", ""]),
        (plain().int32s(EPOCH, &[0]), ["1-2", "", "", ""]),
        (plain().int32s(EPOCH, &[4_294_967_295]), ["4294967295:1-2", "", "", ""]),
        // The source has no epoch, so it is the same.
        (plain().int32s(EPOCH, &[3]).string(SOURCE, "a-1-2.src.rpm"), ["3:1-2", "", "", ""]),
        (plain().string(SOURCE, "a-1-3.src.rpm"), ["1-2", "a 1-3", "", ""]),
        (plain().string(SOURCE, "b-c-1-2.nosrc.rpm"), ["1-2", "b-c 1-2", "", ""]),
        (plain().string(SOURCE, "(none)"), ["1-2", "", "", ""]),
        (plain().string(VENDOR, "Fedora Project").string(MODULE, "m:1:2:c"), ["1-2", "", "Fedora Project", "m:1:2:c"]),
        // What rpm adds counts before what the package brings.
        (plain().string(VENDOR, "one").string(VENDOR, "two"), ["1-2", "", "two", ""]),
    ] {
        assert_eq!(versions(&header), expected.map(ToOwned::to_owned));
    }
    let found = read_one(&Header::default().string(NAME, "a").string(VERSION, "1"));
    assert_eq!((found.packages[0].version.as_str(), found.packages[0].arch.as_str()), ("1", ""));
}

#[test]
fn a_key_is_no_package() {
    let key = Header::default().string(NAME, "gpg-pubkey").string(VERSION, "3135ce90").string(RELEASE, "5e6fda74");
    assert_eq!(read_one(&key), Found::default());
}

#[test]
fn only_files_that_the_package_brought_are_owned() {
    let modes = [0o100_644, 0o040_755, 0o120_777, 0o100_755, 0o100_644, 0o100_644];
    let header = with_files(plain(), &[0, 0, 0, 1, 1, 1], &["file", "folder", "link", "program", "ghost", "left-out"])
        .int16s(FILE_MODES, &modes)
        .int32s(FILE_FLAGS, &[1, 0, 0, 0, 64, 2])
        .chars(FILE_STATES, &[0, 0, 0, 1, 0, 2]);
    let found = read_one(&header);
    assert_eq!(owned(&found), ["a b/file", "a c/program"]);
    assert!(found.problems.is_empty(), "{:?}", found.problems);
    // Where that is not told, all are.
    let found = read_one(&with_files(plain(), &[1, 0], &["d", "e"]));
    assert_eq!(owned(&found), ["a c/d", "a b/e"]);
    // Packages from long ago have whole paths.
    let old = plain().strings(1027, ["/b/d", "/e"]).int16s(FILE_MODES, &[0o100_644, 0o100_644]);
    assert_eq!(owned(&read_one(&old)), ["a b/d", "a e"]);
}

#[test]
fn what_is_broken_is_said() {
    let cut = |header: Header, tag| header.entry(tag, STRING, 1, 1, b"no end");
    for (header, version, problem) in [
        (Header::default().string(VERSION, "1"), None, "a package has no name"),
        (Header::default(), None, "a package has no name"),
        (Header::default().int32s(NAME, &[1]), None, "tag 1000 of a package's header is broken"),
        (Header::default().string(NAME, "a").string(RELEASE, "2"), Some(""), "a has no version"),
        (cut(plain(), VENDOR), Some("1-2"), "tag 1011 of a package's header has no end"),
        (plain().string(EPOCH, "1"), Some("1-2"), "tag 1003 of a package's header is broken"),
        (plain().entry(EPOCH, 4, 4, 99, &[0; 8]), Some("1-2"), "tag 1003 of a package's header is cut short"),
        (plain().string(SOURCE, "what"), Some("1-2"), "the source of a is no name of a source package"),
        (with_files(plain(), &[0], &["b", "c"]), Some("1-2"), "the list of the files of a is broken after 1 of 2"),
        (with_files(plain(), &[0, 2], &["b", "c"]), Some("1-2"), "the list of the files of a is broken after 1 of 2"),
        (plain().entry(1027, 8, 1, 3, b"/b\0/c\0"), Some("1-2"), "the list of the files of a is broken after 2 of 3"),
        (
            plain().entry(FILE_MODES, 3, 1, 2, b"").int32s(1, &[]),
            Some("1-2"),
            "tag 1030 of a package's header is cut short",
        ),
    ] {
        let found = read_one(&header);
        assert_eq!(found.problems.first().map(String::as_str), Some(problem), "{:?}", found.problems);
        assert_eq!(found.packages.first().map(|package| package.version.as_str()), version, "{problem}");
    }
    for length in [0, 7, 8, 20] {
        let found = read(&Rpm, NDB, &ndb::database(&[plain().blob()[..length].to_vec()]));
        assert_eq!(found.problems, ["a package's header is cut short"]);
    }
}

#[test]
fn a_long_folder_is_not_written_out_for_each_file() {
    let names = vec!["n"; 50_000];
    let long = format!("/{}/", "d".repeat(50_000));
    let header = plain()
        .int32s(FOLDER_OF_FILE, &vec![0; names.len()])
        .strings(FILE_NAMES, names.iter().copied())
        .strings(FOLDERS, [long.as_str()]);
    let found = read_one(&header);
    assert_eq!((found.packages.len(), found.owned.len(), found.problems.len()), (1, 0, 21));
    assert_eq!(found.problems[0], "a path of a is 50003 bytes long");
    let found = read_one(&plain().string(NAME, &"a".repeat(50_000)));
    assert_eq!(found.problems, ["the name of a package is 50000 bytes long"]);
    assert!(found.packages.is_empty());
}

#[test]
fn a_bound_that_is_reached_is_said() {
    let headers: Vec<Vec<u8>> = (0..50).map(|number| Made::of(number).with_files(20).header().blob()).collect();
    for (path, content) in super::databases(&headers) {
        let found = read_within(&Rpm, path, &content, &Limits { packages: 9, ..Limits::default() });
        assert_eq!(found.packages.len(), 9, "{path}");
        assert_eq!(found.problems, ["it tells of more than 9 packages: the rest is left out"]);
        let found = read_within(&Rpm, path, &content, &Limits { facts_bytes: 9_000, ..Limits::default() });
        assert!(found.packages.len() < 9, "{path}");
        assert_eq!(found.problems, ["it tells of more than 9000 bytes of packages and paths: the rest is left out"]);
    }
}
