//! What holds for every policy and repository.

use std::collections::{BTreeSet, HashMap};

use lifecycle::{Action, Count, Image, LifecyclePolicy, Options, Plan, StorageClass, TagPattern, decide};
use proptest::prelude::*;
use proptest::sample::select;

use crate::model;
use crate::support::{DAY_MS, NOW_MS, rule};

/// An image without borrowed texts: relations are numbers of other images, taken modulo their count.
#[derive(Clone, Debug)]
struct Made {
    tags: Vec<&'static str>,
    pushed: i64,
    pulled: Option<i64>,
    restored: Option<i64>,
    archived: Option<i64>,
    is_archived: bool,
    parents: Vec<usize>,
    subject: Option<usize>,
}

const TAGS: &[&str] = &["a", "b", "a-1", "a-2", "b-1", "v1", "v1-rc", "ab"];

/// Few different ages around few different limits, so that equal ones and exact ones are common.
fn age() -> impl Strategy<Value = i64> {
    (select(&[0, 1, 2, 3, 5, 30, 89, 90, 91, 200][..]), -1..=1_i64).prop_map(|(days, ms)| days * DAY_MS + ms)
}

fn made() -> impl Strategy<Value = Made> {
    let rarely = |strategy: BoxedStrategy<i64>| prop::option::weighted(0.3, strategy);
    (
        prop::collection::vec(select(TAGS), 0..3),
        age(),
        rarely(age().boxed()),
        rarely(age().boxed()),
        prop::option::weighted(0.9, age()),
        prop::bool::weighted(0.25),
        prop_oneof![3 => Just(Vec::new()), 1 => prop::collection::vec(0..14_usize, 1..4)],
        prop::option::weighted(0.2, 0..14_usize),
    )
        .prop_map(|(tags, pushed, pulled, restored, archived, is_archived, parents, subject)| Made {
            tags,
            pushed,
            pulled,
            restored,
            archived,
            is_archived,
            parents,
            subject,
        })
}

const DIGESTS: &[&str] = &["A", "B", "C", "D", "E", "F", "G", "H", "I", "J", "K", "L", "M", "N"];

/// Images of which the lists and subjects are any others, even themselves, or absent.
fn images(made: &[Made]) -> Vec<Image<'static>> {
    let image = |(index, made): (usize, &Made)| Image {
        digest: DIGESTS[index],
        tags: made.tags.clone(),
        pushed_at_ms: NOW_MS - made.pushed,
        last_pulled_at_ms: made.pulled.map(|age| NOW_MS - age),
        last_activated_at_ms: made.restored.map(|age| NOW_MS - age),
        last_archived_at_ms: made.archived.map(|age| NOW_MS - age),
        storage_class: if made.is_archived { StorageClass::Archive } else { StorageClass::Standard },
        parents: made.parents.iter().map(|&parent| DIGESTS[parent]).collect(),
        subject: made.subject.map(|subject| DIGESTS[subject]),
    };
    made.iter().enumerate().map(image).collect()
}

fn repository() -> impl Strategy<Value = Vec<Image<'static>>> {
    prop::collection::vec(made(), 0..14).prop_map(|made| images(&made))
}

/// Images of which each list and subject was made before: digests make no circles.
fn orderly_repository() -> impl Strategy<Value = Vec<Image<'static>>> {
    prop::collection::vec(made(), 0..14).prop_map(|mut made| {
        for (index, image) in made.iter_mut().enumerate() {
            image.parents.retain(|parent| *parent < index);
            image.subject = image.subject.filter(|subject| *subject < index);
        }
        images(&made)
    })
}

fn one_rule() -> impl Strategy<Value = String> {
    let tags = select(&["any", "untagged", "*", "a*", "b*", "a*,b*", "^a", "^a,^v", "*-*", "v*rc", "*1*", "a"][..]);
    let how = select(
        &[
            "keep 1",
            "keep 2",
            "keep 4",
            "pushed 1",
            "pushed 3",
            "pushed 30",
            "pulled 2",
            "pulled 30",
            "transitioned 90",
            "transitioned 91",
            "keep 2 archive",
            "pushed 2 archive",
            "pulled 3 archive",
        ][..],
    );
    (tags, how).prop_map(|(tags, how)| format!("{tags} {how}"))
}

/// Rules that make a valid policy: what does not fit is left out.
fn policy() -> impl Strategy<Value = LifecyclePolicy> {
    prop::collection::vec((1..60_u8, one_rule()), 1..7).prop_map(|numbered| {
        let mut rules: Vec<String> = Vec::new();
        for (priority, text) in numbered {
            rules.push(rule(&format!("{priority} {text}")));
            if parse(&rules).is_none() {
                rules.pop();
            }
        }
        parse(&rules).expect("checked above")
    })
}

fn parse(rules: &[String]) -> Option<LifecyclePolicy> {
    let options = Options { allow_expire_since_pulled: true, ..Options::default() };
    LifecyclePolicy::parse_with(&format!(r#"{{"rules":[{}]}}"#, rules.join(",")), &options).ok()
}

fn options() -> impl Strategy<Value = Options> {
    any::<bool>().prop_map(|select_root_images_only| Options { select_root_images_only, ..Options::default() })
}

/// The plan by digests, for images in another order.
fn by_digest(images: &[Image<'_>], plan: &Plan) -> String {
    crate::support::print(images, plan)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_model_makes_the_same_plan(images in repository(), policy in policy(), options in options()) {
        prop_assert_eq!(decide(&images, &policy, &options, NOW_MS), model::decide(&images, policy.rules(), options, NOW_MS));
    }

    #[test]
    fn the_model_makes_the_same_plan_without_circles(images in orderly_repository(), policy in policy(), options in options()) {
        prop_assert_eq!(decide(&images, &policy, &options, NOW_MS), model::decide(&images, policy.rules(), options, NOW_MS));
    }

    #[test]
    fn the_order_of_images_never_matters(images in repository(), policy in policy(), options in options(), seed in any::<u64>()) {
        let mut shuffled = images.clone();
        let mut state = seed;
        for index in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            shuffled.swap(index, (state >> 33) as usize % (index + 1));
        }
        let (before, after) = (decide(&images, &policy, &options, NOW_MS), decide(&shuffled, &policy, &options, NOW_MS));
        prop_assert_eq!(by_digest(&images, &before), by_digest(&shuffled, &after));
    }

    #[test]
    fn an_image_is_acted_on_at_most_once(images in repository(), policy in policy(), options in options()) {
        let plan = decide(&images, &policy, &options, NOW_MS);
        let named: Vec<usize> =
            plan.actions.iter().map(|planned| planned.image).chain(plan.failures.iter().map(|failure| failure.image)).collect();
        let distinct: BTreeSet<usize> = named.iter().copied().collect();
        prop_assert_eq!(named.len(), distinct.len());
        prop_assert!(distinct.iter().all(|&image| image < images.len()));
    }

    #[test]
    fn no_list_loses_a_child(images in repository(), policy in policy(), options in options()) {
        let plan = decide(&images, &policy, &options, NOW_MS);
        let place: HashMap<&str, usize> =
            plan.actions.iter().enumerate().map(|(place, planned)| (images[planned.image].digest, place)).collect();
        for (at, planned) in plan.actions.iter().enumerate() {
            for list in &images[planned.image].parents {
                let list_action = place.get(list).map(|&place| (place, plan.actions[place].action));
                let is_archived = images.iter().any(|image| image.digest == *list && image.storage_class == StorageClass::Archive);
                match (planned.action, list_action) {
                    (Action::Expire, Some((before, Action::Expire))) => prop_assert!(before < at),
                    (Action::Transition { .. }, Some((before, _))) => prop_assert!(before < at || is_archived),
                    (Action::Transition { .. }, None) => prop_assert!(is_archived, "{} of {list}", planned.image),
                    (Action::Expire, _) => prop_assert!(false, "{} of {list}", planned.image),
                }
            }
        }
        for failure in &plan.failures {
            prop_assert!(!failure.lists.is_empty());
        }
    }

    #[test]
    fn no_rule_takes_of_the_number_that_it_keeps(images in repository(), policy in policy(), options in options()) {
        let plan = decide(&images, &policy, &options, NOW_MS);
        for rule in policy.rules() {
            let Count::MoreThan { keep } = rule.selection.count else { continue };
            let kept = model::match_set(&images, rule, options).into_iter().take(keep as usize);
            for image in kept {
                prop_assert!(!plan.actions.iter().any(|planned| planned.image == image && planned.rule_priority == rule.priority));
            }
        }
    }

    #[test]
    fn a_count_alone_leaves_its_number(images in repository(), tags in select(&["any", "untagged", "a*", "^a,^v"][..]), keep in 1..5_usize) {
        let policy = parse(&[rule(&format!("1 {tags} keep {keep}"))]).expect("a valid rule");
        let options = Options::default();
        let plan = decide(&images, &policy, &options, NOW_MS);
        let matched = model::match_set(&images, &policy.rules()[0], options);
        let left = matched.iter().filter(|&&image| !plan.actions.iter().any(|planned| planned.image == image)).count();
        prop_assert!(left >= keep.min(matched.len()), "{left} of {} are left", matched.len());
    }

    #[test]
    fn patterns_fit_what_the_model_says(pattern in "[ab*]{0,8}", tag in "[ab]{0,10}") {
        if let Ok(compiled) = TagPattern::new(&pattern) {
            prop_assert_eq!(compiled.matches(&tag), model::fits(pattern.as_bytes(), tag.as_bytes()));
        } else {
            prop_assert!(pattern.matches('*').count() > 4);
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        let _ = LifecyclePolicy::parse(&text).map_err(|error| error.to_string());
    }

    #[test]
    fn no_json_makes_it_panic(text in json()) {
        let options = Options { allow_expire_since_pulled: true, select_root_images_only: true };
        match LifecyclePolicy::parse_with(&text, &options) {
            Ok(policy) => prop_assert!(policy.rules().is_sorted_by(|one, next| one.priority < next.priority)),
            Err(error) => prop_assert!(!error.to_string().is_empty()),
        }
    }
}

/// JSON made of the words of the language, in any arrangement.
fn json() -> impl Strategy<Value = String> {
    let word = select(
        &[
            "rules",
            "rulePriority",
            "description",
            "selection",
            "action",
            "type",
            "expire",
            "transition",
            "targetStorageClass",
            "archive",
            "tagStatus",
            "tagged",
            "any",
            "tagPatternList",
            "tagPrefixList",
            "countType",
            "imageCountMoreThan",
            "sinceImagePulled",
            "countUnit",
            "days",
            "countNumber",
            "",
        ][..],
    );
    let leaf = prop_oneof![
        word.clone().prop_map(|word| format!("\"{word}\"")),
        Just("null".to_owned()),
        Just("1e9".to_owned()),
        Just("-0".to_owned()),
        Just("18446744073709551615".to_owned()),
        (0..100_i64).prop_map(|number| number.to_string()),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec((word.clone(), inner), 0..6).prop_map(|members| {
                let members: Vec<String> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}
