//! `wharf replication backfill`: images that were there before a replication rule was go to its destination, too.

use std::fmt::Write as _;

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::client::Client;
use crate::date;
use crate::digest::short;
use crate::error::Error;
use crate::output::{Output, field, fields};

/// More pages than a back-fill has; ends what a faulty server would make endless.
const MAX_PAGES: usize = 100_000;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Begin a back-fill to a destination of the replication configuration.
    Start {
        /// The destination's region.
        #[arg(long, value_name = "REGION")]
        to_region: String,
        /// The destination's account.
        #[arg(long, value_name = "ACCOUNT")]
        to_account: String,
    },
    /// List the back-fills of the registry.
    List,
    /// Show how far a back-fill is, and what failed.
    Status {
        /// Its id.
        id: String,
    },
    /// End a back-fill.
    Stop {
        /// Its id.
        id: String,
    },
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Destination {
    region: String,
    registry_id: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    total_replication_count: u64,
    completed_replication_count: u64,
    failed_replication_count: u64,
}

/// A back-fill as the server tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    replication_backfill_id: String,
    destination: Destination,
    status: String,
    progress: Option<Progress>,
    started_at: f64,
    ended_at: Option<f64>,
}

/// A back-fill with its dates as scripts read them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Backfill {
    replication_backfill_id: String,
    destination: Destination,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
}

impl From<Answer> for Backfill {
    fn from(answer: Answer) -> Self {
        Self {
            replication_backfill_id: answer.replication_backfill_id,
            destination: answer.destination,
            status: answer.status,
            progress: answer.progress,
            started_at: date::iso8601(answer.started_at),
            ended_at: answer.ended_at.map(date::iso8601),
        }
    }
}

impl Backfill {
    fn destination(&self) -> String {
        format!("{}/{}", self.destination.registry_id, self.destination.region)
    }

    fn progress(&self) -> String {
        let Some(progress) = &self.progress else { return "not known yet".to_owned() };
        let mut shown = format!("{} of {}", progress.completed_replication_count, progress.total_replication_count);
        if progress.failed_replication_count > 0 {
            let _ = write!(shown, ", {} failed", progress.failed_replication_count);
        }
        shown
    }

    fn row(&self) -> Vec<String> {
        vec![
            self.replication_backfill_id.clone(),
            self.destination(),
            self.status.clone(),
            self.progress(),
            date::of_iso8601(&self.started_at),
        ]
    }

    fn text(&self) -> String {
        let mut shown = vec![
            field("Back-fill", &self.replication_backfill_id),
            field("Destination", self.destination()),
            field("Status", &self.status),
            field("Replicated", self.progress()),
            field("Started", date::of_iso8601(&self.started_at)),
        ];
        shown.extend(self.ended_at.as_deref().map(|at| field("Ended", date::of_iso8601(at))));
        fields(&shown)
    }
}

#[derive(Deserialize)]
struct ListAnswer {
    backfills: Vec<Answer>,
    #[serde(rename = "nextToken")]
    next_token: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ImageId {
    image_digest: Option<String>,
    image_tag: Option<String>,
}

/// An image that did not get there.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    repository_name: String,
    image_id: ImageId,
    failure_code: Option<String>,
}

impl Failure {
    fn text(&self) -> String {
        let tag = self.image_id.image_tag.as_deref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest =
            self.image_id.image_digest.as_deref().map(|digest| format!("@{}", short(digest))).unwrap_or_default();
        format!(
            "{}{tag}{digest}: {}",
            self.repository_name,
            self.failure_code.as_deref().unwrap_or("no reason is known")
        )
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResultsAnswer {
    #[serde(flatten)]
    backfill: Answer,
    #[serde(default)]
    results: Vec<Failure>,
    next_token: Option<String>,
}

#[derive(Serialize)]
struct Whole {
    #[serde(flatten)]
    backfill: Backfill,
    failures: Vec<Failure>,
}

/// A back-fill and all of it that failed.
async fn results(client: &Client, id: &str) -> Result<Whole, Error> {
    let mut input = json!({ "replicationBackfillId": id, "resultStatusFilter": "FAILED", "maxResults": 100 });
    let mut failures = Vec::new();
    for _ in 0..MAX_PAGES {
        let page: ResultsAnswer = client.ecr("DescribeReplicationBackfillResults", &input).await?;
        failures.extend(page.results);
        match page.next_token {
            Some(token) => input["nextToken"] = token.into(),
            None => return Ok(Whole { backfill: page.backfill.into(), failures }),
        }
    }
    Err(Error::Usage(format!("the list of what failed in the back-fill {id} does not end")))
}

impl Command {
    pub(crate) async fn run(self, client: &Client, output: &mut Output<'_>) -> Result<(), Error> {
        match self {
            Self::Start { to_region, to_account } => {
                let input = json!({ "destination": { "region": to_region, "registryId": to_account } });
                let started: Answer = client.ecr("StartReplicationBackfill", &input).await?;
                output.show(&Backfill::from(started), Backfill::text)
            }
            Self::List => {
                let (mut input, mut found) = (json!({}), Vec::new());
                for _ in 0..MAX_PAGES {
                    let page: ListAnswer = client.ecr("ListReplicationBackfills", &input).await?;
                    found.extend(page.backfills.into_iter().map(Backfill::from));
                    match page.next_token {
                        Some(token) => input["nextToken"] = token.into(),
                        None => break,
                    }
                }
                let columns = ["ID", "DESTINATION", "STATUS", "REPLICATED", "STARTED"];
                output.list(&found, "There are no back-fills.", &columns, Backfill::row)
            }
            Self::Status { id } => {
                let whole = results(client, &id).await?;
                output.show(&whole, |whole| {
                    let failures: Vec<_> = whole.failures.iter().map(Failure::text).collect();
                    let failed = if failures.is_empty() {
                        String::new()
                    } else {
                        format!("\nFailed:\n  {}", failures.join("\n  "))
                    };
                    format!("{}{failed}", whole.backfill.text())
                })
            }
            Self::Stop { id } => {
                let stopped: Answer =
                    client.ecr("StopReplicationBackfill", &json!({ "replicationBackfillId": id })).await?;
                output.show(&Backfill::from(stopped), Backfill::text)
            }
        }
    }
}
