//! Tests of the worker: jobs that fail, hang, panic and lose their leases, with a clock that stands still.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use aws::AccountId;
use serde::{Deserialize, Serialize};
use store::tables::jobs::{self, JobStatus, Taking};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::handler::{Handle, Handler};
use super::job::{Attempt, Job, JobError, enqueue};
use super::worker::{Node, Worker};
use crate::Runtime;
use crate::testing::{START_MS, TestRuntime};

const DEADLINE: Duration = Duration::from_secs(30);

#[derive(Clone, Serialize, Deserialize)]
enum Plan {
    /// Fails until that attempt.
    SucceedAt(i64),
    PanicUntil(i64),
    Hopeless,
    TooEarlyUntil(i64),
    /// Never ends; when it is dropped, the file is made.
    Hang(PathBuf),
}

#[derive(Serialize, Deserialize)]
struct TestJob {
    key: String,
    plan: Plan,
}

struct Mark(PathBuf);

impl Drop for Mark {
    fn drop(&mut self) {
        std::fs::write(&self.0, "").expect("written");
    }
}

impl Job for TestJob {
    const KIND: &'static str = "test";

    fn key(&self) -> String {
        self.key.clone()
    }

    /// What stands before a slash.
    fn account(&self) -> Option<AccountId> {
        self.key.split_once('/').map(|(account, _)| account.parse().expect("an account"))
    }
}

impl Handle<Runtime> for TestJob {
    const AT_ONCE: usize = 2;
    const MAX_ATTEMPTS: i64 = 3;

    async fn run(self, app: Arc<Runtime>, attempt: Attempt) -> Result<(), JobError> {
        assert_eq!(attempt.is_last, attempt.number >= Self::MAX_ATTEMPTS);
        match self.plan {
            Plan::SucceedAt(number) if attempt.number < number => {
                Err(JobError::Failed(format!("attempt {}", attempt.number)))
            }
            Plan::PanicUntil(number) => {
                assert!(attempt.number >= number, "as planned");
                Ok(())
            }
            Plan::Hopeless => Err(JobError::Hopeless("there is no use".to_owned())),
            Plan::TooEarlyUntil(until_ms) if app.now_ms() < until_ms => Err(JobError::TooEarly { until_ms }),
            Plan::Hang(path) => {
                let _mark = Mark(path);
                std::future::pending().await
            }
            Plan::SucceedAt(_) | Plan::TooEarlyUntil(_) => Ok(()),
        }
    }
}

/// Done at once.
#[derive(Serialize, Deserialize)]
struct OtherJob(String);

impl Job for OtherJob {
    const KIND: &'static str = "other test";

    fn key(&self) -> String {
        self.0.clone()
    }
}

impl Handle<Runtime> for OtherJob {
    async fn run(self, _: Arc<Runtime>, _: Attempt) -> Result<(), JobError> {
        Ok(())
    }
}

async fn new_app() -> TestRuntime {
    TestRuntime::new().await
}

async fn note(app: &Runtime, key: &str, plan: Plan) {
    let (job, now_ms) = (TestJob { key: key.to_owned(), plan }, app.now_ms());
    app.db.write(move |tx| enqueue(tx, &job, now_ms, now_ms)).await.expect("stored");
    app.wake_jobs.wake();
}

async fn all(app: &Runtime) -> Vec<JobStatus> {
    app.db.read(|tx| jobs::list(tx, 0, 100)).await.expect("readable")
}

async fn only(app: &Runtime) -> JobStatus {
    let mut all = all(app).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

/// Asks until the jobs are as expected, and wakes the worker each time.
async fn until(app: &Runtime, what: &str, is_so: impl Fn(&[JobStatus]) -> bool) -> Vec<JobStatus> {
    let wait = async {
        loop {
            let found = all(app).await;
            if is_so(&found) {
                return found;
            }
            app.wake_jobs.wake();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.unwrap_or_else(|_| panic!("waited for {what}"))
}

async fn until_there(path: &std::path::Path) {
    let wait = async {
        while !path.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.expect("the job was ended");
}

/// A worker that knows the kinds of job that only tests have.
fn worker(app: &Arc<Runtime>) -> Worker {
    let node = Node {
        db: app.db.clone(),
        clock: Arc::clone(&app.clock),
        wake: Arc::clone(&app.wake_jobs),
        ends: Arc::default(),
        telemetry: Arc::default(),
    };
    Worker::new(node, vec![Handler::of::<TestJob, _>(app), Handler::of::<OtherJob, _>(app)])
}

async fn work_off(app: &Arc<Runtime>) {
    worker(app).work_off().await;
}

fn start(app: &Arc<Runtime>) -> (watch::Sender<bool>, JoinHandle<()>) {
    let (stop, stopped) = watch::channel(false);
    (stop, tokio::spawn(worker(app).run(stopped)))
}

async fn end((stop, running): (watch::Sender<bool>, JoinHandle<()>)) {
    stop.send_replace(true);
    tokio::time::timeout(DEADLINE, running).await.expect("it stops").expect("it does not panic");
}

#[tokio::test]
async fn what_fails_is_tried_again_ever_later() {
    let test = new_app().await;
    note(&test.runtime, "a", Plan::SucceedAt(3)).await;
    for (attempts, delay_ms) in [(1, 1000), (2, 2000)] {
        work_off(&test.runtime).await;
        let job = only(&test.runtime).await;
        let expected = (attempts, test.runtime.now_ms() + delay_ms, Some(format!("attempt {attempts}")));
        assert_eq!((job.attempts, job.due_at_ms, job.last_error), expected);
        test.clock.advance_ms(delay_ms - 1);
        work_off(&test.runtime).await;
        assert_eq!(only(&test.runtime).await.attempts, attempts, "not yet");
        test.clock.advance_ms(1);
    }
    work_off(&test.runtime).await;
    assert!(all(&test.runtime).await.is_empty());
}

#[tokio::test]
async fn what_fails_too_often_is_given_up_and_can_begin_anew() {
    let test = new_app().await;
    note(&test.runtime, "a", Plan::SucceedAt(4)).await;
    for _ in 0..3 {
        work_off(&test.runtime).await;
        test.clock.advance_ms(5 * 60 * 1000);
    }
    let job = only(&test.runtime).await;
    assert_eq!((job.is_dead, job.attempts, job.last_error.as_deref()), (true, 3, Some("attempt 3")));
    work_off(&test.runtime).await;
    assert_eq!(only(&test.runtime).await.attempts, 3, "it is left alone");
    let now_ms = test.runtime.now_ms();
    test.runtime.db.write(move |tx| jobs::revive(tx, None, now_ms)).await.expect("written");
    work_off(&test.runtime).await;
    let job = only(&test.runtime).await;
    assert_eq!((job.is_dead, job.attempts), (false, 1));
}

#[tokio::test]
async fn what_is_hopeless_is_given_up_at_once() {
    let test = new_app().await;
    note(&test.runtime, "a", Plan::Hopeless).await;
    work_off(&test.runtime).await;
    let job = only(&test.runtime).await;
    assert_eq!((job.is_dead, job.attempts, job.last_error.as_deref()), (true, 1, Some("there is no use")));
}

#[tokio::test]
async fn what_cannot_be_read_is_given_up() {
    let test = new_app().await;
    let job = jobs::NewJob { kind: TestJob::KIND, key: "a", payload: "{}", account: None, due_at_ms: 0 };
    test.runtime.db.write(move |tx| jobs::enqueue(tx, &job, 0)).await.expect("stored");
    work_off(&test.runtime).await;
    let job = only(&test.runtime).await;
    assert!(job.is_dead && job.last_error.is_some_and(|text| text.contains("missing field")));
}

#[tokio::test]
async fn what_is_too_early_waits_without_a_failure() {
    let test = new_app().await;
    note(&test.runtime, "a", Plan::TooEarlyUntil(START_MS + 90_000)).await;
    work_off(&test.runtime).await;
    let job = only(&test.runtime).await;
    assert_eq!((job.attempts, job.due_at_ms, job.last_error), (0, START_MS + 90_000, None));
    test.clock.advance_ms(90_000);
    work_off(&test.runtime).await;
    assert!(all(&test.runtime).await.is_empty());
}

#[tokio::test]
async fn a_panic_ends_one_job_and_not_the_worker() {
    let test = new_app().await;
    let worker = start(&test.runtime);
    note(&test.runtime, "a", Plan::PanicUntil(2)).await;
    let found = until(&test.runtime, "the first attempt", |jobs| jobs.iter().any(|job| job.last_error.is_some())).await;
    assert!(found[0].last_error.as_deref().is_some_and(|text| text.starts_with("it panicked: ")), "{found:?}");
    assert_eq!((found[0].attempts, found[0].due_at_ms), (1, START_MS + 1000));
    note(&test.runtime, "b", Plan::SucceedAt(1)).await;
    until(&test.runtime, "the other job", |jobs| jobs.len() == 1).await;
    test.clock.advance_ms(1000);
    until(&test.runtime, "the second attempt", <[_]>::is_empty).await;
    end(worker).await;
}

#[tokio::test]
async fn what_always_panics_is_given_up() {
    let test = new_app().await;
    let worker = start(&test.runtime);
    note(&test.runtime, "a", Plan::PanicUntil(100)).await;
    for attempts in 1..=2 {
        let is_through = |job: &JobStatus| job.attempts == attempts && !job.is_running;
        until(&test.runtime, "an attempt", |jobs| jobs.iter().any(is_through)).await;
        test.clock.advance_ms(30_000);
    }
    let found = until(&test.runtime, "the end", |jobs| jobs.iter().any(|job| job.is_dead)).await;
    assert_eq!(found[0].attempts, 3);
    assert!(found[0].last_error.as_deref().is_some_and(|text| text.starts_with("it panicked: ")), "{found:?}");
    end(worker).await;
}

#[tokio::test]
async fn who_loses_the_lease_stops_and_notes_nothing() {
    let test = new_app().await;
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("ended");
    let worker = start(&test.runtime);
    note(&test.runtime, "a", Plan::Hang(mark.clone())).await;
    until(&test.runtime, "the first attempt", |jobs| jobs.iter().any(|job| job.is_running)).await;
    assert!(!mark.exists());
    let later_ms = START_MS + 31_000;
    let stolen = test
        .runtime
        .db
        .write(move |tx| jobs::take_due(tx, &Taking::of_all(TestJob::KIND, "thief", later_ms, later_ms * 2, 1)));
    let stolen = stolen.await.expect("taken");
    assert_eq!(stolen[0].attempts, 2);
    until_there(&mark).await;
    let job = only(&test.runtime).await;
    assert!(job.is_running && job.attempts == 2 && job.last_error.is_none(), "{job:?}");
    let held = stolen[0].clone();
    assert!(
        test.runtime.db.write(move |tx| jobs::extend(tx, &held, later_ms)).await.expect("written"),
        "it is the thief's"
    );
    end(worker).await;
    assert!(only(&test.runtime).await.is_running, "a node that stops leaves the jobs of others alone");
}

#[tokio::test]
async fn who_takes_long_keeps_no_other_account_waiting() {
    let test = new_app().await;
    let folder = tempfile::tempdir().expect("a folder");
    let worker = start(&test.runtime);
    let hang = |name: &str| Plan::Hang(folder.path().join(name));
    for name in ["a", "b", "c"] {
        note(&test.runtime, &format!("000000000001/{name}"), hang(name)).await;
    }
    let running = |jobs: &[JobStatus]| jobs.iter().filter(|job| job.is_running).count();
    until(&test.runtime, "all places to be taken", |jobs| running(jobs) == 2).await;
    for name in ["a", "b", "c"] {
        note(&test.runtime, &format!("000000000002/{name}"), Plan::SucceedAt(1)).await;
    }
    until(&test.runtime, "all of another account", |jobs| jobs.len() == 3).await;
    // There are as many places for who comes late, one for each.
    for (account, name) in [(3, "d"), (3, "e"), (4, "f"), (5, "g")] {
        note(&test.runtime, &format!("00000000000{account}/{name}"), hang(name)).await;
    }
    until(&test.runtime, "the places of the late", |jobs| running(jobs) == 4).await;
    // None that is of no account.
    note(&test.runtime, "h", hang("h")).await;
    let jobs = until(&test.runtime, "the places of the late", |jobs| jobs.len() == 8).await;
    let at_work: Vec<&str> = jobs.iter().filter(|job| job.is_running).map(|job| &job.key[11..12]).collect();
    assert_eq!(at_work, ["1", "1", "3", "4"]);
    end(worker).await;
}

#[tokio::test]
async fn a_held_lease_does_not_end() {
    let test = new_app().await;
    let folder = tempfile::tempdir().expect("a folder");
    let worker = start(&test.runtime);
    note(&test.runtime, "a", Plan::Hang(folder.path().join("ended"))).await;
    until(&test.runtime, "the first attempt", |jobs| jobs.iter().any(|job| job.is_running)).await;
    test.clock.advance_ms(20_000);
    until(&test.runtime, "a longer lease", |jobs| jobs.iter().any(|job| job.due_at_ms == START_MS + 50_000)).await;
    end(worker).await;
}

#[tokio::test]
async fn a_stop_puts_back_what_is_not_done() {
    let test = new_app().await;
    let folder = tempfile::tempdir().expect("a folder");
    let mark = folder.path().join("ended");
    let worker = start(&test.runtime);
    note(&test.runtime, "a", Plan::Hang(mark.clone())).await;
    until(&test.runtime, "the first attempt", |jobs| jobs.iter().any(|job| job.is_running)).await;
    end(worker).await;
    assert!(mark.exists());
    let job = only(&test.runtime).await;
    assert!(!job.is_running && !job.is_dead && job.due_at_ms == test.runtime.now_ms(), "{job:?}");
    assert_eq!(job.attempts, 0, "a stop is no failure");
}

/// Takes what is due as a node that dies at once, and starts the next one.
async fn die(app: &Runtime) {
    app.db
        .write(|tx| {
            jobs::take_due(tx, &Taking::of_all(TestJob::KIND, "dead node", START_MS, i64::MAX, 1))?;
            jobs::release_all(tx, START_MS)
        })
        .await
        .expect("taken");
}

#[tokio::test]
async fn the_start_of_the_only_node_frees_what_a_crash_left_held() {
    let test = new_app().await;
    note(&test.runtime, "a", Plan::SucceedAt(1)).await;
    test.runtime
        .db
        .write(|tx| jobs::take_due(tx, &Taking::of_all(TestJob::KIND, "dead node", START_MS, i64::MAX, 1)))
        .await
        .expect("taken");
    let worker = start(&test.runtime);
    until(&test.runtime, "the job", <[_]>::is_empty).await;
    end(worker).await;
}

#[tokio::test]
async fn a_node_that_dies_again_and_again_costs_no_job() {
    let test = new_app().await;
    note(&test.runtime, "a", Plan::SucceedAt(1)).await;
    for _ in 0..199 {
        die(&test.runtime).await;
    }
    work_off(&test.runtime).await;
    assert!(all(&test.runtime).await.is_empty());
    // One that is perhaps why is given up all the same.
    note(&test.runtime, "b", Plan::SucceedAt(1)).await;
    for _ in 0..200 {
        die(&test.runtime).await;
    }
    work_off(&test.runtime).await;
    let job = only(&test.runtime).await;
    assert!(job.is_dead);
    assert_eq!(job.last_error.as_deref(), Some("it was begun 200 times and never came to an end"));
}

#[tokio::test]
async fn a_kind_that_hangs_takes_its_own_places_only() {
    let test = new_app().await;
    let folder = tempfile::tempdir().expect("a folder");
    let worker = start(&test.runtime);
    for key in ["a", "b", "c", "d"] {
        note(&test.runtime, key, Plan::Hang(folder.path().join(key))).await;
    }
    let other = OtherJob("x".to_owned());
    test.runtime.db.write(move |tx| enqueue(tx, &other, START_MS, START_MS)).await.expect("stored");
    let found = until(&test.runtime, "the other kind, and two that hang", |jobs| {
        jobs.iter().all(|job| job.kind == TestJob::KIND) && jobs.iter().filter(|job| job.is_running).count() == 2
    });
    assert_eq!(found.await.len(), 4);
    end(worker).await;
}
