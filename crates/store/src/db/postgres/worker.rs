//! One thread's share of the work: a transaction from its first attempt to a result that stands.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use postgres::Config;

use super::Access;
use super::connection::{Connection, PostgresTx};
use super::failure::{Failure, Remedy};
use crate::db::measures::DbMeasures;
use crate::db::transaction::{Job, failure_ignored};
use crate::error::{StoreError, StoreErrorKind};

/// Attempts at a transaction that others keep interfering with.
const ATTEMPTS: u32 = 20;

/// After so many attempts a transaction waits for its turn among all that collide: those that do so again and again must
/// not all go on doing so.
const FREE_ATTEMPTS: u32 = 3;

/// Who has the turn holds this advisory lock: the one of migrations plus one.
const TURN_LOCK: i64 = 0x77_68_61_72_67;

/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(10);

/// Owns one connection, which it makes when it needs one and forgets when it is broken.
pub(super) struct Worker {
    config: Arc<Config>,
    connection: Option<Connection>,
    measures: Arc<DbMeasures>,
}

/// The advisory locks that a transaction is to hold before it begins, and does not hold yet. One that is lost with its
/// connection is gone for the attempts that remain.
struct Locks {
    missing: Vec<i64>,
}

impl Locks {
    fn take(&mut self, connection: &mut Connection) -> Result<(), Failure> {
        self.missing.drain(..).try_for_each(|lock| connection.lock(lock))
    }
}

impl Worker {
    pub(super) fn new(config: Arc<Config>, measures: Arc<DbMeasures>) -> Self {
        Self { config, connection: None, measures }
    }

    /// Runs a job until its result stands. The job is left unanswered.
    pub(super) fn serve(&mut self, access: Access, order: Option<i64>, job: &mut dyn Job) {
        let mut may_reconnect = true;
        let mut may_repeat_conflict = true;
        let mut locks = Locks { missing: order.into_iter().collect() };
        for attempt in 1..=ATTEMPTS {
            if attempt == FREE_ATTEMPTS + 1 {
                locks.missing.push(TURN_LOCK);
            }
            let measures = access.measures(&self.measures);
            measures.attempts.increment();
            if attempt > 1 {
                measures.retries.increment();
            }
            match self.attempt(access, &mut locks, job) {
                Remedy::RunAgain if attempt < ATTEMPTS => thread::sleep(pause_after(attempt)),
                Remedy::RunAgainOnce if may_repeat_conflict => may_repeat_conflict = false,
                Remedy::Reconnect if may_reconnect => may_reconnect = false,
                Remedy::RunAgain | Remedy::RunAgainOnce | Remedy::Reconnect | Remedy::None => break,
            }
        }
        if self.connection.as_mut().is_some_and(|connection| connection.unlock().is_err()) {
            // Whoever waits for a lock gets it as the connection closes.
            self.connection = None;
        }
    }

    /// Runs the job once and leaves it with the result that stands unless the remedy, if any, gives a better one.
    fn attempt(&mut self, access: Access, locks: &mut Locks, job: &mut dyn Job) -> Remedy {
        // Taken out until it is known to be in order.
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => match Connection::open(&self.config) {
                Ok(connection) => connection,
                Err(error) => {
                    job.fail(error);
                    return Remedy::None;
                }
            },
        };
        if let Err(failure) = locks.take(&mut connection).and_then(|()| connection.begin(access)) {
            job.fail(failure.error);
            return failure.remedy;
        }
        let mut tx = PostgresTx::new(&mut connection);
        let keep = job.run(&mut tx);
        let failure = match tx.into_failure() {
            Some(failure) => {
                settle(job, keep, &failure);
                Some(failure)
            }
            None if keep => match connection.commit() {
                Ok(()) => {
                    self.connection = Some(connection);
                    return Remedy::None;
                }
                // What was read stands, however the transaction ended.
                Err(_) if access == Access::Read => return Remedy::None,
                Err(failure) if failure.is_connection_usable => {
                    job.fail(failure.error.repeated());
                    Some(failure)
                }
                Err(failure) => {
                    // Not to be run again: the changes may have been made.
                    let context = "the connection was lost during a commit";
                    job.fail(StoreError::new(StoreErrorKind::Unavailable, context).with_source(failure.error));
                    return Remedy::None;
                }
            },
            None => None,
        };
        let is_usable = failure.as_ref().is_none_or(|failure| failure.is_connection_usable);
        if is_usable && connection.roll_back().is_ok() {
            self.connection = Some(connection);
        }
        failure.map_or(Remedy::None, |failure| failure.remedy)
    }
}

/// Decides what the caller learns of a failed statement if the job does not run again.
fn settle(job: &mut dyn Job, keep: bool, failure: &Failure) {
    match failure.remedy {
        // The closure may have taken these for an answer to its statement, which they are not.
        Remedy::RunAgain | Remedy::Reconnect => job.fail(failure.error.repeated()),
        Remedy::RunAgainOnce | Remedy::None if keep => job.fail(failure_ignored(&failure.error)),
        Remedy::RunAgainOnce | Remedy::None => {}
    }
}

/// A random pause, longer on average after each attempt, so that transactions that collided do not do so again.
fn pause_after(attempt: u32) -> Duration {
    let longest = Duration::from_millis(1 << attempt.min(10)).min(LONGEST_PAUSE);
    let random = RandomState::new().build_hasher().finish();
    longest.mul_f64((random >> 11) as f64 / (1_u64 << 53) as f64)
}
