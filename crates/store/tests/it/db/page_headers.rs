//! A damaged header of the embedded database's file: SQLite works by it, so a flipped bit in it must not get that far.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rusqlite::Connection;
use store::db::pages::{Conversion, add_checksums};
use store::db::{Db, DbConfig};
use store::error::StoreErrorKind;

use super::pages::{DatabaseFolder, PAGE, SCHEMA, check, fill, filled, flip, foreign, names, old, own, write_at};

/// Where the header says how many bytes at the end of each page are not SQLite's.
const RESERVED_AT: usize = 20;

/// All that is in the database, also in rows that take several pages.
fn content(connection: &Connection) -> Vec<(String, Vec<u8>)> {
    let mut statement = connection.prepare("SELECT name, bytes FROM tags ORDER BY id").unwrap();
    statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
}

fn damaged(connection: &Connection) -> Vec<u32> {
    page_checksums::check_pages(connection).unwrap().expect("it has checksums").damaged
}

fn refusal(path: &Path) -> String {
    let Err(error) = Db::open_with_migrations(&DbConfig::Sqlite { path: path.to_owned() }, SCHEMA) else {
        panic!("it opens")
    };
    assert_eq!(error.kind(), StoreErrorKind::Corrupt);
    error.to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_flipped_bit_of_the_header_is_put_right() {
    let place = filled().await;
    let expected = content(&own(&place.path()));
    for bit in 0..800 {
        flip(&place.path(), bit / 8, bit as u8 % 8);
        let connection = own(&place.path());
        assert_eq!(content(&connection), expected, "bit {bit}");
        // Looked at once more, with another connection's eyes: it is told for as long as it is on the disk.
        assert_eq!(damaged(&own(&place.path())), [1], "bit {bit}");
        assert_eq!(page_checksums::damage_of(&connection).unwrap().take_new(), [1], "bit {bit}");
        drop(connection);
        flip(&place.path(), bit / 8, bit as u8 % 8);
        assert!(damaged(&own(&place.path())).is_empty(), "bit {bit}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_written_to_a_damaged_header_is_whole() {
    let place = filled().await;
    let whole = fs::read(place.path()).unwrap();
    // One bit of each field.
    for at in [0, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60, 64, 68, 72, 92, 96] {
        for bit in [0, 5] {
            fs::write(place.path(), &whole).unwrap();
            flip(&place.path(), at, bit);
            let db = place.open();
            assert_eq!(check(&db).await.damaged, [], "byte {at}, bit {bit}");
            fill(&db, 1000, 60).await;
            db.write(|tx| tx.execute("CREATE TABLE other (id INTEGER PRIMARY KEY)", &[])).await.unwrap();
            assert_eq!(check(&db).await.damaged, [], "byte {at}, bit {bit}");
            drop(db);
            // Any program finds the right header now.
            let connection = foreign(&place.path());
            let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!((found.as_str(), names(&connection).len()), ("ok", 459), "byte {at}, bit {bit}");
            drop(connection);
            let connection = own(&place.path());
            assert_eq!((damaged(&connection), page_checksums::damage_of(&connection).unwrap().noticed()), (vec![], 0));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_value_of_the_reserved_bytes_moves_the_ends_of_pages() {
    let place = filled().await;
    let whole = fs::read(place.path()).unwrap();
    let expected = content(&own(&place.path()));
    for reserved in [0, 9, 10, 12, 40, 72, 136] {
        for has_more_damage in [false, true] {
            fs::write(place.path(), &whole).unwrap();
            write_at(&place.path(), RESERVED_AT, &[reserved]);
            if has_more_damage {
                // A field of no consequence, so that the checksum does not tell what is wrong. The other pages do.
                flip(&place.path(), 92, 3);
            }
            let case = format!("{reserved}, {has_more_damage}");
            assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::NotNeeded, "{case}");
            if has_more_damage {
                // More than one flipped bit of the header cannot be put back, so it is not opened, and not written to.
                let before = fs::read(place.path()).unwrap();
                let refused = store::db::pages::mend_schema(&place.path()).unwrap_err();
                assert_eq!(refused.kind(), StoreErrorKind::Corrupt, "{case}");
                assert!(fs::read(place.path()).unwrap() == before, "{case}");
                continue;
            }
            let db = place.open();
            assert_eq!(check(&db).await.damaged, [], "the opening has put it back: {case}");
            fill(&db, 1000, 300).await;
            drop(db);
            let connection = own(&place.path());
            assert_eq!(content(&connection)[..expected.len()], expected, "{case}");
            assert_eq!(names(&connection).len(), expected.len() + 300, "{case}");
            let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
            assert_eq!((found.as_str(), damaged(&connection)), ("ok", vec![]), "{case}");
            assert_eq!(fs::read(place.path()).unwrap()[RESERVED_AT], 8, "{case}");
            assert!(!place.files().contains(&"metadata.db.before-checksums".to_owned()), "{case}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_header_that_is_damaged_while_it_is_open() {
    let place = filled().await;
    let db = place.open();
    for at in [RESERVED_AT, 17, 44] {
        flip(&place.path(), at, 3);
        // Whoever opens it now, or reads its first page again, gets the right one.
        let expected = content(&foreign_copy(&place, at));
        assert_eq!(content(&own(&place.path())), expected, "byte {at}");
        fill(&db, 1000 * at as i64, 100).await;
        db.write(move |tx| tx.execute(&format!("CREATE TABLE other{at} (id INTEGER PRIMARY KEY)"), &[])).await.unwrap();
        assert_eq!(check(&db).await.damaged, [], "byte {at}");
    }
    drop(db);
    let connection = foreign(&place.path());
    let found: String = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!((found.as_str(), names(&connection).len()), ("ok", 699));
}

#[test]
fn what_sqlite_reads_of_the_header_by_itself_is_put_right() {
    let place = DatabaseFolder::new();
    let connection = own(&place.path());
    page_checksums::request_checksums(&connection).unwrap();
    // Without a log, each transaction begins with a look at what changes with every write.
    connection.execute_batch("PRAGMA journal_mode = DELETE;").unwrap();
    connection.execute_batch(SCHEMA[0].sqlite).unwrap();
    connection.execute_batch("INSERT INTO tags (name, bytes) VALUES ('one', zeroblob(9000))").unwrap();
    let expected = content(&connection);
    let damage = page_checksums::damage_of(&connection).unwrap();
    for bit in 24 * 8..40 * 8 {
        flip(&place.path(), bit / 8, bit as u8 % 8);
        assert_eq!(content(&connection), expected, "bit {bit}");
        assert_eq!(damage.take_new(), [1], "bit {bit}");
        connection.execute("UPDATE tags SET name = 'two'", []).unwrap();
        connection.execute("UPDATE tags SET name = 'one'", []).unwrap();
        assert_eq!((damaged(&connection), damage.written_since()), (vec![], vec![1]), "bit {bit}");
    }
    drop(connection);
    assert_eq!(content(&foreign(&place.path())), expected);
}

/// A copy with the bit put right by hand, as any other program has it.
fn foreign_copy(place: &DatabaseFolder, at: usize) -> Connection {
    let copy = place.path().with_file_name("copy.db");
    for suffix in ["", "-wal"] {
        let name = |path: &Path| format!("{}{suffix}", path.display());
        if fs::exists(name(&place.path())).unwrap() {
            fs::copy(name(&place.path()), name(&copy)).unwrap();
        }
    }
    flip(&copy, at, 3);
    foreign(&copy)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_had_checksums_is_not_converted() {
    let place = filled().await;
    write_at(&place.path(), RESERVED_AT, &[0]);
    flip(&place.path(), 92, 3);
    let pages = fs::metadata(place.path()).unwrap().len() as usize / PAGE;
    // In some pages a checksum is left: more are damaged than would be believed.
    for page in (1..pages).filter(|page| page % 5 > 0) {
        flip(&place.path(), page * PAGE + PAGE - 1, 0);
    }
    let before = fs::read(place.path()).unwrap();
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::NotNeeded);
    let error = refusal(&place.path());
    assert!(error.contains("is damaged") && error.contains("`wharf restore`"), "nor is it opened: {error}");
    assert!(fs::read(place.path()).unwrap() == before);
    assert_eq!(place.files(), ["metadata.db"]);
}

#[test]
fn a_database_of_before_with_a_wrong_header_is_not_converted() {
    let place = DatabaseFolder::new();
    old(&place.path());
    for reserved in [1, 4, 16, 64] {
        write_at(&place.path(), RESERVED_AT, &[reserved]);
        let before = fs::read(place.path()).unwrap();
        assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::NotNeeded, "{reserved}");
        assert!(refusal(&place.path()).contains("is damaged"), "{reserved}");
        assert!(fs::read(place.path()).unwrap() == before, "{reserved}");
    }
    write_at(&place.path(), RESERVED_AT, &[0]);
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::Done);
}

#[test]
fn the_database_of_before_is_kept_for_a_day() {
    let place = DatabaseFolder::new();
    old(&place.path());
    let before = names(&foreign(&place.path()));
    let kept = place.path().with_file_name("metadata.db.before-checksums");
    fs::write(&kept, "of an earlier time").unwrap();
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::Done);
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::NotNeeded);
    // Put back, it is what it was, and gets checksums again.
    fs::rename(&kept, place.path()).unwrap();
    let connection = foreign(&place.path());
    assert_eq!(names(&connection), before);
    assert_eq!(connection.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0)).unwrap(), "ok");
    drop(connection);
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::Done);
    let file = fs::OpenOptions::new().write(true).open(&kept).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_hours(23)).unwrap();
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::NotNeeded);
    assert!(fs::exists(&kept).unwrap());
    file.set_modified(SystemTime::now() - Duration::from_hours(25)).unwrap();
    assert_eq!(add_checksums(&place.path()).unwrap(), Conversion::NotNeeded);
    assert_eq!(place.files(), ["metadata.db"]);
    assert_eq!(names(&own(&place.path())), before);
}
