//! The worker of a node: takes jobs that are due, works on several at a time, and notes how they ended.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use store::db::Dialect;
use store::error::StoreError;
use store::tables::jobs::{self, TakenJob};
use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::{MissedTickBehavior, interval};

use super::JOBS;
use super::check_storage::CheckStorage;
use super::job::{Entry, Job as _, JobError};
use crate::app::App;
use crate::shutdown::stopped;
use crate::telemetry::{Attribute, Span, SpanKind, TraceContext, now_ns};
use crate::with_causes;
use crate::work::Work;

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

/// Works until `stop` turns true, then puts back what it has not finished.
pub async fn run(app: Arc<App>, mut stop: watch::Receiver<bool>, work: Work) {
    let lease = uuid::Uuid::new_v4().to_string();
    if app.db.dialect() == Dialect::Sqlite {
        // The data folder has one server at a time: whatever is held was held by one that has ended.
        let now_ms = app.now_ms();
        note_released(app.db.make_room(move |tx| jobs::release_all(tx, now_ms)).await);
    }
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut running = JoinSet::new();
    let mut entries = entries(&app);
    entries.retain(|entry| work == Work::All || entry.kind == CheckStorage::KIND);
    // By task: the kind and the job.
    let mut under_way: HashMap<Id, (usize, TakenJob)> = HashMap::new();
    loop {
        tokio::select! {
            () = stopped(&mut stop) => break,
            _ = look.tick() => {}
            () = app.wake_jobs.0.notified() => {}
            Some(ended) = running.join_next_with_id(), if !running.is_empty() => {
                match ended {
                    Ok((id, ())) => drop(under_way.remove(&id)),
                    Err(panicked) => {
                        tracing::error!(error = %panicked, "a background job panicked: {panicked}");
                        if let Some((kind, job)) = under_way.remove(&panicked.id()) {
                            end(&app, &entries[kind], job, Err(JobError::Failed(format!("it panicked: {panicked}")))).await;
                        }
                    }
                }
            }
        }
        for (kind, entry) in entries.iter().enumerate() {
            let busy = under_way.values().filter(|(running, _)| *running == kind).count();
            let taken = match take(&app, entry, &lease, entry.at_once.saturating_sub(busy)).await {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::error!(
                        "jobs of kind {} cannot be taken: {error}",
                        entry.kind,
                        error = crate::with_causes(&error)
                    );
                    continue;
                }
            };
            for job in taken {
                let task = running.spawn(work_on(Arc::clone(&app), Arc::clone(entry), job.clone()));
                under_way.insert(task.id(), (kind, job));
            }
        }
    }
    running.shutdown().await;
    let now_ms = app.now_ms();
    note_released(app.db.make_room(move |tx| jobs::release(tx, &lease, now_ms)).await);
}

/// Every kind of job that this node works on.
fn entries(app: &App) -> Vec<Arc<Entry>> {
    let all = JOBS.iter().cloned().chain(app.events.job_entries());
    #[cfg(test)]
    let all = all.chain(super::worker_tests::JOBS.iter().cloned());
    all.map(Arc::new).collect()
}

fn note_released(released: Result<(), StoreError>) {
    if let Err(error) = released {
        tracing::warn!(
            "jobs were not put back, and wait for their leases to end: {error}",
            error = crate::with_causes(&error)
        );
    }
}

async fn take(app: &App, entry: &Arc<Entry>, lease: &str, free: usize) -> Result<Vec<TakenJob>, StoreError> {
    let now_ms = app.now_ms();
    let asked = Arc::clone(entry);
    if free == 0 || !app.db.read_point(move |tx| jobs::is_any_due(tx, &asked.kind, now_ms)).await? {
        return Ok(Vec::new());
    }
    let (lease, entry) = (lease.to_owned(), Arc::clone(entry));
    app.db.make_room(move |tx| jobs::take_due(tx, &entry.kind, &lease, now_ms, now_ms + LEASE_MS, free)).await
}

/// Works on one job for as long as it is ours, and notes how it ended.
async fn work_on(app: Arc<App>, entry: Arc<Entry>, job: TakenJob) {
    let trace = Some(TraceContext::new_root()).filter(|trace| app.telemetry.wants(trace));
    let began_ns = now_ns();
    let result = if job.attempts > entry.max_attempts.max(MOST_BEGINS) {
        Err(JobError::Hopeless(format!("it was begun {} times and never came to an end", job.attempts - 1)))
    } else {
        tokio::select! {
            result = (entry.run)(Arc::clone(&app), &job) => result,
            () = hold(&app, &job) => {
                tracing::warn!("job {} {} was lost to another node", job.kind, job.key);
                return;
            }
        }
    };
    if let Some(trace) = trace {
        app.telemetry.record(Span {
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
    end(&app, &entry, job, result).await;
}

async fn end(app: &App, entry: &Entry, job: TakenJob, result: Result<(), JobError>) {
    if let Err(error) = note_end(app, entry, job, result).await {
        tracing::error!(
            "the end of a job was not noted, so it is done again: {error}",
            error = crate::with_causes(&error)
        );
    }
}

/// Extends the lease again and again; returns when it is lost.
async fn hold(app: &App, job: &TakenJob) {
    let mut extend = interval(EXTEND_EVERY);
    extend.tick().await;
    loop {
        extend.tick().await;
        let (job, until_ms) = (job.clone(), app.now_ms() + LEASE_MS);
        match app.db.make_room(move |tx| jobs::extend(tx, &job, until_ms)).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!("a job's lease was not extended: {error}", error = crate::with_causes(&error)),
        }
    }
}

async fn note_end(app: &App, entry: &Entry, job: TakenJob, result: Result<(), JobError>) -> Result<(), StoreError> {
    let now_ms = app.now_ms();
    let failure = match result {
        Ok(()) => {
            app.metrics.jobs_done.increment();
            return app.db.make_room(move |tx| jobs::finish(tx, &job, now_ms)).await;
        }
        Err(JobError::TooEarly { until_ms }) => {
            return app.db.make_room(move |tx| jobs::put_back(tx, &job, until_ms, None)).await;
        }
        Err(JobError::Hopeless(text)) => return give_up(app, job, text).await,
        Err(JobError::Failed(text)) => text,
        Err(JobError::Store(error)) => with_causes(&error),
    };
    if job.attempts >= entry.max_attempts {
        return give_up(app, job, failure).await;
    }
    app.metrics.jobs_failed.increment();
    let due_at_ms = now_ms + delay_ms(job.attempts);
    tracing::info!("job {} {} failed and is tried again: {failure}", job.kind, job.key);
    app.db.make_room(move |tx| jobs::put_back(tx, &job, due_at_ms, Some(&failure))).await
}

async fn give_up(app: &App, job: TakenJob, text: String) -> Result<(), StoreError> {
    app.metrics.jobs_given_up.increment();
    tracing::warn!("job {} {} is given up: {text}", job.kind, job.key);
    let now_ms = app.now_ms();
    app.db.make_room(move |tx| jobs::give_up(tx, &job, now_ms, &text)).await
}

fn delay_ms(attempts: i64) -> i64 {
    (1000_i64 << (attempts - 1).clamp(0, 20)).min(LONGEST_DELAY_MS)
}

/// Works off all that is due at this moment, for tests.
#[cfg(test)]
pub async fn work_off(app: &Arc<App>) {
    loop {
        let mut count = 0;
        for entry in entries(app) {
            for job in take(app, &entry, "test", 100).await.expect("readable") {
                count += 1;
                work_on(Arc::clone(app), Arc::clone(&entry), job).await;
            }
        }
        if count == 0 {
            return;
        }
    }
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
