//! Large repositories.

use lifecycle::{Image, LifecyclePolicy, Options, Plan, StorageClass, decide};

use crate::support::{DAY_MS, NOW_MS, policy};

struct Names {
    digests: Vec<String>,
    tags: Vec<String>,
}

impl Names {
    fn new(count: usize) -> Self {
        Self {
            digests: (0..count).map(|n| format!("sha256:{n:064x}")).collect(),
            tags: (0..count).map(|n| format!("team{}-build-{n}-release", n % 60)).collect(),
        }
    }
}

/// Four in ten are lists, each naming the next image, which is untagged and has the one after as its referrer.
fn images(names: &Names) -> Vec<Image<'_>> {
    let image = |n: usize| {
        let before = || names.digests[n - 1].as_str();
        Image {
            digest: &names.digests[n],
            tags: if n % 5 == 1 || n % 5 == 2 { Vec::new() } else { vec![&names.tags[n], "x", "latest-of-its-kind"] },
            pushed_at_ms: NOW_MS - (n as i64 * 7919 % 400) * DAY_MS,
            last_pulled_at_ms: None,
            last_activated_at_ms: None,
            last_archived_at_ms: None,
            storage_class: StorageClass::Standard,
            parents: if n % 5 == 1 { vec![before()] } else { Vec::new() },
            subject: (n % 5 == 2).then(before),
        }
    };
    (0..names.digests.len()).map(image).collect()
}

/// Fifty rules that each look at every image.
fn fifty_rules() -> LifecyclePolicy {
    let rules: Vec<String> = (1..=48).map(|n| format!("{n} team{n}-*build*-*e*,*-release keep 5000")).collect();
    policy(&format!("{};49 untagged pushed 100;50 any pushed 300", rules.join(";")))
}

/// What a plan is about, however many images there are.
fn check(images: &[Image<'_>], plan: &Plan) {
    assert!(plan.actions.len() > images.len() / 50, "{} actions", plan.actions.len());
    assert!(plan.failures.len() > images.len() / 50, "{} failures", plan.failures.len());
}

#[test]
fn many_images_and_rules() {
    let names = Names::new(10_000);
    let images = images(&names);
    check(&images, &decide(&images, &fifty_rules(), &Options::default(), NOW_MS));
}

/// `cargo test --release -p lifecycle -- --ignored --nocapture a_hundred_thousand`
#[test]
#[ignore = "a measurement"]
fn a_hundred_thousand_images_by_fifty_rules() {
    let names = Names::new(100_000);
    let images = images(&names);
    let policy = fifty_rules();
    for _ in 0..3 {
        let start = std::time::Instant::now();
        let plan = decide(&images, &policy, &Options::default(), NOW_MS);
        println!("{:?}: {} actions, {} failures", start.elapsed(), plan.actions.len(), plan.failures.len());
        check(&images, &plan);
    }
}

/// A list of 50,000 images, and 50,000 lists of one: neither may cost more than its links.
#[test]
fn stars_of_lists_are_settled_in_one_go() {
    let names = Names::new(50_001);
    let mut all = images(&names);
    for image in &mut all {
        image.subject = None;
        image.parents.clear();
    }
    let mut narrow = all.clone();
    for image in &mut all[1..] {
        image.parents = vec![&names.digests[0]];
    }
    narrow[0].parents = names.digests[1..].iter().map(String::as_str).collect();
    narrow[0].pushed_at_ms = 0;
    let policy = policy("1 any pushed 1");
    let plan = decide(&narrow, &policy, &Options::default(), NOW_MS);
    // Those pushed today stay, and hold what they name.
    assert_eq!(plan.failures.len(), 1);
    let plan = decide(&all, &policy, &Options::default(), NOW_MS);
    assert_eq!(plan.actions.len(), 0, "the list was pushed today");
    all[0].pushed_at_ms = 0;
    assert!(decide(&all, &policy, &Options::default(), NOW_MS).actions.len() > 49_000);
}

/// Patterns that make a matcher which tries everything again and again take forever.
#[test]
fn patterns_are_linear() {
    let tag = "a".repeat(100_000);
    for pattern in ["*a*a*a*b", "*ab*ab*ab*", "a*a*a*a*b", "*aaaaaaaaaab*"] {
        assert!(!lifecycle::TagPattern::new(pattern).expect("few wildcards").matches(&tag), "{pattern}");
    }
}
