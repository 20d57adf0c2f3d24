//! What a policy becomes.

use lifecycle::{
    Action, Count, LifecyclePolicy, MAX_WILDCARDS, Rule, Selection, StorageClass, TagPattern, TagSelection,
};

const POLICY: &str = r#" {"rules": [
    {"rulePriority": 30, "selection": {"tagStatus": "any", "storageClass": "archive",
        "countType": "sinceImageTransitioned", "countUnit": "days", "countNumber": 365}, "action": {"type": "expire"}},
    {"action": {"targetStorageClass": "archive", "type": "transition"}, "description": "Unused \u2014 to the archive",
        "rulePriority": 20, "selection": {"countNumber": 60, "countType": "sinceImagePulled", "countUnit": "days",
        "storageClass": "standard", "tagStatus": "untagged"}},
    {"rulePriority": 10, "description": "", "selection": {"tagStatus": "tagged", "tagPatternList": ["v*", "*-rc"],
        "countType": "imageCountMoreThan", "countNumber": 5}, "action": {"type": "expire"}},
    {"rulePriority": 15, "selection": {"tagStatus": "tagged", "tagPrefixList": ["dev-"],
        "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}, "action": {"type": "expire"}}
]} "#;

#[test]
fn rules_come_in_ascending_priority() {
    let policy = LifecyclePolicy::parse(POLICY).expect("a good policy");
    let pattern = |text| TagPattern::new(text).expect("a good pattern");
    let rule = |priority, description: Option<&str>, tags, storage_class, count, action| Rule {
        priority,
        description: description.map(str::to_owned),
        selection: Selection { tags, storage_class, count },
        action,
    };
    let (standard, archive) = (StorageClass::Standard, StorageClass::Archive);
    let expected = [
        rule(
            10,
            Some(""),
            TagSelection::Patterns(vec![pattern("v*"), pattern("*-rc")]),
            standard,
            Count::MoreThan { keep: 5 },
            Action::Expire,
        ),
        rule(
            15,
            None,
            TagSelection::Prefixes(vec!["dev-".to_owned()]),
            standard,
            Count::SincePushed { days: 14 },
            Action::Expire,
        ),
        rule(
            20,
            Some("Unused \u{2014} to the archive"),
            TagSelection::Untagged,
            standard,
            Count::SincePulled { days: 60 },
            Action::Transition { target: archive },
        ),
        rule(30, None, TagSelection::Any, archive, Count::SinceTransitioned { days: 365 }, Action::Expire),
    ];
    assert_eq!(policy.rules(), expected);
}

#[test]
fn a_repeated_member_counts_as_it_was_written_last() {
    let text = r#"{"rules":[5],"rules":[]}"#;
    assert!(LifecyclePolicy::parse(text).is_ok_and(|policy| policy.rules().is_empty()));
}

#[test]
fn a_pattern_keeps_its_text() {
    for text in ["", "*", "a*b**c", "x"] {
        assert_eq!(TagPattern::new(text).expect("few wildcards").as_str(), text);
    }
    assert!(TagPattern::new(&"*".repeat(MAX_WILDCARDS)).is_ok());
    assert!(TagPattern::new(&"*".repeat(MAX_WILDCARDS + 1)).is_err());
}
