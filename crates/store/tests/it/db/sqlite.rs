//! What is particular to SQLite.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use store::db::migrate::Migration;
use store::db::{Db, DbConfig};
use store::error::{StoreError, StoreErrorKind};
use tokio::task::JoinSet;

use super::{SCHEMA, add, count, gate, insert, value};
use crate::backend::Backend;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_full_disk_fails_those_who_need_room() {
    let backend = Backend::sqlite();
    let db = backend.open(SCHEMA);
    // The limit is in pages of 4 KiB and holds for the writer's connection.
    db.write(|tx| tx.query("PRAGMA max_page_count = 200", &[])).await.unwrap();
    let mut tasks = JoinSet::new();
    for number in 0..100_i64 {
        let db = db.clone();
        tasks.spawn(async move {
            let is_large = number % 10 == 0;
            let result = db
                .write(move |tx| {
                    insert(tx, &format!("writer {number}"), number)?;
                    let bytes = vec![1_u8; if is_large { 2 << 20 } else { 100 }];
                    tx.execute("INSERT INTO anything (id, bytes) VALUES ($1, $2)", &[number.into(), bytes.into()])
                })
                .await;
            (number, is_large, result)
        });
    }
    for (number, is_large, result) in tasks.join_all().await {
        let kind = result.as_ref().err().map(StoreError::kind);
        assert_eq!(kind, is_large.then_some(StoreErrorKind::Full), "writer {number}: {result:?}");
    }
    assert_eq!(db.read(count).await.unwrap(), 90);
}

#[tokio::test]
async fn a_failed_commit_is_an_error_and_not_the_end() {
    let schema = [Migration {
        version: 1,
        name: "deferred",
        sqlite: "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL
                     REFERENCES counters (value) DEFERRABLE INITIALLY DEFERRED);
                 CREATE UNIQUE INDEX counters_value ON counters (value);
                 CREATE TABLE parts (name TEXT REFERENCES counters (name) DEFERRABLE INITIALLY DEFERRED);",
        postgres: "",
    }];
    let backend = Backend::sqlite();
    let db = backend.open(&schema);
    // The statement passes, and so does the end of its savepoint; only the commit finds the missing row.
    let broken = db.write(|tx| tx.execute("INSERT INTO parts (name) VALUES ('missing')", &[])).await;
    let error = broken.unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (StoreErrorKind::Conflict, "run COMMIT"));
    add(&db, "a", 1).await;
    assert_eq!(db.read(|tx| tx.query("SELECT name FROM parts", &[])).await.unwrap().len(), 0);
    assert_eq!(db.read(|tx| value(tx, "a")).await.unwrap(), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_write_that_nobody_waits_for_is_left_out() {
    let backend = Backend::sqlite();
    let db = backend.open(SCHEMA);
    let (gate, keeper) = gate();
    let first = tokio::spawn({
        let db = db.clone();
        async move {
            db.write(move |tx| {
                gate.pass();
                insert(tx, "first", 1)
            })
            .await
        }
    });
    keeper.wait_for_arrival();
    {
        let mut second = pin!(db.write(|tx| insert(tx, "second", 2)));
        // The first poll queues it behind the running one.
        poll_fn(|context| {
            assert!(second.as_mut().poll(context).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    keeper.open();
    first.await.unwrap().unwrap();
    add(&db, "third", 3).await;
    assert_eq!(db.read(|tx| value(tx, "second")).await.unwrap(), None);
    assert_eq!(db.read(count).await.unwrap(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_transaction_may_own_the_last_handle() {
    let backend = Backend::sqlite();
    let db = backend.open(SCHEMA);
    let (gate, keeper) = gate();
    let caller = tokio::spawn(async move {
        let owned = db.clone();
        db.write(move |tx| {
            let _held = &owned;
            gate.pass();
            insert(tx, "a", 1)
        })
        .await
    });
    keeper.wait_for_arrival();
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    // From here on the closure on the writer's thread has the only handle.
    keeper.open();
    let db = backend.open(SCHEMA);
    // Queues behind the first transaction by the file's lock, if that still runs.
    add(&db, "b", 1).await;
    assert_eq!(db.read(|tx| value(tx, "b")).await.unwrap(), Some(1));
}

#[test]
fn what_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let text_file = folder.path().join("text");
    std::fs::write(&text_file, "This is not a database, but it is long enough to look at. ".repeat(100)).unwrap();
    let cases = [
        ("no folder", folder.path().join("missing/metadata.db"), StoreErrorKind::Unavailable),
        ("a folder", folder.path().to_owned(), StoreErrorKind::Unavailable),
        ("another file", text_file, StoreErrorKind::Corrupt),
    ];
    for (name, path, kind) in cases {
        let shown = path.display().to_string();
        let error = Db::open(&DbConfig::Sqlite { path }).err().unwrap_or_else(|| panic!("{name}: opened"));
        assert_eq!(error.kind(), kind, "{name}: {error:?}");
        assert!(error.to_string().contains(&shown), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_column_of_an_unknown_kind_is_named() {
    let backend = Backend::sqlite();
    let db = backend.open(SCHEMA);
    let cases = [
        ("floating point", "SELECT 1, 0.5 AS half", 1, "a floating-point number"),
        ("not UTF-8", "SELECT 1, CAST(x'ff' AS TEXT) AS half", 1, "a text that is not UTF-8"),
    ];
    for (name, sql, index, found) in cases {
        // The others of its row can be read.
        let rows = db.read(move |tx| tx.query(sql, &[])).await.expect(name);
        assert_eq!(rows[0].int(0).expect(name), 1);
        let error = rows[0].text(index).expect_err(name);
        let message = format!("column {index} (half) should hold what was stored and holds {found}");
        assert_eq!((error.kind(), error.to_string().as_str()), (StoreErrorKind::Corrupt, message.as_str()), "{name}");
    }
}
