//! Policies as people write them, changed at random: what is read keeps to the rules, and says the same when it is written.

use lifecycle::{
    Action, Count, LifecyclePolicy, MAX_RULES, MAX_WILDCARDS, Options, PolicyError, Rule, StorageClass, TagPattern,
    TagSelection, decide,
};
use mutate::Form;
use serde_json::{Value, json};

use crate::support::{NOW_MS, images};

const POLICIES: [&str; 6] = [
    r#"{"rules":[{"rulePriority":1,"description":"Expire images older than 14 days","selection":{"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":14},"action":{"type":"expire"}}]}"#,
    r#"{"rules":[{"rulePriority":1,"selection":{"tagStatus":"tagged","tagPatternList":["prod*","*-rc*"],"countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}},{"rulePriority":2,"description":"Rule 2","selection":{"tagStatus":"tagged","tagPrefixList":["beta"],"countType":"imageCountMoreThan","countNumber":1},"action":{"type":"expire"}}]}"#,
    r#"{"rules":[{"rulePriority":10,"description":"Archive what nobody pulls","selection":{"tagStatus":"any","countType":"sinceImagePulled","countUnit":"days","countNumber":90},"action":{"type":"transition","targetStorageClass":"archive"}},{"rulePriority":20,"selection":{"tagStatus":"any","storageClass":"archive","countType":"sinceImageTransitioned","countUnit":"days","countNumber":365},"action":{"type":"expire"}}]}"#,
    r#"{"rules":[{"rulePriority":7,"selection":{"tagStatus":"any","countType":"sinceImagePulled","countUnit":"days","countNumber":30},"action":{"type":"expire"}}]}"#,
    r#"{"rules":[]}"#,
    r#"{"rules":[{"rulePriority":9223372036854775807,"selection":{"tagStatus":"untagged","storageClass":"standard","countType":"imageCountMoreThan","countNumber":9223372036854775807},"action":{"type":"expire"}}]}"#,
];

const EACH_OPTION: [Options; 2] = [
    Options { allow_expire_since_pulled: false, select_root_images_only: false },
    Options { allow_expire_since_pulled: true, select_root_images_only: true },
];

fn class(class: StorageClass) -> &'static str {
    match class {
        StorageClass::Standard => "standard",
        StorageClass::Archive => "archive",
    }
}

fn written(rule: &Rule) -> Value {
    let (count_type, number) = match rule.selection.count {
        Count::MoreThan { keep } => ("imageCountMoreThan", keep),
        Count::SincePushed { days } => ("sinceImagePushed", days),
        Count::SincePulled { days } => ("sinceImagePulled", days),
        Count::SinceTransitioned { days } => ("sinceImageTransitioned", days),
    };
    let mut selection = json!({
        "countType": count_type, "countNumber": number, "storageClass": class(rule.selection.storage_class),
    });
    if count_type != "imageCountMoreThan" {
        selection["countUnit"] = "days".into();
    }
    selection["tagStatus"] = match &rule.selection.tags {
        TagSelection::Any => "any",
        TagSelection::Untagged => "untagged",
        TagSelection::Prefixes(_) | TagSelection::Patterns(_) => "tagged",
    }
    .into();
    match &rule.selection.tags {
        TagSelection::Any | TagSelection::Untagged => {}
        TagSelection::Prefixes(prefixes) => selection["tagPrefixList"] = json!(prefixes),
        TagSelection::Patterns(patterns) => {
            selection["tagPatternList"] = patterns.iter().map(TagPattern::as_str).collect();
        }
    }
    let action = match rule.action {
        Action::Expire => json!({"type": "expire"}),
        Action::Transition { target } => json!({"type": "transition", "targetStorageClass": class(target)}),
    };
    let mut whole = json!({"rulePriority": rule.priority, "selection": selection, "action": action});
    if let Some(description) = &rule.description {
        whole["description"] = description.as_str().into();
    }
    whole
}

fn keeps_to_the_rules(policy: &LifecyclePolicy, options: Options) {
    let rules = policy.rules();
    assert!(rules.len() <= MAX_RULES);
    assert!(rules.is_sorted_by(|one, next| one.priority < next.priority), "{rules:?}");
    for rule in rules {
        let (number, class) = match rule.selection.count {
            Count::MoreThan { keep } => (keep, StorageClass::Standard),
            Count::SincePushed { days } | Count::SincePulled { days } => (days, StorageClass::Standard),
            Count::SinceTransitioned { days } => (days - 89, StorageClass::Archive),
        };
        assert!(rule.priority >= 1 && number >= 1, "{rule:?}");
        assert_eq!(rule.selection.storage_class, class, "{rule:?}");
        let moves = rule.action == Action::Transition { target: StorageClass::Archive };
        assert!(moves || rule.action == Action::Expire, "{rule:?}");
        match rule.selection.count {
            Count::SincePulled { .. } => assert!(moves || options.allow_expire_since_pulled, "{rule:?}"),
            Count::SinceTransitioned { .. } => assert!(!moves, "{rule:?}"),
            Count::MoreThan { .. } | Count::SincePushed { .. } => {}
        }
        match &rule.selection.tags {
            TagSelection::Any | TagSelection::Untagged => {}
            TagSelection::Prefixes(prefixes) => assert!(!prefixes.is_empty(), "{rule:?}"),
            TagSelection::Patterns(patterns) => {
                let wildcards = patterns.iter().map(|pattern| pattern.as_str().matches('*').count());
                assert!(wildcards.max().is_some_and(|most| most <= MAX_WILDCARDS), "{rule:?}");
            }
        }
    }
}

#[test]
fn policies() {
    let images = images("A[prod-1,beta-1] 30d;B[] 20d;C[v1-rc] 200d pulled=100d;D[beta] 900d archived=800d archive");
    mutate::texts(Form::Json, &POLICIES, 3_000, |text| {
        for options in EACH_OPTION {
            let read = LifecyclePolicy::parse_with(text, &options);
            assert_eq!(LifecyclePolicy::parse_with(text, &options), read);
            match read {
                Ok(policy) => {
                    keeps_to_the_rules(&policy, options);
                    let rules: Vec<Value> = policy.rules().iter().map(written).collect();
                    let again = LifecyclePolicy::parse_with(&json!({"rules": rules}).to_string(), &options);
                    assert_eq!(again.as_ref(), Ok(&policy));
                    // Counting is no harder than reading, with any number.
                    let plan = decide(&images, &policy, &options, NOW_MS);
                    assert!(plan.actions.len() <= images.len());
                }
                Err(error) => {
                    let told = error.to_string();
                    assert!(!told.is_empty() && told.len() <= 10 * text.len() + 400, "{told}");
                    let is_json = serde_json::from_str::<Value>(text).is_ok_and(|value| value.is_object());
                    assert!(is_json || error == PolicyError::NotAPolicy, "{told}");
                }
            }
        }
    });
}
