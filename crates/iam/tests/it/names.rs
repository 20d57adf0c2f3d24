//! Keys that a request names more than once, in different case: tags, and the names of an encryption context.

use iam::{Context, Policies, PolicyKind, Request};

use crate::support::{ACCOUNT, REPOSITORY, policy, principal};

const IN_NO: &str = "'Condition':{'StringNotEquals':{'aws:PrincipalTag/team':'${aws:RequestTag/team}'}}";
const IS: &str = "'Condition':{'StringEquals':{'aws:PrincipalTag/team':'${aws:RequestTag/team}'}}";
const BY_DEFAULT: &str = "'Condition':{'StringEquals':{'aws:PrincipalTag/team':'${aws:RequestTag/team, \\'red\\'}'}}";
const BOTH: &str =
    "'Condition':{'StringLike':{'aws:PrincipalTag/team':['${aws:RequestTag/team}','${aws:ResourceTag/team}']}}";
const ITSELF: &str = "'Condition':{'StringEquals':{'aws:RequestTag/team':'${aws:RequestTag/team}'}}";

/// Whether an Allow with the elements holds, and a Deny.
fn outcomes(elements: &str, context: &Context) -> (bool, bool) {
    let alice = principal("alice");
    let request = Request {
        principal: &alice,
        action: "ecr:CreateRepository",
        resource: REPOSITORY,
        resource_account: ACCOUNT,
        context,
    };
    let allows = |statements: &[&str]| {
        let attached =
            iam::Attached { name: "p".to_owned(), policy: policy(PolicyKind::Identity, "2012-10-17", statements) };
        let policies = Policies { identity: &[attached], ..Policies::default() };
        iam::decide(&request, &policies).is_allowed()
    };
    let elements =
        if elements.contains("Resource'") { elements.to_owned() } else { format!("'Resource':'*',{elements}") };
    let allow = format!("{{'Effect':'Allow','Action':'*',{elements}}}");
    let deny = format!("{{'Effect':'Deny','Action':'*',{elements}}}");
    (allows(&[&allow]), !allows(&[&deny, "{'Effect':'Allow','Action':'*','Resource':'*'}"]))
}

fn context(entries: &[(&str, &[&str])]) -> Context {
    let mut context = Context::default();
    context.set("aws:PrincipalTag/team", "red");
    for (key, values) in entries {
        context.set_each(key, values.iter().map(|value| vec![(*value).to_owned()]).collect());
    }
    context
}

#[test]
fn a_variable_with_several_names_holds_by_all_in_an_allow_and_by_any_in_a_deny() {
    const TAG: &str = "aws:RequestTag/team";
    const RESOURCE: &str = "'Resource':'arn:aws:ecr:*:*:repository/${aws:RequestTag/team}/*'";
    const OTHERS: &str = "'NotResource':'arn:aws:ecr:*:*:repository/${aws:RequestTag/team}/*'";
    for (elements, entries, expected) in [
        (IN_NO, &[(TAG, &["red"][..])][..], (false, false)),
        (IN_NO, &[(TAG, &["blue"])], (true, true)),
        (IN_NO, &[(TAG, &["blue", "green"])], (true, true)),
        (IN_NO, &[(TAG, &["red", "green"])], (false, true)),
        (IN_NO, &[(TAG, &["green", "red"])], (false, true)),
        (IS, &[(TAG, &["red", "red"])], (true, true)),
        (IS, &[(TAG, &["red", "green"])], (false, true)),
        (IS, &[(TAG, &["blue", "green"])], (false, false)),
        // One that has values does not take its default.
        (BY_DEFAULT, &[], (true, true)),
        (BY_DEFAULT, &[(TAG, &["blue", "green"])], (false, false)),
        (BOTH, &[(TAG, &["red", "blue"]), ("aws:ResourceTag/team", &["blue", "red"])], (false, true)),
        (BOTH, &[(TAG, &["red", "blue"]), ("aws:ResourceTag/team", &["red"])], (true, true)),
        // A key that is asked for and a variable too has one value at a time.
        (ITSELF, &[(TAG, &["red", "blue"])], (true, true)),
        (RESOURCE, &[(TAG, &["team", "other"])], (false, true)),
        (RESOURCE, &[(TAG, &["x", "other"])], (false, false)),
        (OTHERS, &[(TAG, &["team", "other"])], (false, true)),
        (OTHERS, &[(TAG, &["team", "TEAM"])], (false, true)),
    ] {
        assert_eq!(outcomes(elements, &context(entries)), expected, "{elements} {entries:?}");
    }
}

#[test]
fn more_readings_than_are_tried_deny() {
    let variables = (0..12).map(|number| format!("${{aws:RequestTag/{number}}}")).collect::<Vec<_>>().concat();
    let condition = format!("'Condition':{{'StringNotEquals':{{'aws:PrincipalTag/team':'{variables}'}}}}");
    let mut context = context(&[]);
    for number in 0..12 {
        let each = ["a", "b", "c", "d"].map(|value| vec![value.to_owned()]);
        context.set_each(&format!("aws:RequestTag/{number}"), each.to_vec());
    }
    assert_eq!(outcomes(&condition, &context), (false, true));
}

#[test]
fn a_key_that_is_set_again_has_one_name() {
    let mut context = context(&[("aws:RequestTag/team", &["blue", "red"])]);
    context.set("aws:RequestTag/TEAM", "red");
    assert_eq!(outcomes(IS, &context), (true, true));
    context.set_each("aws:RequestTag/team", vec![vec!["blue".to_owned()], vec!["green".to_owned()]]);
    context.set_all("aws:RequestTag/team", ["red"]);
    assert_eq!(outcomes(IS, &context), (true, true));
}
