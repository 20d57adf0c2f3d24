//! The form of SQLite.

use rusqlite::Connection;
use scan::detectors::Rpm;

use super::{SQLITE, made::Made, read};

/// A database as rpm makes it.
pub fn database(headers: &[Vec<u8>], page_size: u32) -> Vec<u8> {
    written(page_size, "", |connection| {
        connection
            .execute_batch(
                "CREATE TABLE Name (key TEXT NOT NULL, hnum INTEGER NOT NULL);
                 CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL);
                 CREATE INDEX Name_key_idx ON Name(key ASC);",
            )
            .expect("tables");
        let mut statement = connection.prepare("INSERT INTO Packages (blob) VALUES (?1)").expect("statement");
        for header in headers {
            statement.execute([header]).expect("row");
        }
    })
}

/// The file that SQLite makes.
fn written(page_size: u32, pragmas: &str, fill: impl FnOnce(&Connection)) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("rpmdb.sqlite");
    let mut connection = Connection::open(&path).expect("database");
    connection
        .execute_batch(&format!("PRAGMA page_size = {page_size}; PRAGMA synchronous = OFF; {pragmas}"))
        .expect("pragmas");
    let transaction = connection.transaction().expect("transaction");
    fill(&transaction);
    transaction.commit().expect("commit");
    connection.close().expect("closed");
    std::fs::read(&path).expect("file")
}

fn headers(count: u32) -> Vec<Vec<u8>> {
    (0..count).map(|number| Made::of(number).header().blob()).collect()
}

/// Writes a number of two bytes.
fn put(content: &mut [u8], at: usize, number: usize) {
    content[at..at + 2].copy_from_slice(&(number as u16).to_be_bytes());
}

/// The numbers, from 0, of the pages that have that kind.
fn pages_of_kind(content: &[u8], kind: u8) -> Vec<usize> {
    let pages = content.chunks(512).enumerate().skip(1);
    pages.filter(|(_, page)| page[0] == kind).map(|(number, _)| number).collect()
}

#[test]
fn rows_are_read_in_their_order_after_many_changes() {
    let content = written(1024, "PRAGMA auto_vacuum = INCREMENTAL;", |connection| {
        connection
            .execute_batch("CREATE TABLE Packages (hnum INTEGER PRIMARY KEY, blob BLOB NOT NULL)")
            .expect("table");
        let insert = |number: u32, files| {
            let header = Made::of(number).with_files(files).header().blob();
            connection.execute("INSERT INTO Packages VALUES (?1, ?2)", (number, header)).expect("row");
        };
        (0..300).rev().for_each(|number| insert(number, number % 40));
        connection.execute("DELETE FROM Packages WHERE hnum % 3 = 0", []).expect("deleted");
        (0..300).step_by(6).for_each(|number| insert(number, 90));
    });
    let found = read(&Rpm, SQLITE, &content);
    let expected: Vec<_> = (0..300).filter(|number| number % 6 != 3).map(|number| Made::of(number).package()).collect();
    assert_eq!(found.packages, expected);
    assert!(found.problems.is_empty(), "{:?}", found.problems);
}

#[test]
fn what_is_no_database_of_packages_is_said() {
    let empty = |pragmas: &str, table: &str| {
        written(4096, pragmas, |connection| connection.execute_batch(table).expect("table"))
    };
    let mut sizes = database(&[], 4096);
    put(&mut sizes, 16, 1000);
    let mut reserved = database(&[], 512);
    reserved[20] = 33;
    for (content, problem) in [
        (empty("", "CREATE TABLE Other (a)"), "it has no table of packages"),
        (empty("", "CREATE VIEW Packages AS SELECT 1"), "it has no table of packages"),
        (
            empty("", "CREATE TABLE Packages (a PRIMARY KEY, b) WITHOUT ROWID"),
            "a page that should be of a table has the kind 10",
        ),
        (
            empty("PRAGMA encoding = 'UTF-16le';", "CREATE TABLE a (b)"),
            "its text has the encoding 2, which is not UTF-8",
        ),
        (sizes, "its pages have the size 1000, of which 0 are not used"),
        (reserved, "its pages have the size 512, of which 33 are not used"),
    ] {
        assert_eq!(read(&Rpm, SQLITE, &content).problems, [problem]);
    }
}

#[test]
fn a_broken_page_leaves_the_others() {
    let content = database(&headers(40), 512);
    // The leaves are of the table of packages, which alone has rows.
    let leaves = pages_of_kind(&content, 13);
    for (change, problem) in [
        (&(|page: &mut [u8]| page[0] = 77) as &dyn Fn(&mut [u8]), "a page that should be of a table has the kind 77"),
        (&|page| put(page, 3, 9_999), "a page tells of 9999 cells, and has room for 252"),
        (&|page| put(page, 8, 600), "a cell of a page is cut short"),
    ] {
        let mut broken = content.clone();
        change(&mut broken[leaves[20] * 512..]);
        let found = read(&Rpm, SQLITE, &broken);
        assert_eq!(found.problems.first().map(String::as_str), Some(problem), "{:?}", found.problems);
        assert!((35..=40).contains(&found.packages.len()), "{problem}: {}", found.packages.len());
    }
}

#[test]
fn a_loop_of_pages_is_said() {
    let content = database(&headers(40), 512);
    let interior = pages_of_kind(&content, 5);
    let root = *interior.first().expect("a tree of two levels");
    let mut broken = content.clone();
    // The last child of the tree's first page is that page.
    broken[root * 512 + 8..root * 512 + 12].copy_from_slice(&(root as u32 + 1).to_be_bytes());
    let found = read(&Rpm, SQLITE, &broken);
    assert_eq!(found.problems, [format!("page {root} belongs to two places")]);
    for (child, problem) in
        [(0, "a page has the number 0"), (u32::MAX, "page 4294967294 lies beyond the end of the file")]
    {
        broken[root * 512 + 8..root * 512 + 12].copy_from_slice(&child.to_be_bytes());
        assert_eq!(read(&Rpm, SQLITE, &broken).problems, [problem]);
    }
}

#[test]
fn a_broken_chain_leaves_the_other_packages() {
    let mut all = headers(3);
    all[1] = Made::of(1).with_files(200).header().blob();
    let content = database(&all, 512);
    // Each page of the chain begins with the number of the next.
    let next = |number: usize| u32::from_be_bytes(*content[number * 512..].first_chunk().expect("page")) as usize;
    let pages = content.len() / 512;
    let in_chain =
        (2..pages).find(|number| next(*number) == number + 2 && next(number + 1) == number + 3).expect("a chain");
    for (value, problem) in [
        (0_u32, " bytes"),
        (in_chain as u32 + 1, "belongs to two places"),
        (9_999, "page 9998 lies beyond the end of the file"),
    ] {
        let mut broken = content.clone();
        broken[in_chain * 512..in_chain * 512 + 4].copy_from_slice(&value.to_be_bytes());
        let found = read(&Rpm, SQLITE, &broken);
        let names: Vec<&str> = found.packages.iter().map(|package| package.name.as_str()).collect();
        assert_eq!(names, ["package-0", "package-2"], "{value}");
        assert!(found.problems.len() == 1 && found.problems[0].ends_with(problem), "{:?}", found.problems);
    }
}

#[test]
fn cells_that_lie_over_each_other_are_read_no_more_often_than_the_file_is_large() {
    let header = Made::of(1).with_files(900).header().blob();
    let content = database(std::slice::from_ref(&header), 65536);
    let root = content.chunks(65536).position(|page| page[0] == 13 && page.windows(9).any(|part| part == b"file-1.ja"));
    let page = root.expect("a leaf") * 65536;
    let mut broken = content;
    let cell = [broken[page + 8], broken[page + 9]];
    let count = (65536 - header.len() - 100) / 2;
    put(&mut broken, page + 3, count);
    for index in 0..count {
        broken[page + 8 + 2 * index..page + 10 + 2 * index].copy_from_slice(&cell);
    }
    let found = read(&Rpm, SQLITE, &broken);
    assert_eq!(found.problems, ["what it holds is larger than the file: it lies over itself"]);
    assert!(found.packages.len() * header.len() <= broken.len(), "{}", found.packages.len());
}

#[test]
fn a_log_with_changes_is_said() {
    const PROBLEM: &str = "SQLite's log beside the database of packages holds changes that the database may not have";
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("rpmdb.sqlite");
    let connection = Connection::open(&path).expect("database");
    connection.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE Packages (a, b)").expect("table");
    let log = std::fs::read(folder.path().join("rpmdb.sqlite-wal")).expect("log");
    let log_path = "usr/lib/sysimage/rpm/rpmdb.sqlite-wal";
    assert_eq!(read(&Rpm, log_path, &log).problems, [PROBLEM]);
    let mut done = log.clone();
    done[16] ^= 1;
    let rest_of_a_journal = [0; 600];
    for empty in [&log[..32], &log[..39], &done, &rest_of_a_journal, b"x"] {
        assert!(read(&Rpm, log_path, empty).problems.is_empty());
    }
    drop(connection);

    let connection = Connection::open(folder.path().join("other")).expect("database");
    connection.execute_batch("CREATE TABLE Packages (a, b); INSERT INTO Packages VALUES (1, 2)").expect("table");
    connection
        .execute_batch("PRAGMA cache_spill = 1; PRAGMA cache_size = 1; BEGIN; UPDATE Packages SET b = zeroblob(99999)")
        .expect("spilt");
    let journal = std::fs::read(folder.path().join("other-journal")).expect("journal");
    assert_eq!(read(&Rpm, "usr/share/rpm/rpmdb.sqlite-journal", &journal).problems, [PROBLEM]);
}
