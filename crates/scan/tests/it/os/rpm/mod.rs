//! The database of rpm, in each of its forms.

pub mod berkeley;
mod header;
pub mod made;
pub mod ndb;
pub mod sqlite;

use proptest::prelude::*;
use scan::{detectors::Rpm, facts::Found};

use self::made::Made;
use super::{hold, owned, read, wants};

const SQLITE: &str = "var/lib/rpm/rpmdb.sqlite";
const NDB: &str = "usr/lib/sysimage/rpm/Packages.db";
const BERKELEY: &str = "var/lib/rpm/Packages";

/// A database of each form that holds these headers.
fn databases(headers: &[Vec<u8>]) -> Vec<(&'static str, Vec<u8>)> {
    vec![
        (SQLITE, sqlite::database(headers, 4096)),
        (SQLITE, sqlite::database(headers, 512)),
        (NDB, ndb::database(headers)),
        (BERKELEY, berkeley::database(headers, berkeley::LITTLE, 4096)),
        (BERKELEY, berkeley::database(headers, berkeley::BIG, 512)),
    ]
}

/// Checks that these packages are found, with their files and without a problem.
fn assert_told(path: &str, database: &[u8], packages: &[Made]) {
    let Found { packages: found, problems, .. } = read(&Rpm, path, database);
    assert_eq!(found, packages.iter().map(Made::package).collect::<Vec<_>>(), "{path}");
    assert!(problems.is_empty(), "{path}: {problems:?}");
    let paths: Vec<String> = packages.iter().flat_map(Made::paths).collect();
    let other = owned(&read(&Rpm, path, database)).into_iter().zip(&paths).find(|(found, path)| found != *path);
    assert_eq!(other, None, "{path}");
    assert_eq!(read(&Rpm, path, database).owned.len(), paths.len(), "{path}");
}

#[test]
fn packages_of_all_sizes_in_all_forms() {
    // Small enough for one page, over several, over very many.
    let packages: Vec<Made> = (0..60_u32)
        .map(|number| Made::of(number).with_files(if number == 30 { 5_000 } else { number % 7 * 20 }))
        .collect();
    let headers: Vec<Vec<u8>> = packages.iter().map(|made| made.header().blob()).collect();
    for (path, database) in databases(&headers) {
        assert_told(path, &database, &packages);
    }
    for page_size in [1024_usize, 65536] {
        assert_told(SQLITE, &sqlite::database(&headers, page_size as u32), &packages);
        assert_told(BERKELEY, &berkeley::database(&headers, berkeley::BIG, page_size), &packages);
    }
}

#[test]
fn a_database_without_packages() {
    for (path, database) in databases(&[]) {
        assert_eq!(read(&Rpm, path, &database), Found::default(), "{path}");
    }
}

#[test]
fn what_is_no_database_is_said() {
    for content in [&b""[..], b"SQLite format 3", b"Rpm", &[0; 5_000], b"\0\0\0\0\0\0\0\0\0\0\0\0\x62\x31\x05\0"] {
        for path in [SQLITE, NDB, BERKELEY] {
            let found = read(&Rpm, path, content);
            assert!(found.packages.is_empty());
            assert_eq!(
                found.problems,
                ["it is no database of packages that is known: neither SQLite, NDB nor Berkeley DB"],
                "{}",
                content.escape_ascii()
            );
        }
    }
    for content in [&b"SQLite format 3\0\x10\0"[..], b"RpmP\0\0\0\0", b"\0\0\0\0\0\0\0\0\0\0\0\0\x61\x15\x06\0"] {
        assert_eq!(read(&Rpm, BERKELEY, content).problems, ["its header is cut short"], "{}", content.escape_ascii());
    }
}

#[test]
fn a_file_that_is_cut_is_said_to_be() {
    let headers: Vec<Vec<u8>> = (0..30).map(|number| Made::of(number).with_files(90).header().blob()).collect();
    for (path, database) in databases(&headers) {
        let found = read(&Rpm, path, &database[..database.len() / 2]);
        assert!(found.packages.len() < 30, "{path}");
        assert!(!found.problems.is_empty(), "{path}");
    }
}

#[test]
fn wanted_files() {
    for folder in ["var/lib/rpm/", "usr/lib/sysimage/rpm/", "usr/share/rpm/"] {
        for file in ["rpmdb.sqlite", "Packages.db", "Packages"] {
            assert!(wants(&Rpm, &format!("{folder}{file}"), 0));
        }
        for log in ["rpmdb.sqlite-wal", "rpmdb.sqlite-journal"] {
            // SQLite leaves an empty log where all of it has come into the database.
            assert!(!wants(&Rpm, &format!("{folder}{log}"), 0));
            assert!(wants(&Rpm, &format!("{folder}{log}"), 1));
        }
        for file in ["Basenames", "Index.db", "rpmdb.sqlite-shm", "__db.001", "x/Packages", "Packages.gz"] {
            assert!(!wants(&Rpm, &format!("{folder}{file}"), 10), "{file}");
        }
    }
    for path in ["Packages", "var/lib/apt/Packages", "x/var/lib/rpm/Packages", "var/lib/rpm"] {
        assert!(!wants(&Rpm, path, 10), "{path}");
    }
}

#[test]
fn changed_databases() {
    let headers: Vec<Vec<u8>> =
        (0..12_u32).map(|number| Made::of(number).with_files(number * 7).header().blob()).collect();
    let one = [Made::of(1).with_files(2).header().blob()];
    for ((path, many), (_, few)) in databases(&headers).into_iter().zip(databases(&one)) {
        mutate::binaries(&[&many, &few], 1_500, |content| hold(&Rpm, path, content));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_written_is_read(packages in proptest::collection::vec(made::any_package(), 0..25)) {
        let headers: Vec<Vec<u8>> = packages.iter().map(|made| made.header().blob()).collect();
        for (path, database) in databases(&headers) {
            assert_told(path, &database, &packages);
        }
    }
}
