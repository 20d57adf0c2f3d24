//! What a background job is: a value that is stored with the change that it follows from, and done later, at least once.

use aws::AccountId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use store::db::Tx;
use store::error::StoreError;
use store::tables::jobs::{self, NewJob};

/// The kinds of jobs that bring events to sinks begin so.
pub const EVENT_KIND_PREFIX: &str = "event to ";

/// A kind of background work: what is stored of it. [`Handle`](super::handler::Handle) does it.
pub trait Job: Serialize + DeserializeOwned + Send + 'static {
    /// Its name in storage, one of [`KINDS`](super::kinds::KINDS).
    const KIND: &'static str;

    /// To what the work is done. Noting a job with the same key again while it waits does not make a second one.
    fn key(&self) -> String;

    /// For which account it is done, where accounts have so much to do that they must take turns.
    fn account(&self) -> Option<AccountId> {
        None
    }
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
    let (key, account) = (job.key(), job.account());
    jobs::enqueue(tx, &NewJob { kind: J::KIND, key: &key, payload: &payload, account, due_at_ms }, now_ms)
}

/// As [`enqueue`], unless it waits already or somebody is at it: then it is not to be done once more when it has ended.
pub fn enqueue_once<J: Job>(tx: &mut dyn Tx, job: &J, due_at_ms: i64, now_ms: i64) -> Result<(), StoreError> {
    if jobs::is_noted(tx, J::KIND, &job.key())? { Ok(()) } else { enqueue(tx, job, due_at_ms, now_ms) }
}
