//! `wharf events`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::date;
use crate::error::Error;
use crate::number;
use crate::{Outcome, Session};

/// How long a call waits for the next event.
const WAIT_SECONDS: u64 = 20;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send a test event to every sink, whatever its filter says, and tell what became of it. The exit code is 0 if all
    /// took it, 1 if one did not, 2 after an error.
    Test,
    /// Show the events of the registry as they happen, until it is interrupted: one per line, with JSON as sinks get it.
    /// Pulls are not among them.
    Tail {
        /// End after so many events.
        #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, value_parser = number::at_least(1_usize))]
        limit: Option<usize>,
    },
}

#[derive(Deserialize)]
struct TestAnswer {
    results: Vec<SinkResult>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct SinkResult {
    sink: String,
    is_delivered: bool,
    reason: Option<String>,
    elapsed_milliseconds: i64,
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        match self {
            Self::Test => test(session).await,
            Self::Tail { limit } => tail(session, limit).await,
        }
    }
}

async fn test(session: &mut Session<'_>) -> Result<Outcome, Error> {
    let Session { client, output } = session;
    let answer: TestAnswer = client.wharf("TestEvents", &json!({})).await?;
    let columns = ["SINK", "OUTCOME", "TIME", "REASON"];
    output.list(&answer.results, "No sink of events is configured.", &columns, |result| {
        vec![
            result.sink.clone(),
            if result.is_delivered { "delivered" } else { "failed" }.to_owned(),
            format!("{} ms", result.elapsed_milliseconds),
            result.reason.clone().unwrap_or_default(),
        ]
    })?;
    Ok(if answer.results.iter().all(|result| result.is_delivered) { Outcome::Done } else { Outcome::No })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FollowAnswer {
    events: Vec<Value>,
    next_token: String,
}

async fn tail(session: &mut Session<'_>, limit: Option<usize>) -> Result<Outcome, Error> {
    let Session { client, output } = session;
    let mut left = limit.unwrap_or(usize::MAX);
    let mut input = json!({ "waitSeconds": WAIT_SECONDS });
    while left > 0 {
        let answer: FollowAnswer = client.wharf("FollowEvents", &input).await?;
        for event in answer.events.iter().take(left) {
            output.line(event, text)?;
            left -= 1;
        }
        input["nextToken"] = answer.next_token.into();
    }
    Ok(Outcome::Done)
}

/// `2026-11-21 01:35:02 UTC ECR Image Action PUSH my-app:v1@sha256:… SUCCESS`.
fn text(event: &Value) -> String {
    let part = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let detail = |name: &str| part(&event["detail"][name]);
    let image = [("", "repository-name"), (":", "image-tag"), ("@", "image-digest")]
        .map(|(mark, name)| Some(detail(name)).filter(|value| !value.is_empty()).map(|value| format!("{mark}{value}")));
    let result = [detail("result"), detail("sync-status")].concat();
    let parts = [
        date::of_iso8601(&part(&event["time"])),
        part(&event["detail-type"]),
        detail("action-type"),
        image.into_iter().flatten().collect(),
        result,
    ];
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}
