//! `wharf advisories`: what is known of vulnerabilities, where it comes from, and how old it is.

mod answer;
mod import;
mod sources;
mod status;
mod update;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::client::Client;
use crate::error::Error;
use crate::{Outcome, Session};

use answer::Answer;
use import::ImportArgs;
use update::UpdateArgs;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the advisories that are wanted: how old each is, and what went wrong.
    Status,
    /// Have advisories fetched now. Exits with 1 if some could not be, where that is waited for.
    Update(UpdateArgs),
    /// Bring a file of a feed to a server that fetches nothing, or does not reach it.
    Import(ImportArgs),
    /// List the feeds that there are: where they are, under which licence, and how to change that; or all files of one.
    Sources {
        /// The feed whose files and URLs are shown, such as alpine.
        #[arg(value_name = "FEED")]
        feed: Option<String>,
    },
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        match self {
            Self::Status => status::run(session).await,
            Self::Update(arguments) => arguments.run(session).await,
            Self::Import(arguments) => arguments.run(session).await,
            Self::Sources { feed } => sources::run(session, feed.as_deref()).await,
        }
    }
}

/// How advisories stand: those of the feeds or files that are named, or all.
async fn describe(client: &Client, names: &[String]) -> Result<Answer, Error> {
    let input = if names.is_empty() { Value::Object(serde_json::Map::new()) } else { json!({ "names": names }) };
    client.wharf("DescribeAdvisories", &input).await
}
