//! Space that is kept back: what makes room gets it, and nothing else does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use store::db::{Reserve, Tx};
use store::error::{StoreError, StoreErrorKind};

use super::{SCHEMA, count, insert};
use crate::backend::Backend;

/// A reserve that can be given once.
#[derive(Default)]
struct Once {
    given: AtomicUsize,
    spent: AtomicBool,
}

impl Reserve for Once {
    fn release(&self) -> bool {
        self.given.fetch_add(1, Ordering::Relaxed) == 0
    }

    fn is_spent(&self) -> bool {
        self.spent.load(Ordering::Relaxed)
    }
}

/// Needs more room than there is.
fn fill(tx: &mut dyn Tx) -> Result<u64, StoreError> {
    insert(tx, "large", 1)?;
    tx.execute("INSERT INTO anything (id, bytes) VALUES (1, $1)", &[vec![1_u8; 2 << 20].into()])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_what_makes_room_gets_the_reserve() {
    let backend = Backend::sqlite();
    let db = backend.open(SCHEMA);
    let reserve = Arc::new(Once::default());
    db.set_reserve(reserve.clone());
    db.write(|tx| tx.query("PRAGMA max_page_count = 200", &[])).await.unwrap();
    assert_eq!(db.write(fill).await.unwrap_err().kind(), StoreErrorKind::Full);
    assert_eq!(reserve.given.load(Ordering::Relaxed), 0, "it was not to be asked");
    // It is given, and tried once more; then there is no more to give.
    assert_eq!(db.make_room(fill).await.unwrap_err().kind(), StoreErrorKind::Full);
    assert_eq!(reserve.given.load(Ordering::Relaxed), 2);
    assert_eq!(db.read(count).await.unwrap(), 0, "nothing of either is left");
    db.make_room(|tx| insert(tx, "small", 1)).await.unwrap();
    assert_eq!(db.read(count).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_fills_the_disk_waits_while_the_reserve_is_spent() {
    let backend = Backend::sqlite();
    let db = backend.open(SCHEMA);
    let reserve = Arc::new(Once::default());
    db.set_reserve(reserve.clone());
    reserve.spent.store(true, Ordering::Relaxed);
    assert_eq!(db.write(|tx| insert(tx, "a", 1)).await.unwrap_err().kind(), StoreErrorKind::Full);
    db.make_room(|tx| insert(tx, "b", 1)).await.unwrap();
    reserve.spent.store(false, Ordering::Relaxed);
    db.write(|tx| insert(tx, "c", 1)).await.unwrap();
    assert_eq!(db.read(count).await.unwrap(), 2);
}
