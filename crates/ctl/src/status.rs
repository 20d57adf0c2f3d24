//! `wharf status`: how the whole server is.

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bytes::shown as size;
use crate::count::counted;
use crate::error::Error;
use crate::job_kind;
use crate::nodes::{Node, NodeAnswer};
use crate::output::{field, fields};
use crate::{Session, date};

#[derive(Args, Debug)]
pub struct StatusArgs {}

#[derive(Deserialize)]
struct Answer {
    version: String,
    database: String,
    nodes: Vec<NodeAnswer>,
    work: Option<Work>,
    store: Option<Stored>,
}

#[derive(Serialize)]
struct Status {
    version: String,
    database: String,
    nodes: Vec<Node>,
    work: Option<Work>,
    store: Option<Stored>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Work {
    jobs: Vec<Jobs>,
    uploads: u64,
    upload_bytes: u64,
}

#[derive(Deserialize, Serialize)]
struct Jobs {
    kind: String,
    waiting: u64,
    running: u64,
    dead: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    repositories: u64,
    images: u64,
    tags: u64,
    standard: Tier,
    archive: Tier,
    #[serde(deserialize_with = "read_time")]
    measured_at: String,
}

/// A time as scripts read it.
fn read_time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    f64::deserialize(deserializer).map(date::iso8601)
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tier {
    /// Layers and configs, each counted once; small ones lie in the database, and are no objects of a store.
    #[serde(rename(deserialize = "objects"))]
    blobs: u64,
    stored_bytes: u64,
    unique_bytes: u64,
    logical_bytes: u64,
}

impl Tier {
    fn text(&self) -> String {
        if self.blobs == 0 {
            return "nothing".to_owned();
        }
        let saved = self.logical_bytes.saturating_sub(self.unique_bytes);
        let blobs = counted(self.blobs, "blob", "blobs");
        format!("{} in {blobs}; sharing saves {}", size(self.stored_bytes), size(saved))
    }
}

impl Status {
    fn text(&self) -> String {
        let unknown = || "not known at the moment".to_owned();
        let alive = self.nodes.iter().filter(|node| node.is_alive()).count();
        let database = match self.database.as_str() {
            "POSTGRES" => "PostgreSQL".to_owned(),
            "SQLITE" => "SQLite, in the data folder".to_owned(),
            other => other.to_owned(),
        };
        let (mut work, mut uploads, mut contents, mut standard, mut archive, mut measured) =
            (vec![unknown()], unknown(), unknown(), unknown(), unknown(), unknown());
        if let Some(known) = &self.work {
            work = known.jobs.iter().map(Jobs::text).collect();
            if work.is_empty() {
                work.push("none".to_owned());
            }
            uploads = format!("{}, {} received", known.uploads, size(known.upload_bytes));
        }
        if let Some(known) = &self.store {
            contents = format!(
                "{}, {}, {}",
                counted(known.repositories, "repository", "repositories"),
                counted(known.images, "image", "images"),
                counted(known.tags, "tag", "tags")
            );
            (standard, archive) = (known.standard.text(), known.archive.text());
            measured = date::of_iso8601(&known.measured_at);
        }
        fields(&[
            field("Version", &self.version),
            field("Database", database),
            field("Nodes", format!("{alive} of {} alive", self.nodes.len())),
            field("Contents", contents),
            field("Store", standard),
            field("Archive", archive),
            field("Measured", measured),
            field("Uploads", uploads),
            ("Jobs", work),
        ])
    }
}

impl Jobs {
    fn text(&self) -> String {
        let counts = [(self.waiting, "waiting"), (self.running, "running"), (self.dead, "given up")];
        let counts: Vec<String> =
            counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}")).collect();
        format!("{}: {}", job_kind::words(&self.kind), counts.join(", "))
    }
}

impl StatusArgs {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        let answer: Answer = client.wharf("DescribeServer", &json!({})).await?;
        let now_ms = client.now_ms();
        let Answer { version, database, nodes, work, store } = answer;
        let nodes = nodes.into_iter().map(|node| Node::new(node, now_ms)).collect();
        output.show(&Status { version, database, nodes, work, store }, Status::text)
    }
}
