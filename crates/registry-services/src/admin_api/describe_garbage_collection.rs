//! DescribeGarbageCollection: how far the garbage collection is, and what all of them have removed.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use registry::images::collect_garbage::CollectGarbage;
use runtime::jobs::job::Job as _;
use serde::{Deserialize, Serialize};
use store::tables::garbage_collections::{self, CollectionCounts};
use store::tables::{collection_holds, jobs, removed_objects};

use super::errors::WharfError;

/// Tells whether the garbage collection runs, what it has removed and what waits to be removed.
pub struct DescribeGarbageCollection;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    /// Whether what waits for `blob_grace_hours` is counted, too, which takes longer.
    with_unnamed: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    /// Whether one waits to begin or goes on.
    is_running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    last: Option<Last>,
    /// Objects that are noted for removal, and may have to wait for their grace period.
    waiting_objects: u64,
    waiting_bytes: u64,
    /// Layers that no image names, which are shown for `blob_grace_hours` for pushes that count on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    unnamed: Option<Unnamed>,
    total_objects_removed: u64,
    total_bytes_removed: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    held_until: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Unnamed {
    blobs: u64,
    bytes: u64,
    /// When the last of them may go.
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Last {
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "String::is_empty")]
    step: String,
    counts: CollectionCounts,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Operation for DescribeGarbageCollection {
    const NAME: &'static str = "DescribeGarbageCollection";
    const ACTION: Action = Action::WharfDescribeGarbageCollection;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = bool;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<bool, WharfError> {
        WharfError::unless_operator(call)?;
        Ok(input.with_unnamed.unwrap_or_default())
    }

    fn needs(_: &Call<'_>, _: &bool) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, with_unnamed: bool) -> Result<Output, WharfError> {
        let now_ms = call.app.now_ms();
        let found = call.app.db.read(move |tx| {
            let last = garbage_collections::find(tx)?;
            let job = jobs::find(tx, CollectGarbage::KIND, "all")?;
            let waiting = removed_objects::measure(tx, i64::MAX)?;
            let unnamed = if with_unnamed { Some(garbage_collections::measure_unnamed(tx)?) } else { None };
            Ok::<_, WharfError>((last, job, waiting, unnamed, collection_holds::held_until(tx, now_ms)?))
        });
        let (last, job, waiting, unnamed, held_until) = found.await?;
        Ok(Output {
            is_running: job.is_some_and(|job| !job.is_dead),
            waiting_objects: waiting.0,
            waiting_bytes: waiting.1,
            unnamed: unnamed.map(|(blobs, bytes, since_ms)| Unnamed {
                blobs,
                bytes,
                until: since_ms.map(|since_ms| Timestamp::from_ms(since_ms + call.app.limits.blob_grace_ms)),
            }),
            total_objects_removed: last.as_ref().map_or(0, |last| last.total_objects_removed),
            total_bytes_removed: last.as_ref().map_or(0, |last| last.total_bytes_removed),
            held_until: held_until.map(Timestamp::from_ms),
            last: last.map(|last| Last {
                started_at: Timestamp::from_ms(last.started_at_ms),
                finished_at: last.finished_at_ms.map(Timestamp::from_ms),
                step: last.step,
                counts: last.counts,
                error: last.error,
            }),
        })
    }
}
