//! What is kept of the database is what reading it would give.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use store::db::migrate::Migration;
use store::db::{Db, HeldBytes, ReadCache, Topic, Tx};
use store::error::StoreError;
use tokio::task::JoinSet;

use super::{on_every_backend, only};
use crate::backend::Backend;

/// Tables with the names of some that end what is kept, and of one that does not.
const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    name: "test",
    sqlite: "CREATE TABLE image_tags (value INTEGER NOT NULL); INSERT INTO image_tags VALUES (0);
             CREATE TABLE uploads (value INTEGER NOT NULL); INSERT INTO uploads VALUES (0);",
    postgres: "CREATE TABLE image_tags (value BIGINT NOT NULL); INSERT INTO image_tags VALUES (0);
               CREATE TABLE uploads (value BIGINT NOT NULL); INSERT INTO uploads VALUES (0);",
}];

on_every_backend!(nobody_sees_what_an_answered_write_has_ended, a_failed_write_leaves_what_was);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
struct Number(i64);

impl HeldBytes for Number {
    fn held_bytes(&self) -> usize {
        0
    }
}

type Numbers = ReadCache<&'static str, Number>;

fn numbers() -> Arc<Numbers> {
    Arc::new(ReadCache::new(Topic::Images, 1 << 20))
}

/// The number, and whether it was kept.
async fn look(db: &Db, cache: &Numbers) -> (i64, bool) {
    let mark = match cache.find(db, &"number") {
        Ok(Number(number)) => return (number, true),
        Err(mark) => mark,
    };
    let read = |tx: &mut dyn Tx| only(tx, "SELECT value FROM image_tags", &[])?.int(0);
    let number = cache.read(db, read).await.expect("there is a row");
    cache.insert(mark, "number", &Number(number));
    (number, false)
}

async fn nobody_sees_what_an_answered_write_has_ended(backend: &Backend) {
    const WRITES: i64 = 400;
    let (db, cache) = (backend.open(SCHEMA), numbers());
    let (answered, is_over) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
    let mut readers = JoinSet::new();
    for _ in 0..3 {
        let (db, cache, answered, is_over) = (db.clone(), cache.clone(), answered.clone(), is_over.clone());
        readers.spawn(async move {
            let (mut hits, mut last) = (0, 0);
            while !is_over.load(Ordering::SeqCst) {
                let floor = answered.load(Ordering::SeqCst);
                let (number, was_cached) = look(&db, &cache).await;
                assert!(number >= floor.max(last), "saw {number} after {floor} was answered and {last} was seen");
                last = number;
                hits += i64::from(was_cached);
                tokio::task::yield_now().await;
            }
            hits
        });
    }
    for number in 1..=WRITES {
        let set = move |tx: &mut dyn Tx| tx.execute("UPDATE image_tags SET value = $1", &[number.into()]);
        db.write(set).await.expect("the number can be set");
        answered.store(number, Ordering::SeqCst);
        // What has nothing to do with it leaves it alone.
        let unrelated = |tx: &mut dyn Tx| tx.execute("UPDATE uploads SET value = value + 1", &[]);
        db.write(unrelated).await.expect("a row can be changed");
    }
    is_over.store(true, Ordering::SeqCst);
    let hits: i64 = readers.join_all().await.into_iter().sum();
    let is_embedded = db.server_time_ms().await.expect("an answer").is_none();
    assert_eq!(hits > 0, is_embedded, "{hits} hits");
    assert_eq!(look(&db, &cache).await.0, WRITES);
    let unrelated = |tx: &mut dyn Tx| tx.execute("UPDATE uploads SET value = value + 1", &[]);
    db.write(unrelated).await.expect("a row can be changed");
    assert_eq!(look(&db, &cache).await, (WRITES, is_embedded));
}

async fn a_failed_write_leaves_what_was(backend: &Backend) {
    let (db, cache) = (backend.open(SCHEMA), numbers());
    look(&db, &cache).await;
    let failing = |tx: &mut dyn Tx| {
        tx.execute("UPDATE image_tags SET value = 7", &[])?;
        tx.execute("UPDATE nowhere SET value = 7", &[])
    };
    let failed: Result<u64, StoreError> = db.write(failing).await;
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(look(&db, &cache).await.0, 0);
}
