//! Garbage: uploads that do not grow, deleted images that can no longer be restored, blobs that no image names, objects
//! that no row names, secrets whose time is up.
//!
//! Each step is a small transaction, so nothing waits long for it, and each can end at any moment: what it leaves is
//! found again by the next run.

use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::repository_blobs::Collected;
use store::tables::{blobs, deleted_images, deleted_tags, jobs, removed_objects, repository_blobs, secrets, uploads};
use tokio::task::JoinSet;

use crate::app::App;
use crate::events::JOB_KIND_PREFIX;
use crate::registry::storage_class;

/// Rows that one transaction touches.
const BATCH: usize = 200;
/// Objects whose bytes are deleted at a time.
const REMOVED_AT_ONCE: usize = 16;
/// Events that did not arrive can be sent again for so long: 14 days.
const DEAD_EVENTS_KEPT_MS: i64 = 14 * 24 * 60 * 60 * 1000;

/// One round.
pub async fn run(app: &App) -> Result<(), StoreError> {
    let now_ms = app.now_ms();
    let stale_ms = now_ms - app.limits.upload_expiry_ms;
    let unreferenced_ms = now_ms - app.limits.blob_grace_ms;
    while app.db.write(move |tx| uploads::abandon_stale(tx, stale_ms, now_ms, BATCH)).await? == BATCH {}
    while app.db.write(move |tx| deleted_images::collect_expired(tx, now_ms, BATCH)).await?.images == BATCH {}
    while app.db.write(move |tx| deleted_tags::collect_expired(tx, now_ms, BATCH)).await? == BATCH {}
    collect(app, now_ms, move |tx| repository_blobs::collect_unreferenced(tx, unreferenced_ms, BATCH)).await?;
    collect(app, now_ms, move |tx| repository_blobs::collect_pushed_again(tx, unreferenced_ms, BATCH)).await?;
    while app.db.write(move |tx| blobs::collect_unreferenced(tx, now_ms, BATCH)).await? == BATCH {}
    while app.db.write(move |tx| purge_secrets(tx, now_ms)).await? == BATCH {}
    let stale_ms = now_ms - DEAD_EVENTS_KEPT_MS;
    while app.db.write(move |tx| jobs::forget_stale(tx, JOB_KIND_PREFIX, stale_ms, BATCH)).await? == BATCH {}
    remove_objects(app, now_ms - app.limits.object_grace_ms).await
}

/// Repeats a step until it finds less than a batch, and has the blobs looked at that it may send to the archive.
async fn collect(
    app: &App,
    now_ms: i64,
    step: impl Fn(&mut dyn Tx) -> Result<Collected, StoreError> + Clone + Send + 'static,
) -> Result<(), StoreError> {
    loop {
        let step = step.clone();
        let rows = app.db.write(move |tx| {
            let found = step(tx)?;
            storage_class::check_blobs(tx, &found.maybe_archived, now_ms)?;
            Ok::<_, StoreError>(found.rows)
        });
        if rows.await? < BATCH {
            return Ok(());
        }
    }
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
        let mut removed = Vec::with_capacity(count);
        for some in due.chunks(REMOVED_AT_ONCE) {
            let mut removals = JoinSet::new();
            for gone in some {
                let (store, gone) = (app.tier(gone.tier).of_scope(&gone.scope), gone.clone());
                removals.spawn(async move {
                    store.remove(gone.object, gone.multipart.as_deref()).await?;
                    Ok::<_, StoreError>(gone.object)
                });
            }
            while let Some(done) = removals.join_next().await {
                removed.push(done.map_err(|error| {
                    StoreError::new(StoreErrorKind::Other, "removing an object ended early").with_source(error)
                })??);
            }
        }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::aws_api::operation::Call;
    use crate::sts::web_identity::SourceConfig;
    use crate::tests::test_app::{ACCOUNT, TestApp, root_key};

    const DAY_MS: i64 = 24 * 60 * 60 * 1000;

    async fn secret_operation(app: &TestApp, name: &str, input: Value) -> Result<Value, String> {
        let http = app.request();
        let call = Call { http: &http, caller: app.caller(&root_key(ACCOUNT)) };
        let entry = crate::secrets::OPERATIONS.iter().find(|entry| entry.name == name).expect("an operation");
        match (entry.run)(&call, input.to_string().as_bytes()).await {
            Ok(answer) => Ok(serde_json::from_slice(&answer).expect("JSON")),
            Err(error) => Err(error.code.to_owned()),
        }
    }

    #[tokio::test]
    async fn secrets_go_when_their_recovery_window_ends() {
        let app = TestApp::new(SourceConfig::default()).await;
        for name in ["marked", "restored", "kept"] {
            let input = json!({"Name": name, "SecretString": "geheim"});
            secret_operation(&app, "CreateSecret", input).await.expect("made");
        }
        for name in ["marked", "restored"] {
            let input = json!({"SecretId": name, "RecoveryWindowInDays": 7});
            secret_operation(&app, "DeleteSecret", input).await.expect("marked");
        }
        app.clock.advance_ms(7 * DAY_MS - 1);
        run(&app.app).await.expect("collected");
        secret_operation(&app, "RestoreSecret", json!({"SecretId": "restored"})).await.expect("is there yet");
        secret_operation(&app, "DescribeSecret", json!({"SecretId": "marked"})).await.expect("is there yet");
        app.clock.advance_ms(1);
        run(&app.app).await.expect("collected");
        let gone = secret_operation(&app, "DescribeSecret", json!({"SecretId": "marked"})).await;
        assert_eq!(gone.expect_err("gone"), "ResourceNotFoundException");
        for name in ["restored", "kept"] {
            let value = secret_operation(&app, "GetSecretValue", json!({"SecretId": name})).await.expect("there");
            assert_eq!(value["SecretString"], "geheim", "{name}");
        }
        let again = json!({"Name": "marked", "SecretString": "new"});
        secret_operation(&app, "CreateSecret", again).await.expect("the name is free");
    }
}
