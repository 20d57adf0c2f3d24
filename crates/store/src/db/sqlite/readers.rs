//! The connections that read: each transaction sees one state of the database while the writer goes on.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::connection::{self, SqliteTx};
use super::pages::PageWatch;
use crate::db::measures::DbMeasures;
use crate::db::transaction::{Tx, failure_ignored, run_caught};
use crate::db::{QUEUE_WAIT, no_answer, no_turn};
use crate::error::StoreError;

/// Reads that run at once on blocking threads.
const BLOCKING_READS: usize = 8;

/// The idle connections. There are never more than `BLOCKING_READS` plus one per thread that reads inline.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    turns: Arc<Semaphore>,
    measures: Arc<DbMeasures>,
    pages: Arc<PageWatch>,
}

impl Readers {
    pub(super) fn new(path: &Path, measures: Arc<DbMeasures>, pages: Arc<PageWatch>) -> Self {
        let turns = Arc::new(Semaphore::new(BLOCKING_READS));
        Self { path: path.to_owned(), idle: Mutex::default(), turns, measures, pages }
    }

    /// Runs `f` in a snapshot on a thread that may block, when one of the turns comes free.
    pub(super) async fn run_on_blocking_thread<T, E, F>(self: &Arc<Self>, f: F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let began = Instant::now();
        let turn = timeout(QUEUE_WAIT, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(no_turn().into());
        };
        self.measures.reads.waited_since(began);
        let readers = Arc::clone(self);
        let task = tokio::task::spawn_blocking(move || {
            // Moved in: a caller that goes away does not end the read, so it must not free the turn either.
            let _turn = turn;
            readers.run(&f)
        });
        task.await.unwrap_or_else(|error| Err(no_answer().with_source(error).into()))
    }

    /// Runs `f` in a snapshot on this thread.
    pub(super) fn run<T, E, F>(&self, f: &F) -> Result<T, E>
    where
        F: Fn(&mut dyn Tx) -> Result<T, E>,
        E: From<StoreError>,
    {
        self.measures.reads.attempts.increment();
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let connection = match idle {
            Some(connection) => connection,
            None => connection::open_reader(&self.path)?,
        };
        connection::run(&connection, "BEGIN")?;
        let mut tx = SqliteTx::new(&connection);
        let mut result = run_caught(f, &mut tx);
        let failure = tx.into_failure();
        self.pages.log_damage();
        if let (Ok(_), Some(cause)) = (&result, &failure) {
            result = Err(failure_ignored(cause).into());
        }
        // A connection that failed in any way is closed, which ends its transaction too.
        if failure.is_none() && connection::run(&connection, "COMMIT").is_ok() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        }
        result
    }
}
