//! The one thread that writes, and group commit: transactions that are queued together share one sync of the disk.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use rusqlite::Connection;
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::SendTimeoutError;

use super::connection::{self, SqliteTx};
use super::pages::PageWatch;
use crate::db::measures::DbMeasures;
use crate::db::read_cache::{Changes, Topics};
use crate::db::reserve::ReserveSlot;
use crate::db::transaction::{Job, failure_ignored};
use crate::db::{QUEUE_WAIT, no_answer, no_turn};
use crate::error::{StoreError, StoreErrorKind};

/// Transactions that share one commit at most: enough to hide the sync, few enough to bound how long one waits.
const BATCH: usize = 256;

/// Transactions that may wait; callers beyond them wait for room.
const QUEUE: usize = 4 * BATCH;

/// A job, and since when it waits.
type Waiting = (Instant, Box<dyn Job>);

/// The queue to the writer thread. Dropping it waits until the thread has finished what is queued.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Waiting>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which owns `connection` from then on.
    pub(super) fn start(
        connection: Connection,
        measures: Arc<DbMeasures>,
        changes: Arc<Changes>,
        reserve: ReserveSlot,
        pages: Arc<PageWatch>,
    ) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("db-writer".to_owned())
            .spawn(move || write_batches(&connection, jobs, &measures, &changes, &reserve, &pages))
            .map_err(|error| {
                StoreError::new(StoreErrorKind::Other, "start the database writer thread").with_source(error)
            })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    pub(super) async fn submit(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let Some(queue) = &self.queue else {
            return Err(no_answer());
        };
        queue.send_timeout((Instant::now(), job), QUEUE_WAIT).await.map_err(|error| match error {
            SendTimeoutError::Timeout(_) => no_turn(),
            SendTimeoutError::Closed(_) => no_answer(),
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        // A queued closure may own the last handle of the database; its thread cannot wait for itself.
        if thread.thread().id() != thread::current().id() {
            // Only a panic could make this an error, and the panic has been reported by then.
            let _ = thread.join();
        }
    }
}

fn write_batches(
    connection: &Connection,
    mut jobs: mpsc::Receiver<Waiting>,
    measures: &DbMeasures,
    changes: &Changes,
    reserve: &ReserveSlot,
    pages: &PageWatch,
) {
    let mut waiting = Vec::with_capacity(BATCH);
    while jobs.blocking_recv_many(&mut waiting, BATCH) > 0 {
        let mut batch = Vec::with_capacity(waiting.len());
        for (since, job) in waiting.drain(..) {
            measures.writes.waited_since(since);
            batch.push(job);
        }
        measures.group_sizes.record(batch.len() as u64);
        if let Some(refusal) = reserve.refusal() {
            let (spending, others): (Vec<_>, Vec<_>) = batch.into_iter().partition(|job| job.may_spend());
            answer_all(others, Some(&refusal));
            batch = spending;
        }
        let mut are_apart = false;
        while !batch.is_empty() {
            measures.writes.attempts.add(batch.len() as u64);
            batch = commit_together(connection, batch, are_apart, changes, reserve);
            measures.writes.retries.add(batch.len() as u64);
            are_apart = true;
        }
        pages.log_damage();
    }
}

/// Runs the jobs in one transaction, commits and answers them. Returns those that have to run again: some, because the
/// transaction was lost while a later job ran, which is answered; or all, because one of them must be undone alone.
///
/// Jobs that `are_apart` can be, at a price: SQLite copies every page that a job changes, and looks through the copies
/// with every statement. So they are tried without first, as hardly any fails after it has changed something.
fn commit_together(
    connection: &Connection,
    jobs: Vec<Box<dyn Job>>,
    are_apart: bool,
    changes: &Changes,
    reserve: &ReserveSlot,
) -> Vec<Box<dyn Job>> {
    if let Err(error) = connection::run(connection, "BEGIN IMMEDIATE") {
        return answer_or_spend(jobs, &error, reserve);
    }
    let mut ran = Vec::with_capacity(jobs.len());
    let mut topics = Topics::default();
    let mut waiting = jobs.into_iter();
    while let Some(mut job) = waiting.next() {
        if job.is_abandoned() {
            continue;
        }
        let Ran { must_be_undone, failure } = if are_apart {
            run_in_savepoint(connection, &mut *job, &mut topics)
        } else {
            run_among_others(connection, &mut *job, &mut topics)
        };
        if job.may_spend() && failure.is_some_and(|error| reserve.release_for(&error)) {
            if !connection.is_autocommit() {
                roll_back(connection);
            }
            ran.push(job);
            ran.extend(waiting);
            return ran;
        }
        if must_be_undone {
            if !connection.is_autocommit() {
                roll_back(connection);
            }
            if ran.is_empty() {
                // What it says rests on nothing that is undone.
                job.answer();
            } else {
                ran.push(job);
            }
            ran.extend(waiting);
            return ran;
        }
        // Some failures (a full disk, an I/O error) make SQLite roll the whole transaction back.
        if connection.is_autocommit() {
            job.answer();
            ran.extend(waiting);
            return ran;
        }
        ran.push(job);
    }
    let changing = changes.begin(topics);
    let committed = connection::run(connection, "COMMIT");
    drop(changing);
    match committed {
        Ok(()) => answer_all(ran, None),
        Err(error) => {
            if !connection.is_autocommit() {
                roll_back(connection);
            }
            return answer_or_spend(ran, &error, reserve);
        }
    }
    Vec::new()
}

/// Answers jobs that failed together, but for those that there is room for now: they are returned, to run again.
fn answer_or_spend(jobs: Vec<Box<dyn Job>>, error: &StoreError, reserve: &ReserveSlot) -> Vec<Box<dyn Job>> {
    let (spending, others): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.may_spend());
    answer_all(others, Some(error));
    if !spending.is_empty() && reserve.release_for(error) {
        return spending;
    }
    answer_all(spending, Some(error));
    Vec::new()
}

/// How a job went.
struct Ran {
    /// Whether what it did must be undone, and with it what those before it did.
    must_be_undone: bool,
    /// What its statements failed of.
    failure: Option<StoreError>,
}

/// Runs one job so that it can be undone only with those before it.
fn run_among_others(connection: &Connection, job: &mut dyn Job, changed: &mut Topics) -> Ran {
    let changes_before = connection.total_changes();
    let mut tx = SqliteTx::new(connection);
    let keep = job.run(&mut tx);
    *changed = changed.and(tx.changed());
    let failure = tx.into_failure();
    match &failure {
        None if keep => return Ran { must_be_undone: false, failure },
        Some(cause) if keep => job.fail(failure_ignored(cause)),
        None | Some(_) => {}
    }
    Ran { must_be_undone: connection.total_changes() != changes_before, failure }
}

/// Runs one job so that it alone is undone if it fails.
fn run_in_savepoint(connection: &Connection, job: &mut dyn Job, changed: &mut Topics) -> Ran {
    let mut failure = None;
    if let Err(error) = run_apart(connection, job, changed, &mut failure) {
        failure.get_or_insert_with(|| error.repeated());
        // One that the job does not know of.
        job.fail(error);
    }
    Ran { must_be_undone: false, failure }
}

fn run_apart(
    connection: &Connection,
    job: &mut dyn Job,
    changed: &mut Topics,
    failure: &mut Option<StoreError>,
) -> Result<(), StoreError> {
    connection::run(connection, "SAVEPOINT job")?;
    let mut tx = SqliteTx::new(connection);
    let keep = job.run(&mut tx);
    *changed = changed.and(tx.changed());
    *failure = tx.into_failure();
    let outcome = match failure {
        None if keep => connection::run(connection, "RELEASE job"),
        Some(cause) if keep => Err(failure_ignored(cause)),
        None | Some(_) => Ok(()),
    };
    if (keep && outcome.is_ok()) || connection.is_autocommit() {
        return outcome;
    }
    let undone =
        connection::run(connection, "ROLLBACK TO job").and_then(|()| connection::run(connection, "RELEASE job"));
    if undone.is_err() {
        // What the job did must not be committed with the others' work: give the whole transaction up.
        roll_back(connection);
    }
    outcome
}

/// Ends the transaction. If even this fails, the next `BEGIN` does too and reports it.
fn roll_back(connection: &Connection) {
    if let Err(error) = connection::run(connection, "ROLLBACK") {
        tracing::error!(cause = ?error, "the database cannot roll back: {error}");
    }
}

fn answer_all(jobs: Vec<Box<dyn Job>>, error: Option<&StoreError>) {
    for mut job in jobs {
        if let Some(error) = error {
            job.fail(error.repeated());
        }
        job.answer();
    }
}
