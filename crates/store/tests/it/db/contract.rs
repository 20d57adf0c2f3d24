//! What every back end promises.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use store::db::{Db, Dialect, Tx, Value};
use store::error::{StoreError, StoreErrorKind};
use tokio::runtime::Handle;
use tokio::task::{JoinSet, block_in_place};

use super::{SCHEMA, add, count, insert, on_every_backend, only, set, value};
use crate::backend::Backend;

on_every_backend!(
    any_values_come_back_as_they_were,
    extreme_values_come_back_as_they_were,
    results_of_functions_are_integers,
    an_error_undoes_the_transaction,
    an_ignored_failure_undoes_the_transaction,
    constraints_are_conflicts,
    changed_rows_are_counted,
    more_rows_than_one_are_an_error,
    increments_are_not_lost,
    a_key_has_one_winner,
    failing_writers_do_not_disturb_others,
    a_panic_is_an_error,
    reads_do_not_see_what_is_not_committed,
    a_read_sees_one_state,
    reads_cannot_change_anything,
    a_caller_that_went_away_is_not_served,
    rows_survive_reopening,
    a_ping_is_answered,
);

/// An error such as the server's rules have: storage failures and refusals of its own.
#[derive(Debug)]
enum RuleError {
    Refused,
    Store(StoreError),
}

impl From<StoreError> for RuleError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

type Values = (Option<i64>, Option<String>, Option<Vec<u8>>);

async fn round_trip(db: &Db, id: i64, values: Values) -> Values {
    db.write(move |tx| {
        let (number, words, bytes) = values.clone();
        let params = [Value::Int(id), number.into(), words.into(), bytes.into()];
        tx.execute("INSERT INTO anything (id, number, words, bytes) VALUES ($1, $2, $3, $4)", &params)
    })
    .await
    .expect("the row can be written");
    db.read_point(move |tx| {
        let row = only(tx, "SELECT number, words, bytes FROM anything WHERE id = $1", &[id.into()])?;
        Ok::<_, StoreError>((
            row.opt_int(0)?,
            row.opt_text(1)?.map(str::to_owned),
            row.opt_blob(2)?.map(<[u8]>::to_vec),
        ))
    })
    .await
    .expect("the row can be read")
}

async fn any_values_come_back_as_they_were(backend: &Backend) {
    let db = backend.open(SCHEMA);
    // PostgreSQL cannot store U+0000 in a text.
    let text = proptest::option::of("[^\0]{0,40}");
    let strategy = (any::<Option<i64>>(), text, any::<Option<Vec<u8>>>());
    let id = AtomicU32::new(0);
    block_in_place(|| {
        let config = ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() };
        TestRunner::new(config).run(&strategy, |values| {
            let id = id.fetch_add(1, Ordering::Relaxed);
            let back = Handle::current().block_on(round_trip(&db, id.into(), values.clone()));
            prop_assert_eq!(back, values);
            Ok(())
        })
    })
    .expect("every value comes back");
}

async fn extreme_values_come_back_as_they_were(backend: &Backend) {
    let db = backend.open(SCHEMA);
    let cases: [(&str, Values); 6] = [
        ("nothing", (None, None, None)),
        ("empty", (Some(0), Some(String::new()), Some(Vec::new()))),
        ("lowest", (Some(i64::MIN), Some("'; --".to_owned()), Some(vec![0]))),
        ("highest", (Some(i64::MAX), Some("\u{10ffff}".to_owned()), Some(vec![0xff; 3]))),
        ("a number as text", (Some(-1), Some("007".to_owned()), Some(b"7".to_vec()))),
        ("4 MiB", (Some(1), Some("é".repeat(2 << 20)), Some(vec![7; 4 << 20]))),
    ];
    for (id, (name, values)) in (0..).zip(cases) {
        assert!(round_trip(&db, id, values.clone()).await == values, "{name}");
    }
}

async fn results_of_functions_are_integers(backend: &Backend) {
    let db = backend.open(SCHEMA);
    add(&db, "a", 5).await;
    let cases = [
        ("a literal", "SELECT 1", 1),
        ("a count", "SELECT count(*) FROM counters", 1),
        ("a comparison", "SELECT value = 5 FROM counters", 1),
        ("existence", "SELECT EXISTS (SELECT 1 FROM counters WHERE name = 'b')", 0),
        ("a cast sum", "SELECT CAST(sum(value) AS BIGINT) FROM counters", 5),
        ("a length", "SELECT length(name) FROM counters", 1),
    ];
    for (name, sql, expected) in cases {
        let found = db.read(move |tx| only(tx, sql, &[])?.int(0)).await.expect(name);
        assert_eq!(found, expected, "{name}");
    }
}

async fn an_error_undoes_the_transaction(backend: &Backend) {
    let db = backend.open(SCHEMA);
    let refused = db
        .write(|tx| {
            insert(tx, "a", 1)?;
            Err::<(), _>(RuleError::Refused)
        })
        .await;
    assert!(matches!(refused, Err(RuleError::Refused)), "{refused:?}");
    assert_eq!(db.read(count).await.unwrap(), 0);
}

async fn an_ignored_failure_undoes_the_transaction(backend: &Backend) {
    let db = backend.open(SCHEMA);
    add(&db, "a", 1).await;
    let error = db
        .write(|tx| {
            insert(tx, "b", 1)?;
            assert!(insert(tx, "a", 2).is_err());
            // The database would run this one; the transaction does not let it.
            assert!(tx.query("SELECT 1", &[]).is_err());
            Ok::<_, StoreError>(())
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Other, "{error}");
    assert_eq!(error.to_string(), "a transaction went on after a failed statement");
    assert_eq!(db.read(count).await.unwrap(), 1);
}

async fn constraints_are_conflicts(backend: &Backend) {
    let db = backend.open(SCHEMA);
    add(&db, "a", 1).await;
    let cases = [
        ("primary key", "INSERT INTO counters (name, value) VALUES ('a', 2)"),
        ("not null", "INSERT INTO counters (name, value) VALUES ('b', NULL)"),
        ("foreign key", "INSERT INTO parts (id, counter) VALUES (1, 'missing')"),
    ];
    for (name, sql) in cases {
        let error = db.write(move |tx| tx.execute(sql, &[])).await.expect_err(name);
        assert_eq!(error.kind(), StoreErrorKind::Conflict, "{name}: {error}");
    }
}

async fn changed_rows_are_counted(backend: &Backend) {
    let db = backend.open(SCHEMA);
    let cases = [
        ("insert", "INSERT INTO counters (name, value) VALUES ('a', 1), ('b', 2), ('c', 3)", 3),
        ("conflict", "INSERT INTO counters (name, value) VALUES ('a', 1) ON CONFLICT (name) DO NOTHING", 0),
        ("upsert", "INSERT INTO counters (name, value) VALUES ('a', 1) ON CONFLICT (name) DO UPDATE SET value = 9", 1),
        ("update", "UPDATE counters SET value = value + 1 WHERE value < 9", 2),
        ("no match", "UPDATE counters SET value = 0 WHERE name = 'z'", 0),
        ("delete", "DELETE FROM counters", 3),
    ];
    for (name, sql, changed) in cases {
        assert_eq!(db.write(move |tx| tx.execute(sql, &[])).await.expect(name), changed, "{name}");
    }
}

async fn more_rows_than_one_are_an_error(backend: &Backend) {
    let db = backend.open(SCHEMA);
    let read = |tx: &mut dyn Tx| tx.query_opt("SELECT name FROM counters", &[]).map(|row| row.is_some());
    assert!(!db.read(read).await.unwrap());
    add(&db, "a", 1).await;
    assert!(db.read(read).await.unwrap());
    add(&db, "b", 1).await;
    assert_eq!(db.read(read).await.unwrap_err().kind(), StoreErrorKind::Other);
}

async fn increments_are_not_lost(backend: &Backend) {
    // Two nodes, as it were.
    let nodes = [backend.open(SCHEMA), backend.open(SCHEMA)];
    add(&nodes[0], "a", 0).await;
    let mut tasks = JoinSet::new();
    for number in 0..50 {
        let db = nodes[number % 2].clone();
        tasks.spawn(async move {
            for _ in 0..20 {
                let increment = |tx: &mut dyn Tx| {
                    let before = value(tx, "a")?.expect("the counter is there");
                    set(tx, "a", before + 1)
                };
                db.write(increment).await.expect("the increment is made in the end");
            }
        });
    }
    tasks.join_all().await;
    assert_eq!(nodes[1].read(|tx| value(tx, "a")).await.unwrap(), Some(1000));
}

async fn a_key_has_one_winner(backend: &Backend) {
    let nodes = [backend.open(SCHEMA), backend.open(SCHEMA)];
    let mut tasks = JoinSet::new();
    for number in 0..64 {
        let db = nodes[number as usize % 2].clone();
        tasks.spawn(async move {
            db.write(move |tx| {
                let sql = "INSERT INTO counters (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING \
                           RETURNING value";
                let won = tx.query_opt(sql, &["a".into(), Value::Int(number)])?.is_some();
                // A loser must find the winner's row.
                Ok::<_, StoreError>((won, value(tx, "a")?))
            })
            .await
            .expect("nobody fails")
        });
    }
    let results = tasks.join_all().await;
    let winners: Vec<_> = results.iter().filter(|(won, _)| *won).map(|(_, value)| *value).collect();
    assert_eq!(winners.len(), 1, "{results:?}");
    assert!(results.iter().all(|(_, value)| *value == winners[0]), "{results:?}");
}

async fn failing_writers_do_not_disturb_others(backend: &Backend) {
    let db = backend.open(SCHEMA);
    add(&db, "taken", 0).await;
    let mut tasks = JoinSet::new();
    for number in 0..200_i64 {
        let db = db.clone();
        tasks.spawn(async move {
            let result = db
                .write(move |tx| {
                    insert(tx, &format!("writer {number}"), number)?;
                    match number % 4 {
                        0 => Err(RuleError::Refused),
                        1 => Ok(insert(tx, "taken", 1).map(|_| ())?),
                        2 => panic!("writer {number} stumbles"),
                        _ => Ok(()),
                    }
                })
                .await;
            (number, result)
        });
    }
    for (number, result) in tasks.join_all().await {
        match (number % 4, result) {
            (0, Err(RuleError::Refused)) | (3, Ok(())) => {}
            (1, Err(RuleError::Store(error))) if error.kind() == StoreErrorKind::Conflict => {}
            (2, Err(RuleError::Store(error))) if error.kind() == StoreErrorKind::Other => {}
            (_, result) => panic!("writer {number}: {result:?}"),
        }
    }
    let kept = db.read(|tx| tx.query("SELECT value FROM counters WHERE name <> 'taken' ORDER BY value", &[])).await;
    let kept: Vec<i64> = kept.unwrap().iter().map(|row| row.int(0).unwrap()).collect();
    assert_eq!(kept, (0..200).filter(|number| number % 4 == 3).collect::<Vec<_>>());
}

async fn a_panic_is_an_error(backend: &Backend) {
    fn stumble(tx: &mut dyn Tx) -> Result<(), StoreError> {
        only(tx, "SELECT 1", &[])?;
        panic!("{} is too many", 3)
    }
    let db = backend.open(SCHEMA);
    let results = [
        ("write", db.write(stumble).await),
        ("read", db.read(stumble).await),
        ("read_point", db.read_point(stumble).await),
    ];
    for (name, result) in results {
        let error = result.expect_err(name);
        assert_eq!(error.to_string(), "a transaction panicked: 3 is too many", "{name}");
    }
    add(&db, "a", 1).await;
    assert_eq!(db.read_point(count).await.unwrap(), 1);
}

async fn reads_do_not_see_what_is_not_committed(backend: &Backend) {
    let db = backend.open(SCHEMA);
    let (inserted, is_inserted) = mpsc::channel();
    let (proceed, may_proceed) = mpsc::channel::<()>();
    let channels = Mutex::new((inserted, may_proceed));
    let writer = tokio::spawn({
        let db = db.clone();
        async move {
            db.write(move |tx| {
                insert(tx, "a", 1)?;
                let (inserted, may_proceed) = &*channels.lock().unwrap();
                inserted.send(()).unwrap();
                may_proceed.recv().unwrap();
                Ok::<_, StoreError>(())
            })
            .await
        }
    });
    block_in_place(|| is_inserted.recv()).unwrap();
    assert_eq!(db.read(count).await.unwrap(), 0, "read");
    assert_eq!(db.read_point(count).await.unwrap(), 0, "read_point");
    proceed.send(()).unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!(db.read(count).await.unwrap(), 1, "read after the commit");
    assert_eq!(db.read_point(count).await.unwrap(), 1, "read_point after the commit");
}

async fn a_read_sees_one_state(backend: &Backend) {
    let db = backend.open(SCHEMA);
    let (looked, has_looked) = mpsc::channel();
    let (proceed, may_proceed) = mpsc::channel::<()>();
    let channels = Mutex::new((looked, may_proceed));
    let reader = tokio::spawn({
        let db = db.clone();
        async move {
            db.read(move |tx| {
                let before = count(tx)?;
                let (looked, may_proceed) = &*channels.lock().unwrap();
                looked.send(()).unwrap();
                may_proceed.recv().unwrap();
                Ok::<_, StoreError>((before, count(tx)?))
            })
            .await
        }
    });
    block_in_place(|| has_looked.recv()).unwrap();
    add(&db, "a", 1).await;
    proceed.send(()).unwrap();
    assert_eq!(reader.await.unwrap().unwrap(), (0, 0));
    assert_eq!(db.read(count).await.unwrap(), 1);
}

async fn reads_cannot_change_anything(backend: &Backend) {
    let db = backend.open(SCHEMA);
    db.read(|tx| insert(tx, "a", 1)).await.expect_err("read");
    db.read_point(|tx| insert(tx, "a", 1)).await.expect_err("read_point");
    assert_eq!(db.write(count).await.unwrap(), 0);
}

async fn a_caller_that_went_away_is_not_served(backend: &Backend) {
    let db = backend.open(SCHEMA);
    let (started, has_started) = mpsc::channel();
    let (proceed, may_proceed) = mpsc::channel::<()>();
    let channels = Mutex::new((started, may_proceed));
    let first = tokio::spawn({
        let db = db.clone();
        async move {
            db.write(move |tx| {
                let (started, may_proceed) = &*channels.lock().unwrap();
                started.send(()).unwrap();
                may_proceed.recv().unwrap();
                insert(tx, "first", 1)
            })
            .await
        }
    });
    block_in_place(|| has_started.recv()).unwrap();
    // Its caller goes away while the transaction runs: that is too late to stop it, and its thread must live on.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    let runs = Arc::new(AtomicU32::new(0));
    if db.dialect() == Dialect::Sqlite {
        // Queued behind the first, and left before its turn.
        let queued = tokio::spawn({
            let (db, runs) = (db.clone(), Arc::clone(&runs));
            async move { db.write(move |_| Ok::<_, StoreError>(runs.fetch_add(1, Ordering::Relaxed))).await }
        });
        queued.abort();
        assert!(queued.await.unwrap_err().is_cancelled());
    }
    proceed.send(()).unwrap();
    for _ in 0..16 {
        db.write(|tx| set(tx, "first", 2)).await.expect("all threads still serve");
    }
    assert_eq!(runs.load(Ordering::Relaxed), 0);
}

async fn rows_survive_reopening(backend: &Backend) {
    for number in 0..3_i64 {
        let db = backend.open(SCHEMA);
        assert_eq!(db.read(count).await.unwrap(), number);
        db.write(move |tx| insert(tx, &number.to_string(), number)).await.unwrap();
    }
}

async fn a_ping_is_answered(backend: &Backend) {
    backend.open(SCHEMA).ping().await.expect("the database is ready");
}
