//! `wharf events`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::error::Error;
use crate::{Outcome, Session};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send a test event to every sink, whatever its filter says, and tell what became of it. The exit code is 0 if all
    /// took it, 1 if one did not, 2 after an error.
    Test,
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
        let Self::Test = self;
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
}
