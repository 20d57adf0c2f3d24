//! Garbage: uploads that do not grow, blobs that no image names, objects that no row names, secrets whose time is up.
//!
//! Each step is a small transaction, so nothing waits long for it, and each can end at any moment: what it leaves is
//! found again by the next run.

use store::db::Tx;
use store::error::StoreError;
use store::tables::{blobs, removed_objects, repository_blobs, secrets, uploads};

use crate::app::App;

/// Rows that one transaction touches.
const BATCH: usize = 200;

/// One round.
pub async fn run(app: &App) -> Result<(), StoreError> {
    let now_ms = app.now_ms();
    let stale_ms = now_ms - app.limits.upload_expiry_ms;
    let unreferenced_ms = now_ms - app.limits.blob_grace_ms;
    while app.db.write(move |tx| uploads::abandon_stale(tx, stale_ms, now_ms, BATCH)).await? == BATCH {}
    while app.db.write(move |tx| repository_blobs::collect_unreferenced(tx, unreferenced_ms, BATCH)).await? == BATCH {}
    while app.db.write(move |tx| blobs::collect_unreferenced(tx, now_ms, BATCH)).await? == BATCH {}
    while app.db.write(move |tx| purge_secrets(tx, now_ms)).await? == BATCH {}
    remove_objects(app, now_ms - app.limits.object_grace_ms).await
}

/// Deletes secrets whose recovery window has ended; says how many.
fn purge_secrets(tx: &mut dyn Tx, now_ms: i64) -> Result<usize, StoreError> {
    let due = secrets::list_due(tx, now_ms, BATCH)?;
    for id in &due {
        secrets::delete(tx, *id)?;
    }
    Ok(due.len())
}

/// Deletes bytes first and the note of them after: a crash between the two is repaired by doing it again.
async fn remove_objects(app: &App, until_ms: i64) -> Result<(), StoreError> {
    loop {
        let due = app.db.read(move |tx| removed_objects::list_due(tx, until_ms, BATCH)).await?;
        let count = due.len();
        let store = app.blobs.clone();
        let removed = tokio::task::spawn_blocking(move || {
            for object in &due {
                store.remove(*object)?;
            }
            Ok::<_, StoreError>(due)
        })
        .await
        .map_err(|error| {
            StoreError::new(store::error::StoreErrorKind::Other, "removing objects ended early").with_source(error)
        })??;
        app.db
            .write(move |tx| {
                for object in &removed {
                    removed_objects::delete(tx, *object)?;
                }
                Ok::<_, StoreError>(())
            })
            .await?;
        if count < BATCH {
            return Ok(());
        }
    }
}
