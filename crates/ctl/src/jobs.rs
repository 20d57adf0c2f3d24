//! `wharf jobs`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::Session;
use crate::count::counted;
use crate::date;
use crate::duration::age;
use crate::error::Error;
use crate::job_kind;
use crate::number;

/// Jobs that one request asks for.
const PAGE: usize = 1_000;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List the background jobs that wait, are being worked on, or were given up.
    List {
        /// Only those that were given up.
        #[arg(long)]
        dead: bool,
    },
    /// Try a job now, also one that was given up.
    Retry {
        /// Number of the job, as the list shows it.
        #[arg(value_name = "ID", required_unless_present = "all", allow_negative_numbers = true, value_parser = number::at_least(1_i64))]
        id: Option<i64>,
        /// All jobs that were given up.
        #[arg(long, conflicts_with = "id")]
        all: bool,
    },
}

/// A job as the server tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct JobAnswer {
    job_id: i64,
    kind: String,
    key: String,
    status: String,
    attempts: i64,
    created_at: f64,
    next_attempt_at: Option<f64>,
    last_error: Option<String>,
}

/// A job with its dates as scripts read them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    job_id: i64,
    kind: String,
    key: String,
    status: String,
    attempts: i64,
    created_at: String,
    age_seconds: i64,
    next_attempt_at: Option<String>,
    #[serde(skip)]
    next_attempt_in_seconds: Option<i64>,
    last_error: Option<String>,
}

impl Job {
    fn new(job: JobAnswer, now_ms: i64) -> Self {
        let seconds = now_ms / 1_000;
        Self {
            job_id: job.job_id,
            kind: job.kind,
            key: job.key,
            status: job.status,
            attempts: job.attempts,
            created_at: date::iso8601(job.created_at),
            age_seconds: (seconds - job.created_at as i64).max(0),
            next_attempt_at: job.next_attempt_at.map(date::iso8601),
            next_attempt_in_seconds: job.next_attempt_at.map(|at| at as i64 - seconds),
            last_error: job.last_error,
        }
    }

    fn next(&self) -> String {
        match self.next_attempt_in_seconds {
            Some(seconds) if seconds > 0 => format!("in {}", age(seconds)),
            Some(_) => "now".to_owned(),
            None => String::new(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListAnswer {
    jobs: Vec<JobAnswer>,
    next_token: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct RetryAnswer {
    retried: u64,
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        match self {
            Self::List { dead } => {
                let mut jobs = Vec::new();
                let mut input = json!({ "deadOnly": dead, "maxResults": PAGE });
                loop {
                    let answer: ListAnswer = client.wharf("ListJobs", &input).await?;
                    let now_ms = client.now_ms();
                    jobs.extend(answer.jobs.into_iter().map(|job| Job::new(job, now_ms)));
                    match answer.next_token {
                        Some(token) if input["nextToken"] != token.as_str() => input["nextToken"] = token.into(),
                        _ => break,
                    }
                }
                let empty = if dead { "No job was given up." } else { "There are no jobs." };
                let columns = ["ID", "KIND", "JOB", "STATUS", "AGE", "ATTEMPTS", "NEXT", "REASON"];
                output.list(&jobs, empty, &columns, |job| {
                    vec![
                        job.job_id.to_string(),
                        job_kind::words(&job.kind),
                        job.key.clone(),
                        job.status.to_lowercase(),
                        age(job.age_seconds),
                        job.attempts.to_string(),
                        job.next(),
                        job.last_error.clone().unwrap_or_default(),
                    ]
                })
            }
            Self::Retry { id, all } => {
                let input = if all { json!({ "allDead": true }) } else { json!({ "jobId": id }) };
                let answer: RetryAnswer = client.wharf("RetryJob", &input).await?;
                output.show(&answer, |answer| match (id, answer.retried) {
                    (Some(id), _) => format!("Job {id} is tried now"),
                    (None, 0) => "No job was given up".to_owned(),
                    (None, count) => format!("{} tried now", counted(count, "job is", "jobs are")),
                })
            }
        }
    }
}
