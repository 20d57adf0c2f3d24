//! Whatever is in a repository: a preview shows exactly what the run does.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value, json};
use store::tables::images::ImageStatus;
use upkeep::background;

use super::lifecycle::{TestImage, call, digest, fill, keep, policy, rule, since, statuses};
use super::test_app::TestApp;

const IMAGES: u64 = 14;

/// Images whose lists and subjects are such as came before them, some of them archived or on their way back.
fn images() -> impl Strategy<Value = Vec<TestImage>> {
    let turned = (
        prop_oneof![Just(ImageStatus::Archived), Just(ImageStatus::Activating), Just(ImageStatus::Active)],
        prop_oneof![0..12_i64, 85..95_i64],
    );
    let image = (
        proptest::collection::vec(0..6_usize, 0..3),
        0..12_i64,
        proptest::option::of(0..12_i64),
        proptest::collection::vec(any::<prop::sample::Index>(), 0..3),
        any::<prop::sample::Index>(),
        0..10_u8,
        proptest::option::of(turned),
    );
    proptest::collection::vec(image, 1..IMAGES as usize).prop_map(|drafts| {
        let words = ["v", "dev-", "prod-", "a", "b", "latest"];
        let mut images = Vec::new();
        for (number, (tags, age_days, pulled_days_ago, children, subject, kind, turned)) in (0..).zip(drafts) {
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
                subject: (number > 0 && matches!(kind, 3 | 4)).then(|| before(subject)),
                turned,
            });
        }
        settle(&mut images);
        images
    })
}

/// Makes statuses such as can be: what a list names is archived after the list and comes back with it, and a referrer is
/// archived after its subject.
fn settle(images: &mut [TestImage]) {
    let status = |image: &TestImage| image.turned.map_or(ImageStatus::Active, |(status, _)| status);
    loop {
        let before: Vec<ImageStatus> = images.iter().map(status).collect();
        let of = |number: u64| before[number as usize];
        let lists: Vec<Vec<u64>> = images
            .iter()
            .map(|image| images.iter().filter(|list| list.children.contains(&image.number)).map(|list| list.number))
            .map(Iterator::collect)
            .collect();
        for (image, lists) in images.iter_mut().zip(lists) {
            let is_possible = match of(image.number) {
                ImageStatus::Active => true,
                ImageStatus::Activating => lists.iter().all(|list| of(*list) != ImageStatus::Active),
                ImageStatus::Archived => {
                    lists.iter().chain(&image.subject).all(|holder| of(*holder) == ImageStatus::Archived)
                }
            };
            if !is_possible {
                image.turned = None;
            }
        }
        if images.iter().map(status).eq(before) {
            return;
        }
    }
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
    let counted = (count, any::<bool>());
    let standard = (proptest::sample::subsequence(lists.clone(), 0..=4), any::<bool>());
    let archive = proptest::sample::subsequence([lists, vec![json!({"tagStatus": "any"})]].concat(), 0..=2);
    (standard, proptest::collection::vec(counted, 5), archive, 90..92_i64).prop_map(
        |((mut lists, with_any), counts, archive, days)| {
            if with_any || lists.is_empty() {
                lists.push(json!({"tagStatus": "any"}));
            }
            let mut rules = Vec::new();
            for (list, (count, is_transition)) in lists.iter().zip(&counts) {
                let mut rule = rule(rules.len() as i64 + 1, list, count);
                if *is_transition {
                    rule["action"] = json!({"type": "transition", "targetStorageClass": "archive"});
                }
                rules.push(rule);
            }
            for list in archive {
                let mut rule = rule(rules.len() as i64 + 1, &list, &since("sinceImageTransitioned", days));
                rule["selection"]["storageClass"] = json!("archive");
                rules.push(rule);
            }
            rules
        },
    )
}

/// The digests of a preview over all pages, each with its action.
async fn previewed(test: &TestApp, name: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut input = json!({"repositoryName": name, "maxResults": 3});
    loop {
        let page = call(test, "GetLifecyclePolicyPreview", input.clone()).await;
        for result in page["previewResults"].as_array().expect("a list") {
            let member = |value: &Value| value.as_str().expect("text").to_owned();
            found.insert(member(&result["imageDigest"]), member(&result["action"]["type"]));
        }
        match page.get("nextToken") {
            Some(token) => input["nextToken"] = token.clone(),
            None => return found,
        }
    }
}

async fn check(
    test: &TestApp,
    name: &str,
    images: Vec<TestImage>,
    rules: &[Value],
    is_root: bool,
    protect: u64,
) -> Seen {
    let count = images.len() as u64;
    let id = fill(test, name, images).await;
    call(test, "PutLifecycleSettings", json!({"repositoryName": name, "countRootImages": is_root})).await;
    if protect < count {
        let target = json!({"repositoryName": name, "imageDigest": digest(protect).to_string()});
        call(test, "PutDeletionProtection", target).await;
    }
    let before = statuses(test, id).await;
    let input = json!({"repositoryName": name, "lifecyclePolicyText": policy(rules)});
    call(test, "StartLifecyclePolicyPreview", input.clone()).await;
    background::work_off(&test.app).await;
    let previewed = previewed(test, name).await;
    call(test, "PutLifecyclePolicy", input).await;
    background::work_off(&test.app).await;
    let after = statuses(test, id).await;
    let done: BTreeMap<String, String> = before
        .iter()
        .filter_map(|(digest, was)| match after.get(digest) {
            None => Some((digest.clone(), "EXPIRE".to_owned())),
            Some(ImageStatus::Archived) if *was != ImageStatus::Archived => {
                Some((digest.clone(), "TRANSITION".to_owned()))
            }
            Some(is) => {
                assert_eq!(is, was, "{digest}");
                None
            }
        })
        .collect();
    assert_eq!(previewed, done);
    assert!(protect >= count || after.contains_key(&digest(protect).to_string()), "the protected image is gone");
    let run = call(test, "DescribeLifecyclePolicies", json!({"repositoryName": name})).await["policies"][0].clone();
    let done_count = |action: &str| done.values().filter(|done| *done == action).count();
    assert_eq!(run["lastRun"]["expiredCount"], json!(done_count("EXPIRE")));
    assert_eq!(run["lastRun"]["archivedCount"], json!(done_count("TRANSITION")));
    let was_archived = |digest: &String| before.get(digest) == Some(&ImageStatus::Archived);
    Seen {
        transitions: done_count("TRANSITION"),
        expired_from_archive: done.keys().filter(|digest| was_archived(digest)).count(),
        failures: run["lastRun"]["failureCount"].as_u64().expect("a number") as usize,
    }
}

/// That the cases hold what they are for.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    transitions: usize,
    expired_from_archive: usize,
    failures: usize,
}

#[test]
fn a_preview_equals_what_the_run_does() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let test = runtime.block_on(TestApp::with_files(HashMap::new()));
    let mut runner = TestRunner::new(Config { cases: 128, failure_persistence: None, ..Config::default() });
    let number = std::cell::Cell::new(0);
    let seen = std::cell::Cell::new(Seen::default());
    let cases = (images(), rules(), any::<bool>(), 0..2 * IMAGES);
    let result = runner.run(&cases, |(images, rules, is_root, protect)| {
        number.set(number.get() + 1);
        let name = format!("case-{}", number.get());
        let one = runtime.block_on(check(&test, &name, images, &rules, is_root, protect));
        let Seen { transitions, expired_from_archive, failures } = seen.get();
        seen.set(Seen {
            transitions: transitions + one.transitions,
            expired_from_archive: expired_from_archive + one.expired_from_archive,
            failures: failures + one.failures,
        });
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    let Seen { transitions, expired_from_archive, failures } = seen.get();
    assert!(transitions > 0 && expired_from_archive > 0 && failures > 0, "{:?}", seen.get());
}
