//! The end of the restore window: until then a deleted image comes back, after it the bytes are gone from disk.

use api::protocols::operation::Call;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ecr_services::ecr;
use oci::Digest;
use registry::images::collect_garbage;
use registry::images::restore::DAY_MS;
use registry_services::admin_api;
use serde_json::{Value, json};
use store::db::Tx;
use store::error::StoreError;

use super::test_app::{ACCOUNT, TestApp, root_key};

const HOUR_MS: i64 = 60 * 60 * 1000;
/// So that a layer goes to the store. Configs are so small that the database keeps them.
const LAYER_REPEATS: usize = 5_000;

async fn call(test: &TestApp, operation: &str, input: Value) -> Value {
    let http = test.request();
    let services = [&ecr::SERVICE, &admin_api::SERVICE];
    let entry = services.iter().find_map(|service| service.entry(operation)).expect("an operation");
    let call = Call::new(&test.app, &http, test.caller(&root_key(ACCOUNT)));
    let answer = (entry.run)(&call, input.to_string().as_bytes()).await;
    let answer = answer.unwrap_or_else(|error| panic!("{operation}: {} {}", error.code, error.message));
    serde_json::from_slice(&answer).expect("JSON")
}

async fn push_blob(test: &TestApp, content: &[u8]) -> String {
    let digest = Digest::sha256_of(content).to_string();
    let upload = call(test, "InitiateLayerUpload", json!({"repositoryName": "app"})).await["uploadId"].clone();
    let part = json!({
        "repositoryName": "app", "uploadId": upload, "partFirstByte": 0, "partLastByte": content.len() - 1,
        "layerPartBlob": STANDARD.encode(content),
    });
    call(test, "UploadLayerPart", part).await;
    let end = json!({"repositoryName": "app", "uploadId": upload, "layerDigests": [digest]});
    call(test, "CompleteLayerUpload", end).await;
    digest
}

/// Pushes an image of one layer; returns its manifest.
async fn push(test: &TestApp, tag: &str) -> String {
    let config = push_blob(test, format!("{{\"tag\": \"{tag}\"}}").as_bytes()).await;
    let layer = push_blob(test, tag.repeat(LAYER_REPEATS).as_bytes()).await;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 10 + tag.len()},
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": layer, "size": LAYER_REPEATS * tag.len()}],
    })
    .to_string();
    call(test, "PutImage", json!({"repositoryName": "app", "imageManifest": manifest, "imageTag": tag})).await;
    manifest
}

async fn delete(test: &TestApp, tag: &str) {
    let input = json!({"repositoryName": "app", "imageIds": [{"imageTag": tag}]});
    assert_eq!(call(test, "BatchDeleteImage", input).await["failures"], json!([]));
}

async fn restore(test: &TestApp, tag: &str) -> Value {
    call(test, "RestoreImage", json!({"repositoryName": "app", "imageIds": [{"imageTag": tag}]})).await
}

async fn collect(test: &TestApp) {
    assert_eq!(collect_garbage::run(&test.app).await.expect("collects"), None);
}

/// How many objects the database keeps.
async fn small_blobs(test: &TestApp) -> i64 {
    let count =
        |tx: &mut dyn Tx| tx.query_opt("SELECT COUNT(*) FROM small_blobs", &[])?.map_or(Ok(0), |row| row.int(0));
    test.app.db.read::<_, StoreError, _>(count).await.expect("counted")
}

async fn with_repository() -> TestApp {
    let test = TestApp::with_files(std::collections::HashMap::new()).await;
    call(&test, "CreateRepository", json!({"repositoryName": "app"})).await;
    test
}

#[tokio::test]
async fn until_the_end_and_after() {
    let test = with_repository().await;
    push(&test, "kept").await;
    let manifest = push(&test, "gone").await;
    assert_eq!((test.stored_objects(), small_blobs(&test).await), (2, 2));
    delete(&test, "gone").await;

    test.clock.advance_ms(7 * DAY_MS - 1);
    collect(&test).await;
    let restored = restore(&test, "gone").await;
    assert_eq!(restored["restoredImages"][0]["restoredTags"], json!(["gone"]), "{restored}");
    let input = json!({"repositoryName": "app", "imageIds": [{"imageTag": "gone"}]});
    let got = call(&test, "BatchGetImage", input).await;
    assert_eq!(got["images"][0]["imageManifest"], json!(manifest));

    delete(&test, "gone").await;
    test.clock.advance_ms(7 * DAY_MS);
    // Over at this very moment, collected or not.
    let refused = restore(&test, "gone").await;
    assert_eq!(refused["failures"][0]["failureCode"], json!("ImageNotFound"), "{refused}");
    let listed = call(&test, "ListDeletedImages", json!({})).await;
    assert_eq!((&listed["deletedImages"], &listed["deletedTags"]), (&json!([]), &json!([])));
    collect(&test).await;
    assert_eq!(test.stored_objects(), 2, "readers that just looked the bytes up have a moment");
    test.clock.advance_ms(2 * 60 * 1000);
    collect(&test).await;
    assert_eq!((test.stored_objects(), small_blobs(&test).await), (1, 1));
}

#[tokio::test]
async fn switched_off_or_purged() {
    let test = with_repository().await;
    let window = json!({"repositoryName": "app", "restoreWindowDays": 0});
    assert_eq!(call(&test, "PutRestoreWindow", window).await["isDefault"], json!(false));
    push(&test, "now").await;
    delete(&test, "now").await;
    assert_eq!(restore(&test, "now").await["failures"][0]["failureCode"], json!("ImageNotFound"));
    let window = call(&test, "PutRestoreWindow", json!({"repositoryName": "app"})).await;
    assert_eq!((&window["restoreWindowDays"], &window["isDefault"]), (&json!(7), &json!(true)));

    push(&test, "purged").await;
    delete(&test, "purged").await;
    // Pushes may count on layers of a deleted image for a day, so only after that purging it frees them.
    test.clock.advance_ms(25 * HOUR_MS);
    collect(&test).await;
    test.clock.advance_ms(2 * 60 * 1000);
    collect(&test).await;
    assert_eq!((test.stored_objects(), small_blobs(&test).await), (1, 1));
    let mut input = json!({"repositoryName": "app", "imageIds": [{"imageTag": "purged"}], "dryRun": true});
    let dry = call(&test, "PurgeDeletedImages", input.clone()).await;
    assert_eq!(dry["releasedBytes"], json!(6 * LAYER_REPEATS + 17), "{dry}");
    input["dryRun"] = json!(false);
    let mut purged = call(&test, "PurgeDeletedImages", input).await;
    purged["dryRun"] = json!(true);
    assert_eq!(purged, dry);
    collect(&test).await;
    test.clock.advance_ms(2 * 60 * 1000);
    collect(&test).await;
    assert_eq!((test.stored_objects(), small_blobs(&test).await), (0, 0));
}
