use super::*;

fn filter(text: &str) -> Filter {
    text.parse().expect("a filter")
}

fn rule(frequency: Frequency, filters: &[&str]) -> Rule {
    Rule { frequency, filters: filters.iter().map(|text| filter(text)).collect() }
}

fn name(text: &str) -> RepositoryName {
    text.parse().expect("a name")
}

#[test]
fn what_is_a_filter() {
    let longest = "a".repeat(MAX_FILTER_LENGTH);
    for text in ["a", "*", "**", "0", "prod*", "*prod", "a/b", "a-b_c.d/e", "*/*", "a*-*b", &longest] {
        assert!(text.parse::<Filter>().is_ok(), "{text}");
    }
    let too_long = "a".repeat(MAX_FILTER_LENGTH + 1);
    for text in ["", "A", "a b", "/a", "a/", "a//b", "a-", "-a", ".*", "*.", "a._b", "ä", "a?", "a\n", &too_long] {
        assert_eq!(text.parse::<Filter>(), Err(filter::NoFilter), "{text:?}");
    }
}

/// The table of reference/scanning.md 1, and more.
#[test]
fn which_repositories_a_filter_takes() {
    let names = ["prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo"];
    for (text, taken) in [
        ("prod", [true; 5]),
        ("*prod", [true, true, false, false, false]),
        ("prod*", [true, false, true, false, true]),
        ("*prod*", [true; 5]),
        ("prod*repo", [false, false, true, false, true]),
        ("*", [true; 5]),
        ("**", [true; 5]),
        ("repo*prod*repo", [false, false, false, true, false]),
        ("*o*o*", [false, true, true, true, true]),
        ("prod*prod", [false; 5]),
        ("od-re", [false, false, true, true, false]),
        ("prod-repo-more", [false; 5]),
    ] {
        assert_eq!(names.map(|of| filter(text).takes(&name(of))), taken, "{text}");
    }
    // What the beginning has taken is not there for the end.
    assert!(!filter("abc*bcd").takes(&name("abcd")));
    assert!(filter("ab*cd").takes(&name("abcd")));
    assert!(filter("team-a/*").takes(&name("team-a/web")) && !filter("team-a/*").takes(&name("team-b/team-a/web")));
}

#[test]
fn which_rules_can_be_put() {
    use Frequency::{Continuous, Manual, OnPush};
    for (scan_type, frequencies, refused) in [
        (ScanType::Basic, &[][..], None),
        (ScanType::Basic, &[OnPush], None),
        (ScanType::Basic, &[Manual], None),
        (ScanType::Basic, &[Manual, OnPush], None),
        (ScanType::Basic, &[Continuous], Some(Contradiction::ContinuousBasic)),
        (ScanType::Basic, &[OnPush, OnPush], Some(Contradiction::SameFrequency)),
        (ScanType::Enhanced, &[], None),
        (ScanType::Enhanced, &[OnPush], None),
        (ScanType::Enhanced, &[OnPush, Continuous], None),
        (ScanType::Enhanced, &[Manual], Some(Contradiction::ManualEnhanced)),
        (ScanType::Enhanced, &[Continuous, Continuous], Some(Contradiction::SameFrequency)),
    ] {
        let rules = frequencies.iter().map(|frequency| rule(*frequency, &["a"])).collect();
        let configuration = Configuration { scan_type, rules };
        assert_eq!(configuration.check().err(), refused, "{scan_type:?} {frequencies:?}");
    }
}

#[test]
fn how_a_repository_is_scanned() {
    use Frequency::{Continuous, Manual, OnPush};
    let on_push = || rule(OnPush, &["app", "web*", "*-prod"]);
    let continuous = || rule(Continuous, &["*-prod"]);
    let (basic, enhanced) = (ScanType::Basic, ScanType::Enhanced);
    for (scan_type, rules, flag, of, frequency, filters) in [
        (basic, vec![], false, "app", Manual, &[][..]),
        (basic, vec![], true, "app", OnPush, &[]),
        (basic, vec![on_push()], false, "app", OnPush, &["app"]),
        (basic, vec![on_push()], false, "web-app-prod", OnPush, &["app", "web*", "*-prod"]),
        (basic, vec![on_push()], false, "other", Manual, &[]),
        // Either is enough.
        (basic, vec![on_push()], true, "other", OnPush, &[]),
        (basic, vec![rule(Manual, &["a"])], false, "app", Manual, &["a"]),
        (basic, vec![rule(Manual, &["a"])], true, "app", OnPush, &[]),
        (basic, vec![rule(Manual, &["*"]), on_push()], false, "app", OnPush, &["app"]),
        (basic, vec![rule(OnPush, &[])], false, "app", Manual, &[]),
        // The one that scans more holds, wherever it stands.
        (enhanced, vec![on_push(), continuous()], false, "web-prod", Continuous, &["*-prod"]),
        (enhanced, vec![continuous(), on_push()], false, "web-prod", Continuous, &["*-prod"]),
        (enhanced, vec![continuous(), on_push()], false, "web", OnPush, &["web*"]),
        (enhanced, vec![continuous()], false, "web", Manual, &[]),
        // The repository's own flag is basic scanning's.
        (enhanced, vec![continuous()], true, "web", Manual, &[]),
    ] {
        let what = format!("{scan_type:?} {rules:?} {flag} {of}");
        let found = Configuration { scan_type, rules }.of_name(&name(of), flag);
        let filters = filters.iter().map(|text| filter(text)).collect();
        let is_on_push = frequency == OnPush;
        assert_eq!(found, Effective { scan_type, frequency, is_on_push, filters }, "{what}");
        assert_eq!(found.scans_what_comes(), frequency != Manual, "{what}");
    }
}

#[test]
fn rules_are_stored_as_they_always_were() {
    let rules = vec![rule(Frequency::OnPush, &["*"]), rule(Frequency::Continuous, &["a/b", "c"])];
    let stored =
        r#"[{"frequency":"SCAN_ON_PUSH","filters":["*"]},{"frequency":"CONTINUOUS_SCAN","filters":["a/b","c"]}]"#;
    assert_eq!(serde_json::to_string(&rules).expect("JSON"), stored);
    assert_eq!(serde_json::from_str::<Vec<Rule>>(stored).expect("JSON"), rules);
    assert!(serde_json::from_str::<Vec<Rule>>(r#"[{"frequency":"MANUAL","filters":["A"]}]"#).is_err());
}
