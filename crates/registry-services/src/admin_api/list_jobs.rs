//! ListJobs: the background jobs that wait, are being worked on, or were given up.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use serde::{Deserialize, Serialize};
use store::tables::jobs::{self, JobStatus};

use super::errors::WharfError;

const DEFAULT_RESULTS: usize = 100;
const MAX_RESULTS: usize = 1_000;

/// Lists the background jobs that wait, run or were given up, or only those that were given up, page by page.
pub struct ListJobs;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    dead_only: Option<bool>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    jobs: Vec<Job>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    job_id: i64,
    kind: String,
    key: String,
    status: &'static str,
    attempts: i64,
    created_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

impl From<JobStatus> for Job {
    fn from(job: JobStatus) -> Self {
        let status = match (job.is_dead, job.is_running) {
            (true, _) => "DEAD",
            (false, true) => "RUNNING",
            (false, false) => "WAITING",
        };
        Self {
            job_id: job.id,
            kind: job.kind,
            key: job.key,
            status,
            attempts: job.attempts,
            created_at: Timestamp::from_ms(job.created_at_ms),
            next_attempt_at: (status == "WAITING").then(|| Timestamp::from_ms(job.due_at_ms)),
            last_error: job.last_error,
        }
    }
}

/// The input, validated.
pub struct Checked {
    dead_only: bool,
    after: i64,
    limit: usize,
}

impl Operation for ListJobs {
    const NAME: &'static str = "ListJobs";
    const ACTION: Action = Action::WharfListJobs;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, WharfError> {
        WharfError::unless_operator(call)?;
        let limit = input.max_results.unwrap_or(DEFAULT_RESULTS);
        if !(1..=MAX_RESULTS).contains(&limit) {
            return Err(WharfError::validation("maxResults", format!("must be 1 to {MAX_RESULTS}")));
        }
        let after = input.next_token.map_or(Ok(0), |token| token.parse());
        let after = after.map_err(|_| WharfError::validation("nextToken", "must be one that ListJobs has given"))?;
        Ok(Checked { dead_only: input.dead_only.unwrap_or_default(), after, limit })
    }

    fn needs(_: &Call<'_>, _: &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, Checked { dead_only, after, limit }: Checked) -> Result<Output, WharfError> {
        let list = if dead_only { jobs::list_dead } else { jobs::list };
        let found = call.app.db.read(move |tx| list(tx, after, limit)).await?;
        let next_token = found.last().filter(|_| found.len() == limit).map(|last| last.id.to_string());
        Ok(Output { jobs: found.into_iter().map(Job::from).collect(), next_token })
    }
}
