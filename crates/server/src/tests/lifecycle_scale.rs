//! A repository of 100,000 images: how long its policy takes, and how much memory.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use registry::images::lifecycle::decision;
use registry::images::lifecycle::images::RepositoryImages;
use serde_json::json;
use store::error::StoreError;
use store::tables::images::{self, NewImage};
use store::tables::{image_tags, repositories};
use upkeep::background;

use super::lifecycle::{DAY_MS, call, digest, fill, policy, rule, since};
use super::test_app::{START_MS, TestApp};

const IMAGES: u64 = 100_000;
const BATCH: u64 = 5_000;

/// The most resident memory that this process ever had, in MiB.
fn peak_memory_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("readable");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("there");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

/// Two tags on most images, some untagged, one in five a list of the image before.
async fn fill_up(test: &TestApp, repository_id: i64) {
    for first in (0..IMAGES).step_by(BATCH as usize) {
        let filled = test.app.db.write(move |tx| {
            for number in first..first + BATCH {
                let new = NewImage {
                    digest: digest(number),
                    media_type: "application/vnd.oci.image.manifest.v1+json".parse().expect("a media type"),
                    artifact_media_type: None,
                    artifact_type: None,
                    annotations: BTreeMap::new(),
                    subject: None,
                    size_bytes: 1,
                    manifest_bytes: 1_500,
                    sealed_manifest: vec![7; 1_500],
                    pushed_at_ms: START_MS - (number as i64 * 7919 % 400) * DAY_MS,
                };
                let id = images::insert(tx, repository_id, &new)?.expect("a new digest");
                if number % 5 != 0 {
                    for tag in [format!("v{number}"), format!("build-{number}")] {
                        image_tags::insert(tx, repository_id, &tag.parse().expect("a tag"), id, START_MS)?;
                    }
                }
                if number % 5 == 1 {
                    images::insert_child(tx, id, repository_id, &digest(number - 1))?;
                }
            }
            Ok::<_, StoreError>(())
        });
        filled.await.expect("stored");
    }
}

/// `bench/lifecycle` runs it in release.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_hundred_thousand_images() {
    let test = TestApp::with_files(HashMap::new()).await;
    let id = fill(&test, "app", Vec::new()).await;
    fill_up(&test, id).await;
    let policy_text = policy(&[
        rule(1, &json!({"tagStatus": "tagged", "tagPrefixList": ["v1"]}), &super::lifecycle::keep(1_000)),
        rule(2, &json!({"tagStatus": "tagged", "tagPatternList": ["build-*7", "v*"]}), &since("sinceImagePushed", 30)),
        rule(3, &json!({"tagStatus": "any"}), &since("sinceImagePushed", 300)),
    ]);
    let memory_before = peak_memory_mib();
    for _ in 0..3 {
        let policy_text = policy_text.clone();
        let measured = test.app.db.read(move |tx| {
            let policy = registry::images::lifecycle::parse(&policy_text).expect("valid");
            let stored = repositories::find_by_id(tx, id)?.expect("there");
            let whole = Instant::now();
            let decided = decision::decide(tx, &stored, &policy_text, &policy, START_MS)?;
            let whole = whole.elapsed();
            let images = RepositoryImages::read(tx, id)?;
            let alone = Instant::now();
            let (seen, _) = images.seen();
            let plan = lifecycle::decide(&seen, &policy, &lifecycle::Options::default(), START_MS);
            let alone = alone.elapsed();
            assert_eq!(plan.actions.len(), decided.actions.len());
            Ok::<_, StoreError>((alone, whole, plan.actions.len()))
        });
        let (alone, whole, actions) = measured.await.expect("readable");
        println!(
            "lifecycle: {IMAGES} images: evaluation {alone:?}, with reading from SQLite {whole:?}, {actions} actions"
        );
    }
    println!("lifecycle: peak memory grew from {memory_before} to {} MiB", peak_memory_mib());
    call(&test, "PutLifecyclePolicy", json!({"repositoryName": "app", "lifecyclePolicyText": policy_text})).await;
    let run = Instant::now();
    background::work_off(&test.app).await;
    println!("lifecycle: the run took {:?}, peak memory {} MiB", run.elapsed(), peak_memory_mib());
}
