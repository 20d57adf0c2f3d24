//! Garbage: uploads that do not grow, deleted images that can no longer be restored, blobs that no image names, objects
//! that no row names, secrets whose time is up.
//!
//! Each step is a small transaction, so nothing waits long for it, and each can end at any moment: what it leaves is
//! found again by the next run. One node collects at a time, which is thrift and no condition: every step asks in its
//! transaction whether what it takes is still garbage. Nodes that share a database share its clock, so the times that
//! others wrote count.

use std::sync::Arc;

use runtime::boxed;
use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, EVENT_KIND_PREFIX, Job, JobError, enqueue};
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::garbage_collections::{self, Collectable, CollectionCounts};
use store::tables::repository_blobs::Collected;
use store::tables::{
    blobs, collection_holds, deleted_images, deleted_repositories, deleted_tags, jobs, removed_objects,
    repository_blobs, secrets, uploads,
};
use tokio::task::JoinSet;

use super::storage_class;
use crate::Registry;

/// Rows that one transaction touches.
const BATCH: usize = 200;
/// Objects whose bytes are deleted at a time.
const REMOVED_AT_ONCE: usize = 16;
/// Events that did not arrive can be sent again for so long: 14 days.
const DEAD_EVENTS_KEPT_MS: i64 = 14 * 24 * 60 * 60 * 1000;
/// A collection begins so long after the one before.
const INTERVAL_MS: i64 = 60 * 1000;

/// The job, of the whole server.
#[derive(Debug, Serialize, Deserialize)]
pub struct CollectGarbage {}

impl Job for CollectGarbage {
    const KIND: &'static str = "collect_garbage";

    fn key(&self) -> String {
        "all".to_owned()
    }
}

impl Handle<Registry> for CollectGarbage {
    const AT_ONCE: usize = 1;

    async fn run(self, app: Arc<Registry>, _: Attempt) -> Result<(), JobError> {
        // What cannot be removed is noted with the collection, and the next one tries again.
        run(&app).await?;
        Ok(())
    }
}

/// Has a collection begin if the last one began long enough ago. Every node looks.
#[boxed]
pub async fn schedule(app: &Registry) -> Result<(), StoreError> {
    let now_ms = app.now_ms();
    let last = app.db.read_point(garbage_collections::find).await?;
    // A start that lies ahead was written by a clock that is wrong, or that ours was.
    let is_due = last.is_none_or(|last| !(now_ms - INTERVAL_MS..=now_ms + INTERVAL_MS).contains(&last.started_at_ms));
    if is_due {
        start(app).await?;
    }
    Ok(())
}

/// Has a collection begin now, unless one goes on.
#[boxed]
pub async fn start(app: &Registry) -> Result<(), StoreError> {
    let now_ms = app.now_ms();
    app.db.make_room(move |tx| enqueue(tx, &CollectGarbage {}, now_ms, now_ms)).await?;
    app.wake_jobs.wake();
    Ok(())
}

/// The times until which things must be old to go.
#[derive(Clone, Copy)]
struct Until {
    now_ms: i64,
    stale_uploads_ms: i64,
    unreferenced_ms: i64,
    objects_ms: i64,
}

impl Until {
    fn at(app: &Registry) -> Self {
        let now_ms = app.now_ms();
        Self {
            now_ms,
            stale_uploads_ms: now_ms - app.limits.upload_expiry_ms,
            unreferenced_ms: now_ms - app.limits.blob_grace_ms,
            objects_ms: now_ms - app.limits.object_grace_ms,
        }
    }
}

/// What a collection would take now.
#[boxed]
pub async fn measure(app: &Registry) -> Result<Collectable, StoreError> {
    let until = Until::at(app);
    let (uploads_ms, blobs_ms, objects_ms) = (until.stale_uploads_ms, until.unreferenced_ms, until.objects_ms);
    app.db.read(move |tx| garbage_collections::measure(tx, uploads_ms, blobs_ms, until.now_ms, objects_ms)).await
}

/// A collection that goes on.
struct Collection<'a> {
    app: &'a Registry,
    until: Until,
    counts: CollectionCounts,
    failures: Vec<String>,
}

/// One collection. What cannot be removed does not keep the rest from going; a text tells of it.
#[boxed]
pub async fn run(app: &Registry) -> Result<Option<String>, StoreError> {
    let until = Until::at(app);
    app.db.make_room(move |tx| garbage_collections::begin(tx, until.now_ms)).await?;
    let mut collection = Collection { app, until, counts: CollectionCounts::default(), failures: Vec::new() };
    collection.run().await;
    let Collection { counts, failures, .. } = collection;
    let error = (!failures.is_empty()).then(|| failures.join("; "));
    let (text, now_ms) = (error.clone(), app.now_ms());
    app.db.make_room(move |tx| garbage_collections::finish(tx, &counts, text.as_deref(), now_ms)).await?;
    Ok(error)
}

impl Collection<'_> {
    async fn run(&mut self) {
        let Until { now_ms, stale_uploads_ms, unreferenced_ms, .. } = self.until;
        self.step(
            "abandoning uploads",
            move |tx| uploads::abandon_stale(tx, stale_uploads_ms, now_ms, BATCH),
            |counts, rows| counts.uploads_abandoned += rows,
        )
        .await;
        self.step(
            "dropping deleted images",
            move |tx| Ok(deleted_images::collect_expired(tx, now_ms, BATCH)?.images),
            |counts, rows| counts.deleted_images_dropped += rows,
        )
        .await;
        self.step("dropping what guarded deleted images", deleted_repositories::collect, |_, _| {}).await;
        self.step(
            "dropping deleted tags",
            move |tx| deleted_tags::collect_expired(tx, now_ms, BATCH),
            |counts, rows| counts.deleted_tags_dropped += rows,
        )
        .await;
        self.step(
            "hiding layers",
            move |tx| {
                let found = repository_blobs::collect_unreferenced(tx, unreferenced_ms, BATCH)?;
                check_archived(tx, now_ms, &found)
            },
            |counts, rows| counts.repository_layers_hidden += rows,
        )
        .await;
        self.step(
            "returning layers to the archive",
            move |tx| {
                let found = repository_blobs::collect_pushed_again(tx, unreferenced_ms, BATCH)?;
                check_archived(tx, now_ms, &found)
            },
            |_, _| {},
        )
        .await;
        self.step("purging secrets", move |tx| purge_secrets(tx, now_ms), |_, _| {}).await;
        let stale_ms = now_ms - DEAD_EVENTS_KEPT_MS;
        self.step("forgetting events", move |tx| jobs::forget_stale(tx, EVENT_KIND_PREFIX, stale_ms, BATCH), |_, _| {})
            .await;
        self.step(
            "releasing blobs",
            move |tx| blobs::collect_unreferenced(tx, now_ms, BATCH),
            |counts, rows| counts.blobs_released += rows,
        )
        .await;
        if let Err(error) = self.remove_objects().await {
            self.failed("removing objects", &error);
        }
    }

    fn failed(&mut self, what: &str, error: &StoreError) {
        tracing::error!(
            "{what} failed in the garbage collection, and is tried again by the next: {error}",
            error = runtime::with_causes(&error)
        );
        self.failures.push(format!("{what}: {}", runtime::with_causes(error)));
    }

    /// Repeats a step until it finds less than a batch.
    async fn step(
        &mut self,
        what: &'static str,
        step: impl Fn(&mut dyn Tx) -> Result<usize, StoreError> + Clone + Send + 'static,
        count: impl Fn(&mut CollectionCounts, u64),
    ) {
        loop {
            let step = step.clone();
            match self.app.db.make_room(step).await {
                Ok(rows) => {
                    count(&mut self.counts, rows as u64);
                    if rows > 0 {
                        self.note(what).await;
                    }
                    if rows < BATCH {
                        return;
                    }
                }
                Err(error) => return self.failed(what, &error),
            }
        }
    }

    /// Lets people see how far this is. Nothing hangs on it.
    async fn note(&self, step: &'static str) {
        let counts = self.counts;
        if let Err(error) = self.app.db.make_room(move |tx| garbage_collections::note(tx, step, &counts)).await {
            tracing::warn!(
                "the progress of the garbage collection was not noted: {error}",
                error = runtime::with_causes(&error)
            );
        }
    }

    /// Deletes bytes first and the note of them after: a crash between the two is repaired by doing it again. An object
    /// that cannot be deleted is passed over.
    async fn remove_objects(&mut self) -> Result<(), StoreError> {
        let mut after = (i64::MIN, String::new());
        loop {
            let (app, until_ms, from) = (self.app, self.until.objects_ms, after.clone());
            let now_ms = app.now_ms();
            let due = app.db.read(move |tx| {
                // In the snapshot of the list: a hold that comes later keeps only what was not yet noted.
                if collection_holds::held_until(tx, now_ms)?.is_some() {
                    return Ok(Vec::new());
                }
                removed_objects::list_due(tx, until_ms, (from.0, &from.1), BATCH)
            });
            let due = due.await?;
            let Some(last) = due.last() else { return Ok(()) };
            after = (last.removed_at_ms, last.removed.object.to_string());
            let is_last = due.len() < BATCH;
            let (mut removed, mut failed) = (Vec::with_capacity(due.len()), Vec::new());
            for some in due.chunks(REMOVED_AT_ONCE) {
                let mut removals = JoinSet::new();
                for gone in some {
                    let (store, gone) = (app.tier(gone.removed.tier).of_scope(&gone.removed.scope), gone.clone());
                    runtime::tasks::spawn_in(&mut removals, async move {
                        store.remove(gone.removed.object, gone.removed.multipart.as_deref()).await?;
                        Ok::<_, StoreError>((gone.removed.object, gone.stored_bytes))
                    });
                }
                while let Some(done) = removals.join_next().await {
                    let done = done.map_err(|error| {
                        StoreError::new(StoreErrorKind::Other, "removing an object ended early").with_source(error)
                    })?;
                    match done {
                        Ok(gone) => removed.push(gone),
                        Err(error) => failed.push(error),
                    }
                }
            }
            let freed = app
                .db
                .make_room(move |tx| {
                    let mut freed = (0, 0);
                    for (object, stored_bytes) in &removed {
                        if removed_objects::delete(tx, *object)? {
                            freed = (freed.0 + 1, freed.1 + stored_bytes);
                        }
                    }
                    garbage_collections::add_removed(tx, freed.0, freed.1)?;
                    Ok::<_, StoreError>(freed)
                })
                .await?;
            self.counts.objects_removed += freed.0;
            self.counts.bytes_removed += freed.1;
            self.counts.objects_failed += failed.len() as u64;
            if let Some(error) = failed.first() {
                self.failed("removing an object", error);
            }
            self.note("removing objects").await;
            if is_last {
                return Ok(());
            }
        }
    }
}

/// Has the blobs looked at that a step may send to the archive; says how many rows the step touched.
fn check_archived(tx: &mut dyn Tx, now_ms: i64, found: &Collected) -> Result<usize, StoreError> {
    storage_class::check_blobs(tx, &found.maybe_archived, now_ms)?;
    Ok(found.rows)
}

/// Deletes secrets whose recovery window has ended; says how many.
fn purge_secrets(tx: &mut dyn Tx, now_ms: i64) -> Result<usize, StoreError> {
    let due = secrets::list_due(tx, now_ms, BATCH)?;
    for id in &due {
        secrets::delete(tx, *id)?;
    }
    Ok(due.len())
}
