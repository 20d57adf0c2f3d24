//! What every back end promises of a transaction.

use store::db::{Tx, Value};
use store::error::{StoreError, StoreErrorKind};
use tokio::task::JoinSet;

use super::{SCHEMA, add, count, gate, insert, on_every_backend, only, set, value};
use crate::backend::Backend;

on_every_backend!(
    an_error_undoes_the_transaction,
    an_ignored_failure_undoes_the_transaction,
    constraints_are_conflicts,
    increments_are_not_lost,
    a_key_has_one_winner,
    failing_writers_do_not_disturb_others,
    a_panic_is_an_error,
    reads_do_not_see_what_is_not_committed,
    a_read_sees_one_state,
    reads_cannot_change_anything,
    a_caller_may_go_away,
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
    let (gate, keeper) = gate();
    let writer = tokio::spawn({
        let db = db.clone();
        async move {
            db.write(move |tx| {
                insert(tx, "a", 1)?;
                gate.pass();
                Ok::<_, StoreError>(())
            })
            .await
        }
    });
    keeper.wait_for_arrival();
    assert_eq!(db.read(count).await.unwrap(), 0, "read");
    assert_eq!(db.read_point(count).await.unwrap(), 0, "read_point");
    keeper.open();
    writer.await.unwrap().unwrap();
    assert_eq!(db.read(count).await.unwrap(), 1, "read after the commit");
    assert_eq!(db.read_point(count).await.unwrap(), 1, "read_point after the commit");
}

async fn a_read_sees_one_state(backend: &Backend) {
    let db = backend.open(SCHEMA);
    let (gate, keeper) = gate();
    let reader = tokio::spawn({
        let db = db.clone();
        async move {
            db.read(move |tx| {
                let before = count(tx)?;
                gate.pass();
                Ok::<_, StoreError>((before, count(tx)?))
            })
            .await
        }
    });
    keeper.wait_for_arrival();
    add(&db, "a", 1).await;
    keeper.open();
    assert_eq!(reader.await.unwrap().unwrap(), (0, 0));
    assert_eq!(db.read(count).await.unwrap(), 1);
}

async fn reads_cannot_change_anything(backend: &Backend) {
    let db = backend.open(SCHEMA);
    db.read(|tx| insert(tx, "a", 1)).await.expect_err("read");
    db.read_point(|tx| insert(tx, "a", 1)).await.expect_err("read_point");
    assert_eq!(db.write(count).await.unwrap(), 0);
}

async fn a_caller_may_go_away(backend: &Backend) {
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
    // Its caller goes away while the transaction runs: that is too late to stop it, and its thread must live on.
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    keeper.open();
    for _ in 0..16 {
        db.write(|tx| set(tx, "first", 2)).await.expect("all threads still serve");
    }
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
