//! Copying all tables from one kind of database to the other and back.

use std::collections::BTreeSet;

use store::db::schema::{self, ColumnType, Table};
use store::db::transfer::{copy, dump, fingerprints};
use store::db::{Db, Tx, Value};
use store::error::StoreError;

use crate::backend::Backend;

const NOTHING: &[&str] = &[];

/// One row in every table of the schema, whatever tables it has: 1, `x` and a byte wherever something must be.
fn fill(tx: &mut dyn Tx) -> Result<(), StoreError> {
    for table in schema::read(tx)? {
        let sql = format!("SELECT COUNT(*) FROM {}", table.name);
        if tx.query_opt(&sql, &[])?.expect("a count").int(0)? > 0 {
            continue;
        }
        let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
        let values: Vec<Value> = table
            .columns
            .iter()
            .map(|column| match column.column_type {
                ColumnType::Int => Value::Int(1),
                ColumnType::Text => Value::from("x"),
                ColumnType::Blob => Value::from(vec![0, 255]),
            })
            .collect();
        let numbers: Vec<String> = (1..=values.len()).map(|number| format!("${number}")).collect();
        let sql = format!("INSERT INTO {} ({}) VALUES ({})", table.name, names.join(", "), numbers.join(", "));
        tx.execute(&sql, &values)?;
    }
    Ok(())
}

async fn tables(db: &Db) -> Vec<Table> {
    db.read(schema::read).await.expect("readable")
}

/// How many rows a new secret's number is ahead of none.
async fn next_number(db: &Db) -> i64 {
    let insert = |tx: &mut dyn Tx| {
        let row = tx.query_opt(
            "INSERT INTO secrets (account_id, region, name, suffix, tags, created_at_ms, changed_at_ms) \
             VALUES ('a', 'r', 'another', 's', '', 1, 1) RETURNING id",
            &[],
        )?;
        row.expect("a row").int(0)
    };
    db.write(insert).await.expect("inserted")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_table_comes_along() {
    let (one, other, third) = (Backend::sqlite(), Backend::postgres(), Backend::sqlite());
    let open = |backend: &Backend| Db::open(backend.config()).expect("opens");
    let (source, target, back) = (open(&one), open(&other), open(&third));
    source.write(fill).await.expect("filled");
    // A number that is gone is not given again, on the other side either.
    source
        .write(|tx| {
            tx.execute(
                "INSERT INTO secrets (id, account_id, region, name, suffix, tags, created_at_ms, changed_at_ms) \
                 VALUES (40, 'a', 'r', 'gone', 's', '', 1, 1)",
                &[],
            )?;
            tx.execute("DELETE FROM secrets WHERE id = 40", &[])
        })
        .await
        .expect("changed");
    let mut seen = BTreeSet::new();
    copy(&source, &target, NOTHING, &mut |table, _| {
        seen.insert(table.to_owned());
    })
    .await
    .expect("copied");
    let known: BTreeSet<String> = tables(&source).await.into_iter().map(|table| table.name).collect();
    assert_eq!(seen, known);
    let found = fingerprints(&source, NOTHING).await.expect("read");
    assert!(found.values().all(|(rows, _)| *rows > 0), "a table is empty, so nothing is said of it: {found:?}");
    assert_eq!(found.len(), known.len());
    assert_eq!(fingerprints(&target, NOTHING).await.expect("read"), found);
    copy(&target, &back, NOTHING, &mut |_, _| {}).await.expect("copied");
    assert_eq!(fingerprints(&back, NOTHING).await.expect("read"), found);
    assert_eq!((next_number(&target).await, next_number(&back).await), (41, 41));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_copy_replaces_what_is_there_and_leaves_out_what_is_named() {
    let (one, other) = (Backend::sqlite(), Backend::postgres());
    let (source, target) = (Db::open(one.config()).expect("opens"), Db::open(other.config()).expect("opens"));
    target.write(fill).await.expect("filled");
    source
        .write(|tx| {
            for number in 0..1_300_i64 {
                tx.execute(
                    "INSERT INTO account_settings (account_id, region, name, value) VALUES ($1, 'r', $2, 'v')",
                    &[format!("a{}", number % 7).into(), format!("{number:05}").into()],
                )?;
            }
            Ok::<_, StoreError>(())
        })
        .await
        .expect("filled");
    let without: &[&str] = &["uploads", "nodes"];
    // What is left out refers to what goes.
    target.write(|tx| tx.execute("DELETE FROM uploads", &[])).await.expect("deleted");
    copy(&source, &target, without, &mut |_, _| {}).await.expect("copied");
    assert_eq!(
        fingerprints(&source, without).await.expect("read"),
        fingerprints(&target, without).await.expect("read")
    );
    let mut lines = 0;
    dump(&target, without, &mut |line| {
        lines += usize::from(line.contains("\"account_settings\""));
        Ok(())
    })
    .await
    .expect("dumped");
    assert_eq!(lines, 1_300);
}
