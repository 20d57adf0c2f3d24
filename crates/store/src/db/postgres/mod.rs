//! The shared database server: a fixed set of threads, each with one connection, that run transactions and run them
//! again when the server asks for it.

mod connection;
mod failure;
mod value;
mod worker;

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Instant;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::measures::{AccessMeasures, DbMeasures};
use super::migrate::Migration;
use super::order::Orders;
use super::transaction::Job;
use super::{QUEUE_WAIT, no_answer, no_turn};
use crate::error::{StoreError, StoreErrorKind};
use connection::Connection;
use worker::Worker;

/// What a transaction may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Look at one consistent state (`REPEATABLE READ READ ONLY`).
    Read,
    /// Change things as if no other transaction ran meanwhile (`SERIALIZABLE`).
    Write,
}

impl Access {
    /// What is measured of such transactions.
    fn measures(self, all: &DbMeasures) -> &AccessMeasures {
        match self {
            Self::Read => &all.reads,
            Self::Write => &all.writes,
        }
    }
}

/// A job that has got its turn.
struct Task {
    access: Access,
    /// The advisory lock that keeps transactions on the same thing in order.
    order: Option<i64>,
    job: Box<dyn Job>,
    /// Held until the job is answered, so that there are never more tasks than threads, even if callers go away.
    _turn: OwnedSemaphorePermit,
}

/// An open PostgreSQL database. Dropping it ends its threads as they become idle.
pub(super) struct PostgresDb {
    tasks: mpsc::Sender<Task>,
    turns: Arc<Semaphore>,
    pub(super) orders: Orders,
    measures: Arc<DbMeasures>,
}

pub(super) fn check_url(url: &str) -> Result<(), StoreError> {
    connection::configure(url).map(drop)
}

impl PostgresDb {
    pub(super) fn open(
        url: &str,
        pool_size: usize,
        migrations: &[Migration],
        measures: &Arc<DbMeasures>,
    ) -> Result<Self, StoreError> {
        if pool_size == 0 {
            return Err(StoreError::new(StoreErrorKind::Other, "the PostgreSQL pool needs at least one connection"));
        }
        let config = Arc::new(connection::configure(url)?);
        // The client blocks on a runtime of its own, which it may not do on a thread of the caller's runtime.
        thread::scope(|scope| {
            let migrate = || Connection::open_patiently(&config)?.migrate(migrations);
            scope.spawn(migrate).join().unwrap_or_else(|_| Err(no_answer()))
        })?;
        let (tasks, queue) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..pool_size {
            let mut worker = Worker::new(Arc::clone(&config), Arc::clone(measures));
            let queue = Arc::clone(&queue);
            thread::Builder::new()
                .name(format!("db-{number}"))
                .spawn(move || while serve_next(&queue, &mut worker) {})
                .map_err(|error| {
                    StoreError::new(StoreErrorKind::Other, "start a database thread").with_source(error)
                })?;
        }
        let turns = Arc::new(Semaphore::new(pool_size));
        Ok(Self { tasks, turns, orders: Orders::default(), measures: Arc::clone(measures) })
    }

    /// Hands a job to a thread when one comes free; the job answers for itself.
    pub(super) async fn submit(&self, access: Access, order: Option<i64>, job: Box<dyn Job>) -> Result<(), StoreError> {
        let began = Instant::now();
        let turn = timeout(QUEUE_WAIT, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(no_turn());
        };
        access.measures(&self.measures).waited_since(began);
        self.tasks.send(Task { access, order, job, _turn: turn }).map_err(|_| no_answer())
    }
}

/// Serves one task; `false` when there will be no more.
fn serve_next(queue: &Mutex<mpsc::Receiver<Task>>, worker: &mut Worker) -> bool {
    // Idle threads wait for the lock, the first of them for the queue.
    let received = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
    let Ok(mut task) = received else { return false };
    if !task.job.is_abandoned() {
        worker.serve(task.access, task.order, &mut *task.job);
        task.job.answer();
    }
    true
}
