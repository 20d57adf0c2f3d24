//! `wharf gc`.

use std::time::Duration;

use clap::Args;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::count::counted;
use crate::error::Error;
use crate::output::{field, fields};
use crate::progress::ProgressLine;
use crate::{Session, bytes, date};

const LOOK_EVERY: Duration = Duration::from_millis(300);

#[derive(Args, Debug)]
pub struct GcArgs {
    /// Show what would be collected, and how much that is, without doing it.
    #[arg(long, conflicts_with = "status")]
    dry_run: bool,
    /// Show the last collection, without beginning one.
    #[arg(long)]
    status: bool,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Collectable {
    uploads: u64,
    upload_bytes: u64,
    deleted_images: u64,
    repository_layers: u64,
    blobs: u64,
    blob_bytes: u64,
    removed_objects: u64,
    removed_object_bytes: u64,
    total_bytes: u64,
}

#[derive(Deserialize)]
struct StartAnswer {
    collectable: Option<Collectable>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    is_running: bool,
    last: Option<Last>,
    waiting_objects: u64,
    waiting_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    unnamed: Option<Unnamed>,
    total_objects_removed: u64,
    total_bytes_removed: u64,
    held_until: Option<f64>,
}

#[derive(Deserialize, Serialize)]
struct Unnamed {
    blobs: u64,
    bytes: u64,
    until: Option<f64>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Last {
    started_at: f64,
    finished_at: Option<f64>,
    #[serde(default)]
    step: String,
    counts: Counts,
    error: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Counts {
    uploads_abandoned: u64,
    deleted_images_dropped: u64,
    deleted_tags_dropped: u64,
    repository_layers_hidden: u64,
    blobs_released: u64,
    objects_removed: u64,
    bytes_removed: u64,
    objects_failed: u64,
}

impl GcArgs {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<(), Error> {
        let Session { client, output } = session;
        if self.dry_run {
            let answer: StartAnswer = client.wharf("CollectGarbage", &json!({ "dryRun": true })).await?;
            let Some(found) = answer.collectable else {
                return Err(Error::Usage("the server did not say what it would collect".to_owned()));
            };
            return output.show(&found, |found| {
                fields(&[
                    field("Uploads that stopped", with_bytes(found.uploads, found.upload_bytes)),
                    field("Deleted images", found.deleted_images.to_string()),
                    field("Layers of repositories", found.repository_layers.to_string()),
                    field("Stored blobs", with_bytes(found.blobs, found.blob_bytes)),
                    field("Removed before", freed(found.removed_objects, found.removed_object_bytes)),
                    field("Would be freed", bytes::shown(found.total_bytes)),
                ])
            });
        }
        if !self.status {
            let before = describe(client, false).await?.last.map(|last| last.started_at);
            let _: Value = client.wharf("CollectGarbage", &json!({})).await?;
            let mut line = ProgressLine::new();
            loop {
                let state = describe(client, false).await?;
                let is_new = state.last.as_ref().map(|last| last.started_at) != before;
                if let Some(last) = &state.last {
                    let freed = bytes::shown(last.counts.bytes_removed);
                    line.show(0, 0, &format!("{} {freed} freed", last.step));
                }
                if !state.is_running && is_new {
                    break;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        }
        let state = describe(client, true).await?;
        output.show(&to_json(&state), |_| text_of(&state))
    }
}

async fn describe(client: &crate::client::Client, with_unnamed: bool) -> Result<State, Error> {
    let input = if with_unnamed { json!({ "withUnnamed": true }) } else { json!({}) };
    client.wharf("DescribeGarbageCollection", &input).await
}

/// With its dates as scripts read them.
fn to_json(state: &State) -> Value {
    let mut value = json!(state);
    for name in ["startedAt", "finishedAt"] {
        if let Some(time) = value["last"][name].as_f64() {
            value["last"][name] = date::iso8601(time).into();
        }
    }
    if let Some(time) = state.unnamed.as_ref().and_then(|unnamed| unnamed.until) {
        value["unnamed"]["until"] = date::iso8601(time).into();
    }
    if let Some(time) = state.held_until {
        value["heldUntil"] = date::iso8601(time).into();
    }
    value
}

fn with_bytes(count: u64, size: u64) -> String {
    if count == 0 { "0".to_owned() } else { format!("{count} ({})", bytes::shown(size)) }
}

/// What a store holds, as it is freed.
fn freed(objects: u64, size: u64) -> String {
    format!("{} of {}", bytes::shown(size), counted(objects, "object", "objects"))
}

fn text_of(state: &State) -> String {
    let mut lines = Vec::new();
    if let Some(last) = &state.last {
        let counts = &last.counts;
        lines.push(field("Began", date::of_iso8601(&date::iso8601(last.started_at))));
        lines.push(match last.finished_at {
            Some(at) => field("Ended", date::of_iso8601(&date::iso8601(at))),
            None => field("At work on", last.step.clone()),
        });
        lines.push(field("Uploads that stopped", counts.uploads_abandoned.to_string()));
        lines.push(field("Deleted images", counts.deleted_images_dropped.to_string()));
        lines.push(field("Layers of repositories", counts.repository_layers_hidden.to_string()));
        lines.push(field("Stored blobs", counts.blobs_released.to_string()));
        lines.push(field("Freed", freed(counts.objects_removed, counts.bytes_removed)));
        if let Some(error) = &last.error {
            lines.push(field("Failed", error.clone()));
        }
    }
    lines.push(field("Waiting to be freed", freed(state.waiting_objects, state.waiting_bytes)));
    if let Some(Unnamed { blobs, bytes, until }) = &state.unnamed
        && *blobs > 0
    {
        let until =
            until.map_or_else(String::new, |at| format!(", at the latest {}", date::of_iso8601(&date::iso8601(at))));
        lines.push(field("Later, named by no image", format!("{}{until}", with_bytes(*blobs, *bytes))));
    }
    if let Some(until) = state.held_until {
        lines.push(field("Held until", date::of_iso8601(&date::iso8601(until))));
    }
    lines.push(field("Freed ever", freed(state.total_objects_removed, state.total_bytes_removed)));
    fields(&lines)
}
