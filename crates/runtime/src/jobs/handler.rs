//! Who does a kind of job, and how often at a time: what the worker is given of each kind.

use std::borrow::Cow;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use store::tables::jobs::TakenJob;

use super::job::{Attempt, Job, JobError};

/// What does a kind of job, with what it needs of the server: `C`. A job may be done twice, and be cut off anywhere, so what
/// is done must be idempotent.
pub trait Handle<C>: Job {
    /// How many of them one node works on at a time. While others have all of these places, an account that has none of them
    /// has one more, up to as many again: whoever comes late does not wait for what takes long.
    const AT_ONCE: usize = 4;
    /// After so many failures it is given up. Attempts wait 1 s, 2 s, 4 s … up to 5 minutes: 20 make an hour.
    const MAX_ATTEMPTS: i64 = 20;

    /// Does the job.
    fn run(self, context: Arc<C>, attempt: Attempt) -> impl Future<Output = Result<(), JobError>> + Send;
}

/// A job that is being done.
pub type Running = Pin<Box<dyn Future<Output = Result<(), JobError>> + Send>>;

/// A kind of job, and who does it.
pub struct Handler {
    /// [`Job::KIND`], or what a sink of events has in its place.
    pub kind: Cow<'static, str>,
    /// [`Handle::AT_ONCE`].
    pub at_once: usize,
    /// [`Handle::MAX_ATTEMPTS`].
    pub max_attempts: i64,
    /// Does one.
    pub run: Box<dyn Fn(&TakenJob) -> Running + Send + Sync>,
}

impl Handler {
    /// The handler of a kind, which does its jobs with `context`.
    pub fn of<J, C>(context: &Arc<C>) -> Self
    where
        J: Handle<C>,
        C: Send + Sync + 'static,
    {
        let context = Arc::clone(context);
        Self {
            kind: Cow::Borrowed(J::KIND),
            at_once: J::AT_ONCE,
            max_attempts: J::MAX_ATTEMPTS,
            run: Box::new(move |taken| run::<J, C>(Arc::clone(&context), taken)),
        }
    }
}

fn run<J, C>(context: Arc<C>, taken: &TakenJob) -> Running
where
    J: Handle<C>,
    C: Send + Sync + 'static,
{
    let attempt = Attempt { number: taken.attempts, is_last: taken.attempts >= J::MAX_ATTEMPTS };
    match serde_json::from_str::<J>(&taken.payload) {
        Ok(job) => Box::pin(job.run(context, attempt)),
        Err(error) => {
            let text = format!("what is stored of it cannot be read: {error}");
            Box::pin(async move { Err(JobError::Hopeless(text)) })
        }
    }
}
