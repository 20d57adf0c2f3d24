//! The metadata engine: one contract for both databases, then what is particular to each.

mod migrations;
mod page_headers;
mod pages;
mod postgres;
mod read_cache;
mod reserve;
mod sqlite;
mod transactions;
mod transfer;
mod values;

use std::sync::{Mutex, mpsc};

use store::db::migrate::Migration;
use store::db::{Db, Row, Tx, Value};
use store::error::StoreError;
use tokio::task::block_in_place;

use crate::backend::on_every_backend;

/// The schema of the tests.
const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    name: "test",
    sqlite: "CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
             CREATE TABLE parts (id INTEGER PRIMARY KEY, counter TEXT NOT NULL REFERENCES counters (name));
             CREATE TABLE anything (id INTEGER PRIMARY KEY, number INTEGER, words TEXT, bytes BLOB);",
    postgres: "CREATE TABLE counters (name TEXT PRIMARY KEY, value BIGINT NOT NULL);
               CREATE TABLE parts (id BIGINT PRIMARY KEY, counter TEXT NOT NULL REFERENCES counters (name));
               CREATE TABLE anything (id BIGINT PRIMARY KEY, number BIGINT, words TEXT, bytes BYTEA);",
}];

fn insert(tx: &mut dyn Tx, name: &str, value: i64) -> Result<u64, StoreError> {
    tx.execute("INSERT INTO counters (name, value) VALUES ($1, $2)", &[name.into(), value.into()])
}

fn value(tx: &mut dyn Tx, name: &str) -> Result<Option<i64>, StoreError> {
    let row = tx.query_opt("SELECT value FROM counters WHERE name = $1", &[name.into()])?;
    row.map(|row| row.int(0)).transpose()
}

fn set(tx: &mut dyn Tx, name: &str, value: i64) -> Result<u64, StoreError> {
    tx.execute("UPDATE counters SET value = $1 WHERE name = $2", &[value.into(), name.into()])
}

fn count(tx: &mut dyn Tx) -> Result<i64, StoreError> {
    only(tx, "SELECT count(*) FROM counters", &[])?.int(0)
}

/// The row of a statement that returns exactly one.
fn only(tx: &mut dyn Tx, sql: &str, params: &[Value]) -> Result<Row, StoreError> {
    Ok(tx.query_opt(sql, params)?.expect("the statement returns a row"))
}

/// Adds a counter in a transaction of its own.
async fn add(db: &Db, name: &'static str, start: i64) {
    db.write(move |tx| insert(tx, name, start)).await.expect("the counter is new");
}

/// A place in a transaction where it stops until the test lets it go on.
struct Gate {
    channels: Mutex<(mpsc::Sender<()>, mpsc::Receiver<()>)>,
}

/// The test's side of a gate.
struct Keeper {
    arrived: mpsc::Receiver<()>,
    opened: mpsc::Sender<()>,
}

fn gate() -> (Gate, Keeper) {
    let (arrive, arrived) = mpsc::channel();
    let (opened, open) = mpsc::channel();
    (Gate { channels: Mutex::new((arrive, open)) }, Keeper { arrived, opened })
}

impl Gate {
    fn pass(&self) {
        let (arrive, open) = &*self.channels.lock().unwrap();
        arrive.send(()).unwrap();
        open.recv().unwrap();
    }
}

impl Keeper {
    /// Waits until the transaction stands at the gate.
    fn wait_for_arrival(&self) {
        block_in_place(|| self.arrived.recv()).unwrap();
    }

    fn open(&self) {
        self.opened.send(()).unwrap();
    }
}
