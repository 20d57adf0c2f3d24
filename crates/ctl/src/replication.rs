//! `wharf replication`.

use clap::Subcommand;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Session;
use crate::client::Client;
use crate::date;
use crate::digest::short;
use crate::error::Error;
use crate::replication_backfill;

/// More pages than a registry's replications have; ends what a faulty server would make endless.
const MAX_PAGES: usize = 100_000;
/// As many as one request takes.
const PAGE: usize = 1000;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show where images of a repository go, and how far each got.
    Status {
        /// REPOSITORY, REPOSITORY:TAG or REPOSITORY@DIGEST.
        image: String,
    },
    /// List the replications of the registry.
    List {
        /// Only those that failed.
        #[arg(long)]
        failed: bool,
        /// Let those that failed begin anew.
        #[arg(long, requires = "failed")]
        retry: bool,
    },
    /// Replicate the images that were there before the rules were.
    #[command(subcommand)]
    Backfill(replication_backfill::Command),
}

/// A replication as the server tells of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReplicationAnswer {
    id: i64,
    repository_name: String,
    image_digest: String,
    image_tags: Vec<String>,
    region: String,
    registry_id: String,
    status: String,
    attempts: i64,
    updated_at: f64,
    failure_code: Option<String>,
    failure_reason: Option<String>,
}

/// A replication with its dates as scripts read them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replication {
    #[serde(skip)]
    id: i64,
    repository_name: String,
    image_digest: String,
    image_tags: Vec<String>,
    region: String,
    registry_id: String,
    status: String,
    attempts: i64,
    updated_at: String,
    failure_code: Option<String>,
    failure_reason: Option<String>,
}

impl From<ReplicationAnswer> for Replication {
    fn from(answer: ReplicationAnswer) -> Self {
        Self {
            id: answer.id,
            repository_name: answer.repository_name,
            image_digest: answer.image_digest,
            image_tags: answer.image_tags,
            region: answer.region,
            registry_id: answer.registry_id,
            status: answer.status,
            attempts: answer.attempts,
            updated_at: date::iso8601(answer.updated_at),
            failure_code: answer.failure_code,
            failure_reason: answer.failure_reason,
        }
    }
}

impl Replication {
    fn row(&self) -> Vec<String> {
        let why = match (&self.failure_code, &self.failure_reason) {
            (Some(code), Some(reason)) => format!("{code}: {reason}"),
            (code, reason) => code.clone().or_else(|| reason.clone()).unwrap_or_default(),
        };
        vec![
            self.repository_name.clone(),
            self.image_tags.join(", "),
            short(&self.image_digest),
            format!("{}/{}", self.registry_id, self.region),
            self.status.clone(),
            date::of_iso8601(&self.updated_at),
            why,
        ]
    }
}

const COLUMNS: [&str; 7] = ["REPOSITORY", "TAGS", "DIGEST", "DESTINATION", "STATUS", "SINCE", "REASON"];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListAnswer {
    replications: Vec<ReplicationAnswer>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
struct RetryAnswer {
    ids: Vec<i64>,
}

/// All replications that the members select.
async fn list(client: &Client, mut input: Value) -> Result<Vec<Replication>, Error> {
    let mut found = Vec::new();
    input["maxResults"] = PAGE.into();
    for _ in 0..MAX_PAGES {
        let answer: ListAnswer = client.wharf("ListReplications", &input).await?;
        found.extend(answer.replications.into_iter().map(Replication::from));
        match answer.next_token {
            Some(token) => input["nextToken"] = token.into(),
            None => break,
        }
    }
    Ok(found)
}

/// The members that name an image, or all of a repository.
fn named(image: &str) -> Value {
    if let Some((repository, digest)) = image.split_once('@') {
        return json!({ "repositoryName": repository, "imageDigest": digest });
    }
    match image.split_once(':') {
        Some((repository, tag)) => json!({ "repositoryName": repository, "imageTag": tag }),
        None => json!({ "repositoryName": image }),
    }
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        match self {
            Self::Backfill(command) => command.run(client, output).await,
            Self::Status { image } => {
                let found = list(client, named(&image)).await?;
                output.list(&found, &format!("Nothing replicates {image}."), &COLUMNS, Replication::row)
            }
            Self::List { failed, retry: false } => {
                let input = if failed { json!({ "status": "FAILED" }) } else { json!({}) };
                let found = list(client, input).await?;
                let empty = if failed { "No replication has failed." } else { "Nothing is replicated." };
                output.list(&found, empty, &COLUMNS, Replication::row)
            }
            Self::List { retry: true, .. } => {
                let mut found = list(client, json!({ "status": "FAILED" })).await?;
                let mut begun = Vec::new();
                for page in found.chunks(PAGE) {
                    let ids: Vec<i64> = page.iter().map(|replication| replication.id).collect();
                    let answer: RetryAnswer = client.wharf("RetryReplications", &json!({ "ids": ids })).await?;
                    begun.extend(answer.ids);
                }
                found.retain(|replication| begun.contains(&replication.id));
                for replication in &mut found {
                    "IN_PROGRESS".clone_into(&mut replication.status);
                    (replication.failure_code, replication.failure_reason) = (None, None);
                }
                output.list(&found, "No replication has failed.", &COLUMNS, Replication::row)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images() {
        assert_eq!(named("a/b"), json!({ "repositoryName": "a/b" }));
        assert_eq!(named("a/b:v1"), json!({ "repositoryName": "a/b", "imageTag": "v1" }));
        assert_eq!(named("a@sha256:0"), json!({ "repositoryName": "a", "imageDigest": "sha256:0" }));
    }
}
