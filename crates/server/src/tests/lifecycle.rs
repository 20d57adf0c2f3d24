//! Lifecycle policies in one process: ages by a clock that is moved, runs that are cut off or overtaken by changes.

use ecr_services::ecr;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use api::protocols::operation::Call;
use oci::Digest;
use registry::images::lifecycle::run::{self, Step, Work};
use registry::images::lifecycle::schedule_lifecycle;
use registry_services::admin_api;
use serde_json::{Value, json};
use store::db::Tx;
use store::error::StoreError;
use store::tables::images::{ImageStatus, NewImage};
use store::tables::{image_tags, images, lifecycle_changes, lifecycle_policies, lifecycle_runs, repositories};
use upkeep::background;

use super::test_app::{ACCOUNT, START_MS, TestApp, root_key};

pub const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// Calls an operation as root; its answer, or the error's code and message.
pub async fn try_call(test: &TestApp, operation: &str, input: Value) -> Result<Value, (String, String)> {
    let http = test.request();
    let services = [&ecr::SERVICE, &admin_api::SERVICE];
    let entry = services.iter().find_map(|service| service.entry(operation)).expect("an operation");
    let call = Call::new(&test.app, &http, test.caller(&root_key(ACCOUNT)));
    let answer = (entry.run)(&call, input.to_string().as_bytes()).await;
    answer
        .map(|bytes| serde_json::from_slice(&bytes).expect("JSON"))
        .map_err(|error| (error.code.to_owned(), error.message))
}

pub async fn call(test: &TestApp, operation: &str, input: Value) -> Value {
    try_call(test, operation, input).await.unwrap_or_else(|error| panic!("{operation}: {error:?}"))
}

/// An image to put into a repository; others are named by their numbers.
#[derive(Clone, Debug, Default)]
pub struct TestImage {
    pub number: u64,
    pub tags: Vec<String>,
    pub age_days: i64,
    pub pulled_days_ago: Option<i64>,
    pub children: Vec<u64>,
    pub subject: Option<u64>,
    /// What has become of it after its push, and so many days ago.
    pub turned: Option<(ImageStatus, i64)>,
}

pub fn digest(number: u64) -> Digest {
    Digest::sha256_of(&number.to_be_bytes())
}

fn insert(tx: &mut dyn Tx, repository_id: i64, image: &TestImage) -> Result<(), StoreError> {
    let new = NewImage {
        digest: digest(image.number),
        media_type: "application/vnd.oci.image.manifest.v1+json".parse().expect("a media type"),
        artifact_media_type: None,
        artifact_type: None,
        annotations: BTreeMap::new(),
        subject: image.subject.map(digest),
        size_bytes: 1,
        manifest_bytes: 1,
        sealed_manifest: vec![1],
        pushed_at_ms: START_MS - image.age_days * DAY_MS,
    };
    let id = images::insert(tx, repository_id, &new)?.expect("a new digest");
    for tag in &image.tags {
        let tag = tag.parse().expect("a tag");
        assert!(image_tags::insert(tx, repository_id, &tag, id, new.pushed_at_ms)?);
    }
    for child in &image.children {
        images::insert_child(tx, id, repository_id, &digest(*child))?;
    }
    if let Some(days) = image.pulled_days_ago {
        images::record_pull(tx, id, START_MS - days * DAY_MS)?;
    }
    if let Some((status, days)) = image.turned {
        images::set_status(tx, id, status, START_MS - days * DAY_MS)?;
    }
    Ok(())
}

/// Creates a repository with these images, and returns its row.
pub async fn fill(test: &TestApp, name: &str, all: Vec<TestImage>) -> i64 {
    call(test, "CreateRepository", json!({ "repositoryName": name })).await;
    let name = name.to_owned();
    let registry = test.registry();
    let filled = test.app.db.write(move |tx| {
        let repository =
            repositories::find(tx, &registry.repository(&name.parse().expect("a name")))?.expect("created");
        all.iter().try_for_each(|image| insert(tx, repository.id, image))?;
        Ok::<_, StoreError>(repository.id)
    });
    filled.await.expect("stored")
}

/// `count` images, the oldest first, tagged v0, v1, … and pushed a day apart, the last today.
fn numbered(count: u64) -> Vec<TestImage> {
    let image = |number| TestImage {
        number,
        tags: vec![format!("v{number}")],
        age_days: (count - 1 - number) as i64,
        ..TestImage::default()
    };
    (0..count).map(image).collect()
}

pub fn rule(priority: i64, tags: &Value, count: &Value) -> Value {
    let mut selection = tags.as_object().expect("an object").clone();
    selection.extend(count.as_object().expect("an object").clone());
    json!({"rulePriority": priority, "selection": selection, "action": {"type": "expire"}})
}

pub fn keep(number: i64) -> Value {
    json!({"countType": "imageCountMoreThan", "countNumber": number})
}

pub fn since(what: &str, days: i64) -> Value {
    json!({"countType": what, "countUnit": "days", "countNumber": days})
}

fn any() -> Value {
    json!({"tagStatus": "any"})
}

pub fn policy(rules: &[Value]) -> String {
    format!("{:<100}", json!({ "rules": rules }).to_string())
}

pub async fn put(test: &TestApp, name: &str, rules: &[Value]) {
    call(test, "PutLifecyclePolicy", json!({"repositoryName": name, "lifecyclePolicyText": policy(rules)})).await;
}

/// What is in a repository: each image's digest and status.
pub async fn statuses(test: &TestApp, repository_id: i64) -> BTreeMap<String, ImageStatus> {
    let found = test.app.db.read(move |tx| images::list(tx, repository_id, "", 1_000)).await.expect("readable");
    found.into_iter().map(|image| (image.digest.to_string(), image.status)).collect()
}

/// What is in a repository: numbers of images up to `count`.
pub async fn remaining(test: &TestApp, repository_id: i64, count: u64) -> BTreeSet<u64> {
    let found = test.app.db.read(move |tx| {
        let mut there = BTreeSet::new();
        for number in 0..count {
            if images::find(tx, repository_id, &digest(number))?.is_some() {
                there.insert(number);
            }
        }
        Ok::<_, StoreError>(there)
    });
    found.await.expect("readable")
}

async fn status(test: &TestApp, name: &str) -> Value {
    call(test, "DescribeLifecyclePolicies", json!({ "repositoryName": name })).await["policies"][0].clone()
}

async fn test_app() -> TestApp {
    TestApp::with_files(HashMap::new()).await
}

#[tokio::test]
async fn a_policy_applies_to_what_is_there_and_again_later() {
    let test = test_app().await;
    let id = fill(&test, "app", numbered(12)).await;
    put(&test, "app", &[rule(1, &any(), &since("sinceImagePushed", 8))]).await;
    let never = call(&test, "GetLifecyclePolicy", json!({"repositoryName": "app"})).await;
    assert_eq!(never["lastEvaluatedAt"], json!(0.0));
    background::work_off(&test.app).await;
    // Older than 8 days: those of 9, 10 and 11.
    assert_eq!(remaining(&test, id, 12).await, (3..12).collect());
    let then = call(&test, "GetLifecyclePolicy", json!({"repositoryName": "app"})).await;
    assert_eq!(then["lastEvaluatedAt"], json!(START_MS as f64 / 1000.0));
    let told = status(&test, "app").await;
    assert_eq!((&told["state"], &told["lastRun"]["expiredCount"]), (&json!("IDLE"), &json!(3)));

    // Not before its time, and then by whichever node looks first.
    test.clock.advance_ms(DAY_MS / 2);
    schedule_lifecycle::run(&test.app).await.expect("looks");
    background::work_off(&test.app).await;
    assert_eq!(remaining(&test, id, 12).await, (3..12).collect());
    test.clock.advance_ms(2 * DAY_MS);
    for _ in 0..2 {
        schedule_lifecycle::run(&test.app).await.expect("looks");
    }
    background::work_off(&test.app).await;
    assert_eq!(remaining(&test, id, 12).await, (6..12).collect());
}

#[tokio::test]
async fn a_policy_that_is_gone_does_nothing() {
    let test = test_app().await;
    let id = fill(&test, "app", numbered(5)).await;
    put(&test, "app", &[rule(1, &any(), &keep(1))]).await;
    call(&test, "DeleteLifecyclePolicy", json!({"repositoryName": "app"})).await;
    background::work_off(&test.app).await;
    assert_eq!(remaining(&test, id, 5).await.len(), 5);
    // Of a repository that is deleted nothing is left either.
    put(&test, "app", &[rule(1, &any(), &keep(1))]).await;
    call(&test, "StartLifecyclePolicyPreview", json!({"repositoryName": "app"})).await;
    call(&test, "DeleteRepository", json!({"repositoryName": "app", "force": true})).await;
    background::work_off(&test.app).await;
    call(&test, "CreateRepository", json!({"repositoryName": "app"})).await;
    let (code, _) = try_call(&test, "GetLifecyclePolicy", json!({"repositoryName": "app"})).await.expect_err("none");
    assert_eq!(code, "LifecyclePolicyNotFoundException");
    let input = json!({"repositoryName": "app"});
    let (code, _) = try_call(&test, "GetLifecyclePolicyPreview", input).await.expect_err("none");
    assert_eq!(code, "LifecyclePolicyPreviewNotFoundException");
}

/// The decision as the job makes it, not yet carried out.
async fn decide_only(test: &TestApp, repository_id: i64) {
    let now_ms = test.app.now_ms();
    let begun = test.app.db.write(move |tx| match run::find_work(tx, repository_id, now_ms)? {
        Work::Begin(decision) => run::begin(tx, repository_id, &decision),
        Work::None | Work::GoOn => panic!("there is nothing to begin"),
    });
    assert!(begun.await.expect("stored"));
}

async fn step(test: &TestApp, repository_id: i64) -> Step {
    let (app, now_ms) = (Arc::clone(&test.app), test.app.now_ms());
    let done = test.app.db.write(move |tx| run::do_step(tx, &app, repository_id, now_ms));
    done.await.expect("done").step
}

#[tokio::test]
async fn what_is_kept_may_go_before_the_run_is_done() {
    let test = test_app().await;
    let id = fill(&test, "app", numbered(4)).await;
    put(&test, "app", &[rule(1, &any(), &keep(1))]).await;
    decide_only(&test, id).await;
    // The one that was to be kept: now the next must be.
    let input = json!({"repositoryName": "app", "imageIds": [{"imageTag": "v3"}]});
    call(&test, "BatchDeleteImage", input).await;
    assert_eq!(step(&test, id).await, Step::Overtaken);
    background::work_off(&test.app).await;
    assert_eq!(remaining(&test, id, 4).await, BTreeSet::from([2]));
}

#[tokio::test]
async fn what_is_tagged_again_is_judged_again() {
    let test = test_app().await;
    let id = fill(&test, "app", numbered(4)).await;
    let tagged = json!({"tagStatus": "tagged", "tagPrefixList": ["keep"]});
    put(&test, "app", &[rule(1, &tagged, &keep(10)), rule(2, &any(), &keep(1))]).await;
    decide_only(&test, id).await;
    let written = test.app.db.write(move |tx| {
        let image = images::find(tx, id, &digest(0))?.expect("there");
        image_tags::move_to(tx, id, &"keep-me".parse().expect("a tag"), image.id, START_MS)?;
        lifecycle_changes::note(tx, id, &digest(0))
    });
    written.await.expect("stored");
    assert_eq!(step(&test, id).await, Step::Overtaken);
    background::work_off(&test.app).await;
    assert_eq!(remaining(&test, id, 4).await, BTreeSet::from([0, 3]));
}

#[tokio::test]
async fn what_is_pulled_or_referred_to_meanwhile_stays() {
    let test = test_app().await;
    let old = |number| TestImage { number, age_days: 50, ..TestImage::default() };
    let id = fill(&test, "app", (0..3).map(old).collect()).await;
    put(&test, "app", &[rule(1, &any(), &since("sinceImagePulled", 10))]).await;
    decide_only(&test, id).await;
    let image = test.app.db.read(move |tx| images::find(tx, id, &digest(1))).await.expect("readable").expect("there");
    test.app.pull_times.record(image.id, test.app.now_ms());
    background::work_off(&test.app).await;
    assert_eq!(remaining(&test, id, 3).await, BTreeSet::from([1]));

    // A new list names an image, and a new referrer comes to another, after the decision.
    let id = fill(&test, "lists", (10..13).map(old).collect()).await;
    put(&test, "lists", &[rule(1, &json!({"tagStatus": "untagged"}), &since("sinceImagePushed", 10))]).await;
    decide_only(&test, id).await;
    let list = TestImage { number: 20, tags: vec!["list".to_owned()], children: vec![10], ..TestImage::default() };
    let referrer = TestImage { number: 21, subject: Some(11), ..TestImage::default() };
    let written = test.app.db.write(move |tx| {
        insert(tx, id, &list)?;
        insert(tx, id, &referrer)
    });
    written.await.expect("stored");
    assert_eq!(step(&test, id).await, Step::Overtaken);
    background::work_off(&test.app).await;
    // The referrer went with its subject, as it was there when that was decided anew.
    assert_eq!(remaining(&test, id, 30).await, BTreeSet::from([10, 20]));
    let told = status(&test, "lists").await;
    assert_eq!(told["lastRun"]["failures"][0]["failureCode"], json!("ImageReferencedByManifestList"));
}

/// A run that is cut off after any number of steps ends as one that is not, although what it has deleted already would
/// count if it decided anew: the young list is one of those that a later rule keeps.
#[tokio::test]
async fn a_run_that_was_cut_off_goes_on() {
    let test = test_app().await;
    let images = |first: u64| -> Vec<TestImage> {
        let mut all: Vec<TestImage> =
            (first..first + 250).map(|number| TestImage { number, age_days: 9, ..TestImage::default() }).collect();
        let children = (first..first + 250).collect();
        all.push(TestImage {
            number: first + 250,
            tags: vec!["v".to_owned()],
            age_days: 5,
            children,
            ..TestImage::default()
        });
        all
    };
    let tagged = json!({"tagStatus": "tagged", "tagPrefixList": ["v"]});
    let rules = [rule(1, &tagged, &since("sinceImagePushed", 3)), rule(2, &any(), &keep(1))];
    for cut_after in 0..4 {
        let name = format!("app-{cut_after}");
        let first = cut_after * 1000;
        let id = fill(&test, &name, images(first)).await;
        put(&test, &name, &rules).await;
        decide_only(&test, id).await;
        for _ in 0..cut_after {
            assert_eq!(step(&test, id).await, Step::Done);
        }
        background::work_off(&test.app).await;
        assert_eq!(remaining(&test, id, first + 251).await.len(), 0, "cut off after {cut_after} steps");
        assert_eq!(status(&test, &name).await["lastRun"]["expiredCount"], json!(251));
        let left = test.app.db.read(move |tx| lifecycle_runs::find(tx, id)).await.expect("readable");
        assert_eq!(left, None);
    }
}

#[tokio::test]
async fn another_policy_takes_over_at_once() {
    let test = test_app().await;
    let id = fill(&test, "app", numbered(5)).await;
    put(&test, "app", &[rule(1, &any(), &keep(1))]).await;
    decide_only(&test, id).await;
    put(&test, "app", &[rule(1, &any(), &keep(4))]).await;
    background::work_off(&test.app).await;
    assert_eq!(remaining(&test, id, 5).await, (1..5).collect());
}

#[tokio::test]
async fn protected_images_stay_and_are_reported() {
    let test = test_app().await;
    let id = fill(&test, "app", numbered(4)).await;
    call(&test, "PutDeletionProtection", json!({"repositoryName": "app", "imageTagPattern": "v1"})).await;
    let policy_text = policy(&[rule(1, &any(), &keep(1))]);
    let input = json!({"repositoryName": "app", "lifecyclePolicyText": policy_text});
    call(&test, "StartLifecyclePolicyPreview", input.clone()).await;
    background::work_off(&test.app).await;
    let preview = call(&test, "GetLifecyclePolicyPreview", json!({"repositoryName": "app"})).await;
    assert_eq!(preview["summary"]["expiringImageTotalCount"], json!(2));
    call(&test, "PutLifecyclePolicy", input).await;
    let planned = call(&test, "DryRunLifecyclePolicy", json!({"repositoryName": "app"})).await;
    assert_eq!((&planned["expiringCount"], &planned["failureCount"]), (&json!(2), &json!(1)));
    background::work_off(&test.app).await;
    assert_eq!(remaining(&test, id, 4).await, BTreeSet::from([1, 3]));
    let failure = status(&test, "app").await["lastRun"]["failures"][0].clone();
    assert_eq!(failure["failureCode"], json!("ImageProtected"));
    assert!(failure["failureReason"].as_str().expect("text").contains("wharf unprotect"), "{failure}");
}

#[tokio::test]
async fn root_images_alone_can_be_counted() {
    let test = test_app().await;
    // Three releases of a list and two images each.
    let mut all = Vec::new();
    for release in 0..3 {
        let number = release * 3;
        let age_days = 10 - release as i64;
        all.push(TestImage { number, age_days, ..TestImage::default() });
        all.push(TestImage { number: number + 1, age_days, ..TestImage::default() });
        let children = vec![number, number + 1];
        all.push(TestImage {
            number: number + 2,
            age_days,
            tags: vec![format!("r{release}")],
            children,
            ..TestImage::default()
        });
    }
    let id = fill(&test, "app", all).await;
    call(&test, "PutLifecycleSettings", json!({"repositoryName": "app", "countRootImages": true})).await;
    put(&test, "app", &[rule(1, &any(), &keep(2))]).await;
    background::work_off(&test.app).await;
    // The oldest list is gone; its images are roots now, and more than two.
    assert_eq!(remaining(&test, id, 9).await, (0..9).filter(|number| *number != 2).collect());
    call(&test, "RunLifecyclePolicy", json!({"repositoryName": "app"})).await;
    background::work_off(&test.app).await;
    assert_eq!(remaining(&test, id, 9).await, (3..9).collect());
    assert_eq!(status(&test, "app").await["countRootImages"], json!(true));
}

#[tokio::test]
async fn previews() {
    let test = test_app().await;
    let mut all = numbered(230);
    for image in &mut all {
        image.age_days += 5;
    }
    let id = fill(&test, "app", all).await;
    let policy_text = policy(&[rule(1, &any(), &keep(10))]);
    let start = json!({"repositoryName": "app", "lifecyclePolicyText": policy_text});
    let started = call(&test, "StartLifecyclePolicyPreview", start.clone()).await;
    assert_eq!((&started["status"], &started["lifecyclePolicyText"]), (&json!("IN_PROGRESS"), &json!(policy_text)));
    let (code, _) = try_call(&test, "StartLifecyclePolicyPreview", start.clone()).await.expect_err("one runs");
    assert_eq!(code, "LifecyclePolicyPreviewInProgressException");
    let get = |more: Value| {
        let mut input = json!({"repositoryName": "app"});
        input.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        call(&test, "GetLifecyclePolicyPreview", input)
    };
    let early = get(json!({})).await;
    assert_eq!((&early["status"], &early["previewResults"]), (&json!("IN_PROGRESS"), &json!([])));
    background::work_off(&test.app).await;
    let mut digests = Vec::new();
    let mut token = json!({"maxResults": 70});
    loop {
        let page = get(token).await;
        assert_eq!(page["status"], json!("COMPLETE"));
        assert_eq!(page["summary"], json!({"expiringImageTotalCount": 220}));
        for result in page["previewResults"].as_array().expect("a list") {
            assert_eq!((&result["action"], &result["storageClass"]), (&json!({"type": "EXPIRE"}), &json!("STANDARD")));
            digests.push(result["imageDigest"].as_str().expect("text").to_owned());
        }
        match page.get("nextToken") {
            Some(next) => token = json!({"maxResults": 70, "nextToken": next}),
            None => break,
        }
    }
    let expected: Vec<String> = (0..220).map(|number| digest(number).to_string()).collect();
    assert_eq!(digests, expected, "the oldest first");
    let some = json!({"imageIds": [{"imageTag": "v3"}, {"imageDigest": digest(1).to_string()}, {"imageTag": "v225"}]});
    let found = get(some).await["previewResults"].clone();
    let tags: Vec<&Value> = found.as_array().expect("a list").iter().map(|result| &result["imageTags"]).collect();
    assert_eq!(tags, [&json!(["v1"]), &json!(["v3"])]);
    assert_eq!(get(json!({"filter": {"tagStatus": "UNTAGGED"}})).await["previewResults"], json!([]));
    // The results can be had for a day, and are gone from storage a little later.
    test.clock.advance_ms(DAY_MS);
    assert_eq!(get(json!({})).await["status"], json!("EXPIRED"));
    schedule_lifecycle::run(&test.app).await.expect("looks");
    let expired = get(json!({})).await;
    assert_eq!((&expired["status"], &expired["previewResults"]), (&json!("EXPIRED"), &json!([])));
    assert_eq!(remaining(&test, id, 230).await.len(), 230, "a preview deletes nothing");
    // And another one can be made.
    call(&test, "StartLifecyclePolicyPreview", start).await;
    background::work_off(&test.app).await;
    assert_eq!(get(json!({})).await["summary"]["expiringImageTotalCount"], json!(220));
}

/// Changes of what matters are counted where a policy is, and nowhere else.
#[tokio::test]
async fn only_what_may_matter_counts_as_a_change() {
    let test = test_app().await;
    let id = fill(&test, "app", numbered(3)).await;
    let count = || test.app.db.read(move |tx| lifecycle_changes::count(tx, id));
    let delete = |tag: &str| json!({"repositoryName": "app", "imageIds": [{"imageTag": tag}]});
    call(&test, "BatchDeleteImage", delete("v0")).await;
    assert_eq!(count().await.expect("readable"), 0);
    put(&test, "app", &[rule(1, &any(), &keep(1))]).await;
    call(&test, "BatchDeleteImage", delete("v1")).await;
    assert_eq!(count().await.expect("readable"), 1);
    let stored = test.app.db.read(move |tx| lifecycle_policies::find(tx, id)).await.expect("readable");
    assert_eq!(stored.expect("a policy").last_evaluated_at_ms, 0);
}

/// An image that a rule archives takes its referrer along; what stays in the archive for long goes for good.
#[tokio::test]
async fn transitions_archive_and_later_rules_expire() {
    let test = test_app().await;
    let mut all = numbered(3);
    all.push(TestImage { number: 3, subject: Some(0), age_days: 1, ..TestImage::default() });
    let id = fill(&test, "app", all).await;
    let mut archive = rule(1, &any(), &since("sinceImagePulled", 1));
    archive["action"] = json!({"type": "transition", "targetStorageClass": "archive"});
    let mut expire = rule(2, &any(), &since("sinceImageTransitioned", 90));
    expire["selection"]["storageClass"] = json!("archive");
    let rules = [archive, expire];
    let input = json!({"repositoryName": "app", "lifecyclePolicyText": policy(&rules)});
    call(&test, "StartLifecyclePolicyPreview", input).await;
    background::work_off(&test.app).await;
    let preview = call(&test, "GetLifecyclePolicyPreview", json!({"repositoryName": "app"})).await;
    let counts = json!([{"targetStorageClass": "ARCHIVE", "imageTotalCount": 2}]);
    assert_eq!(preview["summary"]["transitioningImageTotalCounts"], counts);
    put(&test, "app", &rules).await;
    background::work_off(&test.app).await;
    let archived = || async {
        let all = statuses(&test, id).await.into_iter();
        all.filter(|(_, status)| *status == ImageStatus::Archived).map(|(digest, _)| digest).collect::<BTreeSet<_>>()
    };
    assert_eq!(archived().await, BTreeSet::from([0, 3].map(|number| digest(number).to_string())));
    assert_eq!(status(&test, "app").await["lastRun"]["archivedCount"], json!(2));
    test.clock.advance_ms(91 * DAY_MS);
    schedule_lifecycle::run(&test.app).await.expect("looks");
    background::work_off(&test.app).await;
    // The two that were archived are gone, and the others are in the archive now.
    assert_eq!(remaining(&test, id, 4).await, BTreeSet::from([1, 2]));
    assert_eq!(archived().await, BTreeSet::from([1, 2].map(|number| digest(number).to_string())));
}

/// What cannot be done after all is counted and named, nothing else waits for it, and the run ends.
#[tokio::test]
async fn what_is_refused_when_it_is_done_is_reported() {
    let test = test_app().await;
    let id = fill(&test, "app", numbered(4)).await;
    let mut archive = rule(1, &any(), &keep(1));
    archive["action"] = json!({"type": "transition", "targetStorageClass": "archive"});
    put(&test, "app", &[archive]).await;
    decide_only(&test, id).await;
    // Nothing else can change it without saying so.
    let changed = test.app.db.write(move |tx| {
        let image = images::find(tx, id, &digest(1))?.expect("there");
        images::set_status(tx, image.id, ImageStatus::Activating, START_MS)
    });
    changed.await.expect("stored");
    background::work_off(&test.app).await;
    let run = status(&test, "app").await["lastRun"].clone();
    assert_eq!((&run["archivedCount"], &run["failureCount"]), (&json!(2), &json!(1)));
    let failure = &run["failures"][0];
    assert_eq!(failure["imageDigest"], json!(digest(1).to_string()));
    assert_eq!(failure["failureCode"], json!("ImageStorageClassUpdateNotSupported"));
    assert!(failure["failureReason"].as_str().expect("text").contains("being restored"), "{failure}");
    assert_eq!(status(&test, "app").await["state"], json!("IDLE"));

    // So is what is protected after the decision.
    let id = fill(&test, "kept", numbered(4)).await;
    put(&test, "kept", &[rule(1, &any(), &keep(1))]).await;
    decide_only(&test, id).await;
    call(&test, "PutDeletionProtection", json!({"repositoryName": "kept", "imageTagPattern": "v1"})).await;
    background::work_off(&test.app).await;
    assert_eq!(remaining(&test, id, 4).await, BTreeSet::from([1, 3]));
    let run = status(&test, "kept").await["lastRun"].clone();
    assert_eq!((&run["expiredCount"], &run["failureCount"]), (&json!(2), &json!(1)));
    assert_eq!(run["failures"][0]["failureCode"], json!("ImageProtected"));
}
