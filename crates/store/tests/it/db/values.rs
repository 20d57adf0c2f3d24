//! Values, statements and results, which must be the same on every back end.

use std::sync::atomic::{AtomicU32, Ordering};

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use store::db::{Db, Tx, Value};
use store::error::{StoreError, StoreErrorKind};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::{SCHEMA, add, on_every_backend, only};
use crate::backend::Backend;

on_every_backend!(
    any_values_come_back_as_they_were,
    extreme_values_come_back_as_they_were,
    results_of_functions_are_integers,
    changed_rows_are_counted,
    more_rows_than_one_are_an_error,
    texts_with_nul_are_refused,
);

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

/// PostgreSQL cannot hold them, and what one database refuses the other must not keep.
async fn texts_with_nul_are_refused(backend: &Backend) {
    let db = backend.open(SCHEMA);
    let written = db
        .write(|tx| tx.execute("INSERT INTO counters (name, value) VALUES ($1, 1)", &["a\0b".into()]))
        .await
        .map_err(|error| error.kind());
    assert_eq!(written, Err(StoreErrorKind::InvalidText));
    let read = db
        .read_point(|tx| tx.query("SELECT value FROM counters WHERE name > $1", &["\0".into()]).map(|rows| rows.len()))
        .await
        .map_err(|error: StoreError| error.kind());
    assert_eq!(read, Err(StoreErrorKind::InvalidText));
    add(&db, "after", 1).await;
}
