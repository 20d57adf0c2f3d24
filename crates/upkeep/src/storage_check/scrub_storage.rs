//! The background scrub: reads every object in turn, slowly, so that damage is known while whole copies can still be had.
//! It remembers where it is, and a round that was cut off goes on at the next blob.

use std::sync::Arc;

use registry::Registry;
use runtime::boxed;
use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, Job, JobError, enqueue_once};
use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::tables::storage_scrubs::{self, Scrub};
use store::tables::{blobs, damaged_objects, row_checks};

use super::check::unless_damaged;
use super::contents::{Damage, Depth, Throttle, examine};
use super::finding::Finding;
use super::values::Values;
use super::{advisories, documents, pages};

/// Blobs that one look gives.
const BLOBS: usize = 100;

/// The job, of the whole server.
#[derive(Debug, Serialize, Deserialize)]
pub struct ScrubStorage {}

impl Job for ScrubStorage {
    const KIND: &'static str = "scrub_storage";

    fn key(&self) -> String {
        "all".to_owned()
    }
}

impl Handle<Registry> for ScrubStorage {
    const AT_ONCE: usize = 1;

    async fn run(self, app: Arc<Registry>, _: Attempt) -> Result<(), JobError> {
        let Some(rate) = app.limits.scrub_bytes_per_second else { return Ok(()) };
        let known = app.db.read_point(storage_scrubs::find).await?;
        let mut scrub = match known.filter(|scrub| scrub.finished_at_ms.is_none()) {
            Some(scrub) => scrub,
            None => {
                scrub_rows(&app).await?;
                Scrub {
                    started_at_ms: app.now_ms(),
                    finished_at_ms: None,
                    last_blob_id: 0,
                    objects_read: 0,
                    bytes_read: 0,
                }
            }
        };
        let mut throttle = Throttle::new(rate);
        loop {
            let after = scrub.last_blob_id;
            let page = app.db.read(move |tx| row_checks::blobs_after(tx, after, BLOBS)).await?;
            if page.is_empty() {
                break;
            }
            for id in page {
                scrub_blob(&app, id, &mut throttle, &mut scrub).await?;
            }
        }
        scrub.finished_at_ms = Some(app.now_ms());
        let (objects, bytes) = (scrub.objects_read, scrub.bytes_read);
        app.db
            .write(move |tx| {
                damaged_objects::forget_replaced(tx)?;
                storage_scrubs::store(tx, &scrub)
            })
            .await?;
        // Of an empty registry there is nothing to tell.
        if objects > 0 {
            tracing::info!(objects, bytes, "the scrub has read all objects");
        }
        Ok(())
    }
}

/// Looks at the rows of all tables, and at what is sealed in them, when a round begins.
async fn scrub_rows(app: &Registry) -> Result<(), StoreError> {
    if !documents::mark_changed(&app.db).await?.is_empty() {
        app.publish_changes().await?;
    }
    let mut values = Values::of(app).await?;
    let describe = |wrong: Finding| format!("{}: {}", wrong.subject, wrong.detail);
    let mut found: Vec<String> =
        pages::findings(&app.db).await?.into_iter().filter(|found| found.repair.is_none()).map(describe).collect();
    found.extend(app.db.read(row_checks::file_problems).await?);
    while values.has_more() {
        found.extend(values.next_table().await?.into_iter().map(describe));
    }
    found.extend(values.sealed().await?.into_iter().map(&describe));
    found.extend(values.scans().await?.into_iter().map(&describe));
    found.extend(advisories::find_damaged(app).await?.into_iter().map(|damaged| describe(damaged.finding)));
    for problem in found {
        tracing::error!("the scrub found the database damaged ({problem}); `wharf fsck` tells what to do");
    }
    Ok(())
}

async fn scrub_blob(app: &Registry, id: i64, throttle: &mut Throttle, scrub: &mut Scrub) -> Result<(), StoreError> {
    // A row that cannot be read was told of when the round began.
    let found = unless_damaged(app.db.read_point(move |tx| blobs::find(tx, id)).await)?;
    let mut damaged = None;
    if let Some((stored, digest)) = found {
        let found = examine(app, &stored, &digest, Depth::Whole, Some(throttle)).await?;
        if found.as_ref().is_none_or(Damage::was_read) {
            scrub.objects_read += 1;
            scrub.bytes_read += stored.stored_bytes;
        }
        damaged = found.filter(|damage| !damage.kind.is_warning()).map(|damage| (stored.object, damage));
        if let Some((object, damage)) = &damaged {
            tracing::error!(
                %object, %digest,
                "the scrub found blob {digest} damaged ({}); `wharf fsck --repair` tries to heal it", damage.detail
            );
        }
    }
    scrub.last_blob_id = id;
    let (progress, now_ms) = (*scrub, app.now_ms());
    app.db
        .write(move |tx| {
            if let Some((object, damage)) = &damaged {
                damaged_objects::insert(tx, *object, &damage.detail, now_ms)?;
            }
            storage_scrubs::store(tx, &progress)
        })
        .await
}

/// Has a round begin if the one before began long enough ago, or was cut off.
#[boxed]
pub async fn schedule(app: &Registry) -> Result<(), StoreError> {
    if app.limits.scrub_bytes_per_second.is_none() {
        return Ok(());
    }
    let now_ms = app.now_ms();
    let known = app.db.read_point(storage_scrubs::find).await?;
    let is_due = known.is_none_or(|scrub| {
        scrub.finished_at_ms.is_none() || scrub.started_at_ms + app.limits.scrub_interval_ms <= now_ms
    });
    if is_due {
        app.db.write(move |tx| enqueue_once(tx, &ScrubStorage {}, now_ms, now_ms)).await?;
    }
    Ok(())
}
