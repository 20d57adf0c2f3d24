//! Whatever is in a repository: a preview shows exactly what the run does.

use std::collections::{BTreeSet, HashMap};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};

use super::lifecycle::{TestImage, call, digest, fill, keep, policy, remaining, rule, since};
use super::test_app::TestApp;
use crate::jobs::worker;

const IMAGES: u64 = 14;

/// Images whose lists and subjects are such as came before them.
fn images() -> impl Strategy<Value = Vec<TestImage>> {
    let image = (
        proptest::collection::vec(0..6_usize, 0..3),
        0..12_i64,
        proptest::option::of(0..12_i64),
        proptest::collection::vec(any::<prop::sample::Index>(), 0..3),
        any::<prop::sample::Index>(),
        0..10_u8,
    );
    proptest::collection::vec(image, 1..IMAGES as usize).prop_map(|drafts| {
        let words = ["v", "dev-", "prod-", "a", "b", "latest"];
        let mut images = Vec::new();
        for (number, (tags, age_days, pulled_days_ago, children, subject, kind)) in (0..).zip(drafts) {
            let before = |index: prop::sample::Index| index.index(number as usize) as u64;
            let tags: BTreeSet<String> = tags.into_iter().map(|at| format!("{}{number}", words[at])).collect();
            images.push(TestImage {
                number,
                tags: tags.into_iter().collect(),
                age_days,
                pulled_days_ago,
                children: if number > 0 && kind < 3 {
                    children.into_iter().map(before).collect::<BTreeSet<u64>>().into_iter().collect()
                } else {
                    Vec::new()
                },
                subject: (number > 0 && kind == 4).then(|| before(subject)),
            });
        }
        images
    })
}

fn rules() -> impl Strategy<Value = Vec<Value>> {
    let count = prop_oneof![
        (1..5_i64).prop_map(keep),
        (1..10_i64).prop_map(|days| since("sinceImagePushed", days)),
        (1..10_i64).prop_map(|days| since("sinceImagePulled", days)),
    ];
    let lists: Vec<Value> = vec![
        json!({"tagStatus": "tagged", "tagPrefixList": ["v"]}),
        json!({"tagStatus": "tagged", "tagPrefixList": ["dev-"]}),
        json!({"tagStatus": "tagged", "tagPatternList": ["*"]}),
        json!({"tagStatus": "tagged", "tagPatternList": ["a*", "b*"]}),
        json!({"tagStatus": "untagged"}),
    ];
    (proptest::sample::subsequence(lists, 0..=4), any::<bool>(), proptest::collection::vec(count, 5)).prop_map(
        |(mut lists, with_any, counts)| {
            if with_any || lists.is_empty() {
                lists.push(json!({"tagStatus": "any"}));
            }
            (1..).zip(lists.iter().zip(&counts)).map(|(priority, (list, count))| rule(priority, list, count)).collect()
        },
    )
}

/// The digests of a preview, over all pages.
async fn previewed(test: &TestApp, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut input = json!({"repositoryName": name, "maxResults": 3});
    loop {
        let page = call(test, "GetLifecyclePolicyPreview", input.clone()).await;
        let results = page["previewResults"].as_array().expect("a list");
        found.extend(results.iter().map(|result| result["imageDigest"].as_str().expect("text").to_owned()));
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => return found,
        }
    }
}

async fn check(test: &TestApp, name: &str, images: Vec<TestImage>, rules: &[Value], is_root: bool, protect: u64) {
    let all: BTreeSet<u64> = images.iter().map(|image| image.number).collect();
    let id = fill(test, name, images).await;
    call(test, "PutLifecycleSettings", json!({"repositoryName": name, "countRootImages": is_root})).await;
    if all.contains(&protect) {
        let target = json!({"repositoryName": name, "imageDigest": digest(protect).to_string()});
        call(test, "PutDeletionProtection", target).await;
    }
    let input = json!({"repositoryName": name, "lifecyclePolicyText": policy(rules)});
    call(test, "StartLifecyclePolicyPreview", input.clone()).await;
    worker::work_off(&test.app).await;
    let previewed = previewed(test, name).await;
    call(test, "PutLifecyclePolicy", input).await;
    worker::work_off(&test.app).await;
    let left = remaining(test, id, IMAGES).await;
    let gone: BTreeSet<String> = all.difference(&left).map(|number| digest(*number).to_string()).collect();
    assert_eq!(previewed, gone);
    assert!(!all.contains(&protect) || left.contains(&protect), "the protected image is gone");
}

#[test]
fn a_preview_equals_what_the_run_does() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let test = runtime.block_on(TestApp::with_files(HashMap::new()));
    let mut runner = TestRunner::new(Config { cases: 128, failure_persistence: None, ..Config::default() });
    let number = std::cell::Cell::new(0);
    let cases = (images(), rules(), any::<bool>(), 0..2 * IMAGES);
    let result = runner.run(&cases, |(images, rules, is_root, protect)| {
        number.set(number.get() + 1);
        let name = format!("case-{}", number.get());
        runtime.block_on(check(&test, &name, images, &rules, is_root, protect));
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
}
