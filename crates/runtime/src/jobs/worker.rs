//! The worker of a node: takes jobs that are due, works on several at a time, and notes how they ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use aws::AccountId;
use store::db::{Db, Dialect, Tx};
use store::error::StoreError;
use store::measure::Counter;
use store::tables::jobs::{self, TakenJob, Taking};
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use super::handler::Handler;
use super::job::JobError;
use crate::boxed;
use crate::clock::Clock;
use crate::shutdown::stopped;
use crate::telemetry::{Attribute, Span, SpanKind, Telemetry, TraceContext, now_ns};
use crate::with_causes;

/// How often the worker looks for what is due, if nobody wakes it.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A node that does not extend its hold for so long has lost the job to others.
const LEASE_MS: i64 = 30_000;
/// Tests lose leases, too, and do not wait.
const EXTEND_EVERY: Duration = if cfg!(test) { Duration::from_millis(20) } else { Duration::from_secs(10) };
const LONGEST_DELAY_MS: i64 = 5 * 60 * 1000;
/// A job that was begun so often, while its node died each time before it came to an end, is perhaps why. A node that is
/// killed for other reasons must not cost a job, so these are many.
const MOST_BEGINS: i64 = 200;

/// Wakes the worker when something is due at once.
#[derive(Default)]
pub struct Wake(Notify);

impl Wake {
    /// Lets the worker look now.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// How the jobs of a node ended.
#[derive(Default)]
pub struct JobEnds {
    /// Jobs that came to an end.
    pub done: Counter,
    /// Attempts at jobs that failed and are made again.
    pub failed: Counter,
    /// Jobs that were given up.
    pub given_up: Counter,
}

/// What the worker stands on.
#[derive(Clone)]
pub struct Node {
    /// Where the jobs are.
    pub db: Db,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Wakes it.
    pub wake: Arc<Wake>,
    /// Where it counts.
    pub ends: Arc<JobEnds>,
    /// What is told of each job.
    pub telemetry: Arc<Telemetry>,
}

/// Whose turn it is at the places of a handler.
#[derive(Clone, Default)]
struct Turn {
    /// Of whom the jobs are that are under way.
    busy: Vec<Option<AccountId>>,
    /// Who had the last one.
    last: Option<AccountId>,
}

/// The worker of a node. Clones are the same one.
#[derive(Clone)]
pub struct Worker {
    node: Arc<Node>,
    handlers: Arc<[Handler]>,
}

impl Worker {
    /// A worker that does what these handlers do.
    pub fn new(node: Node, handlers: Vec<Handler>) -> Self {
        Self { node: Arc::new(node), handlers: handlers.into() }
    }

    fn now_ms(&self) -> i64 {
        self.node.clock.now_ms()
    }

    /// Works until `stop` turns true, then puts back what it has not finished.
    #[boxed]
    pub async fn run(self, mut stop: watch::Receiver<bool>) {
        let Node { db, wake, .. } = &*self.node;
        let lease = uuid::Uuid::new_v4().to_string();
        if db.dialect() == Dialect::Sqlite {
            // The data folder has one server at a time: whatever is held was held by one that has ended.
            let now_ms = self.now_ms();
            note_released(db.make_room(move |tx| jobs::release_all(tx, now_ms)).await);
        }
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut running = JoinSet::new();
        // By task: which handler has it, and the job.
        let mut under_way: HashMap<Id, (usize, TakenJob)> = HashMap::new();
        let mut turns = vec![Turn::default(); self.handlers.len()];
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                _ = look.tick() => {}
                () = wake.0.notified() => {}
                Some(ended) = running.join_next_with_id(), if !running.is_empty() => {
                    match ended {
                        Ok((id, ())) => drop(under_way.remove(&id)),
                        Err(panicked) => {
                            tracing::error!(error = %panicked, "a background job panicked: {panicked}");
                            if let Some((at, job)) = under_way.remove(&panicked.id()) {
                                self.end(at, job, Err(JobError::Failed(format!("it panicked: {panicked}")))).await;
                            }
                        }
                    }
                }
            }
            for (at, handler) in self.handlers.iter().enumerate() {
                let turn = &mut turns[at];
                turn.busy = under_way.values().filter(|(of, _)| *of == at).map(|(_, job)| job.account).collect();
                let taken = match self.take(at, &lease, turn).await {
                    Ok(taken) => taken,
                    Err(error) => {
                        tracing::error!(
                            "jobs of kind {} cannot be taken: {error}",
                            handler.kind,
                            error = crate::with_causes(&error)
                        );
                        continue;
                    }
                };
                for job in taken {
                    let task = running.spawn(self.clone().work_on(at, job.clone()));
                    under_way.insert(task.id(), (at, job));
                }
            }
        }
        running.shutdown().await;
        let now_ms = self.now_ms();
        note_released(db.make_room(move |tx| jobs::release(tx, &lease, now_ms)).await);
    }

    /// Takes jobs of a handler that are due: as many as there are places for, and then one of each account that has no place.
    async fn take(&self, at: usize, lease: &str, turn: &mut Turn) -> Result<Vec<TakenJob>, StoreError> {
        let (now_ms, handler) = (self.now_ms(), &self.handlers[at]);
        let mut taken = Vec::new();
        let free = handler.at_once.saturating_sub(turn.busy.len());
        let kind = handler.kind.clone();
        if free > 0 && self.node.db.read_point(move |tx| jobs::is_any_due(tx, &kind, now_ms)).await? {
            taken = self.take_for(at, lease, turn, free, Vec::new()).await?;
        }
        let extra = (2 * handler.at_once).saturating_sub(turn.busy.len());
        // Where a job of no account is under way, none are of any.
        let Some(others) = turn.busy.iter().copied().collect::<Option<Vec<AccountId>>>() else { return Ok(taken) };
        if turn.busy.len() < handler.at_once || extra == 0 {
            return Ok(taken);
        }
        let (kind, asked) = (handler.kind.clone(), others.clone());
        if self.node.db.read_point(move |tx| jobs::is_due_for_others(tx, &kind, &asked, now_ms)).await? {
            taken.extend(self.take_for(at, lease, turn, extra, others).await?);
        }
        Ok(taken)
    }

    /// Takes up to `limit` jobs that are due, and notes whose turn it was.
    async fn take_for(
        &self,
        at: usize,
        lease: &str,
        turn: &mut Turn,
        limit: usize,
        without: Vec<AccountId>,
    ) -> Result<Vec<TakenJob>, StoreError> {
        let (now_ms, kind, lease, after) = (self.now_ms(), self.handlers[at].kind.clone(), lease.to_owned(), turn.last);
        let take = move |tx: &mut dyn Tx| {
            let (kind, lease, without) = (&kind, &lease, &without);
            jobs::take_due(tx, &Taking { kind, lease, now_ms, until_ms: now_ms + LEASE_MS, limit, after, without })
        };
        let taken = self.node.db.make_room(take).await?;
        turn.busy.extend(taken.iter().map(|job| job.account));
        turn.last = taken.last().map_or(turn.last, |job| job.account);
        Ok(taken)
    }

    /// Works on one job for as long as it is ours, and notes how it ended.
    async fn work_on(self, at: usize, job: TakenJob) {
        let handler = &self.handlers[at];
        let telemetry = &self.node.telemetry;
        let trace = Some(TraceContext::new_root()).filter(|trace| telemetry.wants(trace));
        let began_ns = now_ns();
        let result = if job.attempts > handler.max_attempts.max(MOST_BEGINS) {
            Err(JobError::Hopeless(format!("it was begun {} times and never came to an end", job.attempts - 1)))
        } else {
            tokio::select! {
                result = (handler.run)(&job) => result,
                () = self.hold(&job) => {
                    tracing::warn!("job {} {} was lost to another node", job.kind, job.key);
                    return;
                }
            }
        };
        if let Some(trace) = trace {
            telemetry.record(Span {
                trace,
                name: format!("job {}", job.kind),
                kind: SpanKind::Internal,
                began_ns,
                ended_ns: now_ns(),
                attributes: vec![
                    ("wharf.job.key", job.key.as_str().into()),
                    ("wharf.job.attempts", Attribute::Number(job.attempts)),
                ],
                error: result.as_ref().err().and_then(JobError::failure),
            });
        }
        self.end(at, job, result).await;
    }

    async fn end(&self, at: usize, job: TakenJob, result: Result<(), JobError>) {
        if let Err(error) = self.note_end(at, job, result).await {
            tracing::error!(
                "the end of a job was not noted, so it is done again: {error}",
                error = crate::with_causes(&error)
            );
        }
    }

    /// Extends the lease again and again; returns when it is lost.
    async fn hold(&self, job: &TakenJob) {
        let mut extend = interval(EXTEND_EVERY);
        extend.tick().await;
        loop {
            extend.tick().await;
            let (job, until_ms) = (job.clone(), self.now_ms() + LEASE_MS);
            match self.node.db.make_room(move |tx| jobs::extend(tx, &job, until_ms)).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!("a job's lease was not extended: {error}", error = crate::with_causes(&error));
                }
            }
        }
    }

    async fn note_end(&self, at: usize, job: TakenJob, result: Result<(), JobError>) -> Result<(), StoreError> {
        let (now_ms, Node { db, ends, .. }) = (self.now_ms(), &*self.node);
        let failure = match result {
            Ok(()) => {
                ends.done.increment();
                return db.make_room(move |tx| jobs::finish(tx, &job, now_ms)).await;
            }
            Err(JobError::TooEarly { until_ms }) => {
                return db.make_room(move |tx| jobs::put_back(tx, &job, until_ms, None)).await;
            }
            Err(JobError::Hopeless(text)) => return self.give_up(job, text).await,
            Err(JobError::Failed(text)) => text,
            Err(JobError::Store(error)) => with_causes(&error),
        };
        if job.attempts >= self.handlers[at].max_attempts {
            return self.give_up(job, failure).await;
        }
        ends.failed.increment();
        let due_at_ms = now_ms + delay_ms(job.attempts);
        tracing::info!("job {} {} failed and is tried again: {failure}", job.kind, job.key);
        db.make_room(move |tx| jobs::put_back(tx, &job, due_at_ms, Some(&failure))).await
    }

    async fn give_up(&self, job: TakenJob, text: String) -> Result<(), StoreError> {
        self.node.ends.given_up.increment();
        tracing::warn!("job {} {} is given up: {text}", job.kind, job.key);
        let now_ms = self.now_ms();
        self.node.db.make_room(move |tx| jobs::give_up(tx, &job, now_ms, &text)).await
    }

    /// Works off all that is due at this moment, for tests.
    #[cfg(any(test, feature = "testing"))]
    pub async fn work_off(&self) {
        loop {
            let mut count = 0;
            for at in 0..self.handlers.len() {
                let mut turn = Turn::default();
                for job in self.take_for(at, "test", &mut turn, 100, Vec::new()).await.expect("readable") {
                    count += 1;
                    self.clone().work_on(at, job).await;
                }
            }
            if count == 0 {
                return;
            }
        }
    }
}

fn note_released(released: Result<(), StoreError>) {
    if let Err(error) = released {
        tracing::warn!(
            "jobs were not put back, and wait for their leases to end: {error}",
            error = crate::with_causes(&error)
        );
    }
}

fn delay_ms(attempts: i64) -> i64 {
    (1000_i64 << (attempts - 1).clamp(0, 20)).min(LONGEST_DELAY_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_five_minutes() {
        let delays: Vec<i64> = [1, 2, 3, 9, 10, 64, 200].map(delay_ms).into();
        assert_eq!(delays, [1000, 2000, 4000, 256_000, 300_000, 300_000, 300_000]);
    }
}
