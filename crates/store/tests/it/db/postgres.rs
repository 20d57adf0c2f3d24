//! What is particular to PostgreSQL: interference between transactions, and connections that break.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Barrier};

use store::db::{Db, DbConfig, Tx};
use store::error::{StoreError, StoreErrorKind};

use super::{SCHEMA, add, count, insert, only, set, value};
use crate::backend::{Backend, on_server};

/// Ends the connection that `tx` runs on, and waits until it is gone.
fn cut_connection(tx: &mut dyn Tx, url: &str) -> Result<(), StoreError> {
    let process = only(tx, "SELECT pg_backend_pid()", &[])?.int(0)?;
    on_server(url, &format!("SELECT pg_terminate_backend({process}, 60000)"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn write_skew_is_prevented() {
    let backend = Backend::postgres();
    let db = backend.open(SCHEMA);
    add(&db, "a", 1).await;
    add(&db, "b", 1).await;
    let both_have_looked = Arc::new(Barrier::new(2));
    // Each may set its own counter to 0 only while the other is not 0.
    let lower = |own: &'static str, other: &'static str| {
        let (db, both_have_looked, runs) = (db.clone(), Arc::clone(&both_have_looked), AtomicU32::new(0));
        tokio::spawn(async move {
            db.write(move |tx| {
                let may = value(tx, other)? == Some(1);
                if runs.fetch_add(1, Ordering::Relaxed) == 0 {
                    both_have_looked.wait();
                }
                if may { set(tx, own, 0) } else { Ok(0) }
            })
            .await
        })
    };
    let (first, second) = (lower("a", "b"), lower("b", "a"));
    let lowered = first.await.unwrap().unwrap() + second.await.unwrap().unwrap();
    assert_eq!(lowered, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn endless_interference_is_reported_as_busy() {
    let backend = Backend::postgres();
    let db = backend.open(SCHEMA);
    add(&db, "a", 0).await;
    let url = backend.url().to_owned();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let error = db
        .write(move |tx| {
            counted.fetch_add(1, Ordering::Relaxed);
            let seen = value(tx, "a")?;
            on_server(&url, "UPDATE counters SET value = value + 1");
            // A closure that makes something else of the failure does not hide it.
            set(tx, "a", 7).map_err(|_| StoreError::new(StoreErrorKind::Corrupt, format!("{seen:?}")))
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Busy, "{error:?}");
    assert_eq!(runs.load(Ordering::Relaxed), 20);
    assert_eq!(db.read(|tx| value(tx, "a")).await.unwrap(), Some(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_key_that_another_took_unseen_is_seen_on_a_second_run() {
    let backend = Backend::postgres();
    let db = backend.open(SCHEMA);
    let url = backend.url().to_owned();
    let runs = AtomicU32::new(0);
    let found = db
        .write(move |tx| {
            let found = value(tx, "a")?;
            if runs.fetch_add(1, Ordering::Relaxed) == 0 {
                on_server(&url, "INSERT INTO counters (name, value) VALUES ('a', 7)");
            }
            if found.is_none() {
                insert(tx, "a", 1)?;
            }
            Ok::<_, StoreError>(found)
        })
        .await;
    assert_eq!(found.unwrap(), Some(7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_lost_while_idle_goes_unnoticed() {
    let backend = Backend::postgres();
    let db = backend.open(SCHEMA);
    add(&db, "a", 1).await;
    let cut_all = "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity \
                   WHERE datname = current_database() AND pid <> pg_backend_pid()";
    on_server(backend.url(), cut_all);
    for number in 0..16 {
        db.write(move |tx| set(tx, "a", number)).await.expect("a new connection is made");
        assert_eq!(db.read_point(|tx| value(tx, "a")).await.unwrap(), Some(number));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_lost_before_the_commit_costs_one_more_run() {
    for (name, cuts, ok) in [("once", 1, true), ("twice", 2, false)] {
        let backend = Backend::postgres();
        let db = backend.open(SCHEMA);
        let url = backend.url().to_owned();
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let result = db
            .write(move |tx| {
                insert(tx, "a", 1)?;
                if counted.fetch_add(1, Ordering::Relaxed) < cuts {
                    cut_connection(tx, &url)?;
                }
                insert(tx, "b", 1)
            })
            .await;
        assert_eq!(runs.load(Ordering::Relaxed), 2, "{name}");
        assert_eq!(result.is_ok(), ok, "{name}: {result:?}");
        if let Err(error) = result {
            assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{name}");
        }
        assert_eq!(db.read(count).await.unwrap(), if ok { 2 } else { 0 }, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_connection_lost_at_the_commit_is_reported() {
    let backend = Backend::postgres();
    let db = backend.open(SCHEMA);
    let url = backend.url().to_owned();
    let runs = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&runs);
    let error = db
        .write(move |tx| {
            counted.fetch_add(1, Ordering::Relaxed);
            insert(tx, "a", 1)?;
            cut_connection(tx, &url)
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    assert_eq!(runs.load(Ordering::Relaxed), 1, "what may have been done is not done again");
    add(&db, "a", 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_prepared_statement_survives_a_migration_by_another_node() {
    let backend = Backend::postgres();
    let db = backend.open(SCHEMA);
    add(&db, "a", 1).await;
    let read = |tx: &mut dyn Tx| only(tx, "SELECT value FROM counters WHERE name = $1", &["a".into()])?.int(0);
    for number in 0..16 {
        let wanted = if number % 2 == 0 { "INTEGER" } else { "BIGINT" };
        on_server(backend.url(), &format!("ALTER TABLE counters ALTER COLUMN value TYPE {wanted}"));
        assert_eq!(db.read(read).await.expect("it is prepared again"), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_type_that_sqlite_lacks_is_named() {
    let backend = Backend::postgres();
    let db = backend.open(SCHEMA);
    let error = db.read(|tx| tx.query("SELECT sum(value) AS total FROM counters", &[])).await.unwrap_err();
    // A fault of the statement: nothing that is stored is damaged.
    assert_eq!(error.kind(), StoreErrorKind::Other);
    assert_eq!(error.to_string(), "column 0 (total) cannot be read");
    let misfit = db.write(|tx| tx.execute("DELETE FROM counters WHERE name = $1", &[1_i64.into()])).await;
    assert_eq!(misfit.unwrap_err().kind(), StoreErrorKind::Other);
    assert_eq!(db.write(count).await.unwrap(), 0, "the connection is in order");
}

#[test]
fn what_cannot_be_opened_says_why() {
    // Bound and never accepted from would hang; bound and dropped is refused.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cases = [
        ("nobody there", format!("postgres://wharf:hush@{closed}/wharf"), 1, StoreErrorKind::Unavailable),
        ("not a URL", "postgres://wharf:hush@[".to_owned(), 1, StoreErrorKind::Other),
        ("no connections", format!("postgres://wharf:hush@{closed}/wharf"), 0, StoreErrorKind::Other),
    ];
    for (name, url, pool_size, kind) in cases {
        let config = DbConfig::Postgres { url, pool_size };
        assert!(!format!("{config:?}").contains("hush"), "{name}");
        let error = Db::open(&config).err().unwrap_or_else(|| panic!("{name}: opened"));
        assert_eq!(error.kind(), kind, "{name}: {error:?}");
        assert!(!format!("{error:?}").contains("hush"), "{name}: {error:?}");
    }
}
