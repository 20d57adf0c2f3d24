//! Whether this node can do its work, for `/readyz`: that changes can be written, to the database and to the folders of
//! objects. What was found holds for a moment, so that however often it is asked, little is written.

use std::time::{Duration, Instant};

use store::blob::BlobStore;
use store::db::Db;
use store::error::{StoreError, StoreErrorKind};
use store::tables::collection_holds;

use crate::boxed;
use crate::with_causes;

/// What was found well holds so long, and what was not a little.
const GOOD_FOR: Duration = Duration::from_secs(5);
const BAD_FOR: Duration = Duration::from_secs(1);
/// Who has not answered by then does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// A node's means to do its work, and what was found last: nothing, or why the node is not ready.
pub struct Readiness {
    db: Db,
    stores: [BlobStore; 2],
    /// The row that is written has this id.
    row_id: String,
    known: tokio::sync::Mutex<Option<(Instant, Option<&'static str>)>>,
}

impl Readiness {
    /// Of a node with this database and these stores.
    pub fn new(db: Db, stores: [BlobStore; 2], node_id: &str) -> Self {
        Self { db, stores, row_id: format!("readiness of {node_id}"), known: tokio::sync::Mutex::default() }
    }

    /// Why the node is not ready, if it is not. One looks, and whoever else asks meanwhile waits for what it finds.
    #[boxed]
    pub async fn failure(&self) -> Option<&'static str> {
        let mut known = self.known.lock().await;
        if let Some((at, failure)) = &*known
            && at.elapsed() < if failure.is_none() { GOOD_FOR } else { BAD_FOR }
        {
            return *failure;
        }
        let failure = self.look().await;
        let was_ready = known.as_ref().is_none_or(|(_, failure)| failure.is_none());
        if was_ready != failure.is_none() {
            match failure {
                Some(failure) => tracing::error!("not ready any more: {failure}"),
                None => tracing::info!("ready again"),
            }
        }
        *known = Some((Instant::now(), failure));
        failure
    }

    async fn look(&self) -> Option<&'static str> {
        let Ok(written) = tokio::time::timeout(PATIENCE, self.write_row()).await else {
            return Some("the database does not answer");
        };
        if let Err(error) = written {
            tracing::warn!("nothing can be written to the database: {}", with_causes(&error));
            return Some(match error.kind() {
                StoreErrorKind::Full => "storage is full: the database cannot be written",
                _ => "the database cannot be written",
            });
        }
        for store in &self.stores {
            let Ok(written) = tokio::time::timeout(PATIENCE, store.try_write()).await else {
                return Some("the folder of objects does not answer");
            };
            if let Err(error) = written {
                tracing::warn!("nothing can be written to the folder of objects: {}", with_causes(&error));
                return Some(match error.kind() {
                    StoreErrorKind::Full => "storage is full: objects cannot be written",
                    _ => "the folder of objects cannot be written",
                });
            }
        }
        None
    }

    /// Writes a row that means nothing, and takes it back.
    async fn write_row(&self) -> Result<(), StoreError> {
        let id = self.row_id.clone();
        self.db
            .write(move |tx| {
                collection_holds::hold(tx, &id, 0)?;
                collection_holds::release(tx, &id, 0)
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use store::db::Tx;

    use crate::Runtime;
    use crate::testing::TestRuntime;

    async fn refuse(app: &Runtime, sql: &'static str) {
        app.db.write(move |tx: &mut dyn Tx| tx.execute(sql, &[])).await.expect("done");
    }

    #[tokio::test]
    async fn what_was_found_holds_for_a_moment() {
        let test = TestRuntime::new().await;
        assert_eq!(test.readiness.failure().await, None);
        let trigger = "CREATE TRIGGER refuse BEFORE INSERT ON collection_holds BEGIN SELECT RAISE(ABORT, 'no'); END";
        refuse(&test, trigger).await;
        // However often it is asked, nothing more is written.
        for _ in 0..100 {
            assert_eq!(test.readiness.failure().await, None);
        }
        test.readiness.known.lock().await.take();
        assert_eq!(test.readiness.failure().await, Some("the database cannot be written"));
        refuse(&test, "DROP TRIGGER refuse").await;
        assert_eq!(test.readiness.look().await, None);
    }
}
