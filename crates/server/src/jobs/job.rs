//! What a background job is: a value that is stored with the change that it follows from, and done later, at least once.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use store::db::Tx;
use store::error::StoreError;
use store::tables::jobs::{self, NewJob, TakenJob};

use crate::app::App;

/// The kinds of jobs that bring events to sinks begin so.
pub const EVENT_KIND_PREFIX: &str = "event to ";

/// A kind of background work. It may be done twice, and be cut off anywhere, so what it does must be idempotent.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Its name in storage.
    const KIND: &'static str;
    /// How many of them one node works on at a time.
    const AT_ONCE: usize = 4;
    /// After so many failures it is given up. Attempts wait 1 s, 2 s, 4 s … up to 5 minutes: 20 make an hour.
    const MAX_ATTEMPTS: i64 = 20;

    /// To what the work is done. Noting a job with the same key again while it waits does not make a second one.
    fn key(&self) -> String;

    /// Does it.
    fn run(self, app: Arc<App>, attempt: Attempt) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// Which attempt this is.
#[derive(Clone, Copy, Debug)]
pub struct Attempt {
    /// From 1.
    pub number: i64,
    /// Whether a failure is the end of it.
    pub is_last: bool,
}

/// Why a job is not done.
#[derive(Debug)]
pub enum JobError {
    /// It did not work, and may another time.
    Failed(String),
    /// It cannot work, however often it is tried.
    Hopeless(String),
    /// It is too early. Not a failure.
    TooEarly {
        /// When to try again.
        until_ms: i64,
    },
    /// Storage failed, so it is tried again.
    Store(StoreError),
}

impl JobError {
    /// What went wrong; nothing if it was only too early.
    pub fn failure(&self) -> Option<String> {
        match self {
            Self::Failed(text) | Self::Hopeless(text) => Some(text.clone()),
            Self::TooEarly { .. } => None,
            Self::Store(error) => Some(crate::with_causes(error)),
        }
    }
}

impl From<StoreError> for JobError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Notes a job to be done at `due_at_ms`, in the transaction of what it follows from. Wake the worker
/// ([`Wake::wake`](super::worker::Wake::wake)) after the commit if it should not wait for its next look.
pub fn enqueue<J: Job>(tx: &mut dyn Tx, job: &J, due_at_ms: i64, now_ms: i64) -> Result<(), StoreError> {
    let payload = serde_json::to_string(job).map_err(|error| {
        StoreError::new(store::error::StoreErrorKind::Other, format!("job {} cannot be stored", J::KIND))
            .with_source(error)
    })?;
    jobs::enqueue(tx, &NewJob { kind: J::KIND, key: &job.key(), payload: &payload, due_at_ms }, now_ms)
}

type Running = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>;

/// A kind of job in the table of all.
#[derive(Clone)]
pub struct Entry {
    /// [`Job::KIND`], or what a sink of events has in its place.
    pub kind: Cow<'static, str>,
    /// [`Job::AT_ONCE`].
    pub at_once: usize,
    /// [`Job::MAX_ATTEMPTS`].
    pub max_attempts: i64,
    /// Does one.
    pub run: fn(Arc<App>, &TakenJob) -> Running,
}

impl Entry {
    /// The entry of a kind.
    pub const fn of<J: Job>() -> Self {
        Self { kind: Cow::Borrowed(J::KIND), at_once: J::AT_ONCE, max_attempts: J::MAX_ATTEMPTS, run: run::<J> }
    }
}

fn run<J: Job>(app: Arc<App>, taken: &TakenJob) -> Running {
    let attempt = Attempt { number: taken.attempts, is_last: taken.attempts >= J::MAX_ATTEMPTS };
    match serde_json::from_str::<J>(&taken.payload) {
        Ok(job) => Box::pin(job.run(app, attempt)),
        Err(error) => {
            let text = format!("what is stored of it cannot be read: {error}");
            Box::pin(async move { Err(JobError::Hopeless(text)) })
        }
    }
}
