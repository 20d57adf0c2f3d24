//! What holds for every policy and request.

use iam::{Attached, Context, Effect, Outcome, Policies, Policy, PolicyKind, Principal, Request};
use proptest::prelude::*;
use proptest::sample::select;

use crate::support::{ACCOUNT, policy, principal};

const KINDS: [PolicyKind; 4] = [PolicyKind::Identity, PolicyKind::Trust, PolicyKind::Repository, PolicyKind::Registry];

fn list(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::collection::vec(select(words), 1..3).prop_map(|words| format!("['{}']", words.join("','")))
}

fn condition() -> impl Strategy<Value = String> {
    const OPERATORS: &[&str] = &[
        "StringEquals",
        "StringNotEquals",
        "StringLike",
        "StringNotLikeIfExists",
        "ForAllValues:StringEquals",
        "ForAnyValue:StringNotEquals",
        "StringEqualsIgnoreCase",
        "ArnLike",
        "ArnNotEquals",
    ];
    let some = (
        select(OPERATORS).prop_map(str::to_owned),
        select(&["k:a", "k:b"][..]),
        list(&["a", "b*", "${k:b}", "${k:c, 'x'}"]),
    )
        .prop_map(|(operator, key, values)| {
            format!(",'Condition':{{'{operator}':{{'{key}':{}}}}}", values.replace(", 'x'", ", \\'x\\'"))
        });
    prop_oneof![Just(String::new()), some]
}

/// The elements of a statement, without effect and principal.
fn elements() -> impl Strategy<Value = String> {
    let actions = list(&["ecr:PutImage", "ecr:*", "ecr:*Image", "ecr:Get?", "ECR:BATCH*"]);
    let resources = list(&[
        "*",
        "arn:aws:ecr:*:*:repository/a",
        "arn:aws:ecr:*:*:repository/${k:a}",
        "arn:aws:ecr:*:123456789012:repository/a*b",
    ]);
    (select(&["", "Not"][..]), actions, select(&["", "Not"][..]), resources, condition()).prop_map(
        |(not_action, actions, not_resource, resources, condition)| {
            format!("'{not_action}Action':{actions},'{not_resource}Resource':{resources}{condition}")
        },
    )
}

fn identity_statement(effects: &'static [&'static str]) -> impl Strategy<Value = String> {
    (select(effects), elements()).prop_map(|(effect, elements)| format!("{{'Effect':'{effect}',{elements}}}"))
}

fn resource_statement(effects: &'static [&'static str]) -> impl Strategy<Value = String> {
    let principals = list(&[
        "*",
        "123456789012",
        "999988887777",
        "arn:aws:iam::123456789012:user/alice",
        "arn:aws:iam::123456789012:role/ci/Builder",
        "arn:aws:sts::123456789012:assumed-role/Builder/run-1",
    ]);
    let nots: &[&str] = if effects == ["Allow"] { &[""] } else { &["", "Not"] };
    (select(effects), select(nots), principals, elements()).prop_map(|(effect, not, principals, elements)| {
        format!("{{'Effect':'{effect}','{not}Principal':{{'AWS':{principals}}},{elements}}}")
    })
}

const BOTH: &[&str] = &["Allow", "Deny"];

fn identity_statements() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec(identity_statement(BOTH), 1..4)
}

#[derive(Clone, Debug)]
struct Situation {
    who: Principal,
    action: &'static str,
    resource: &'static str,
    context: Context,
    identity: Vec<String>,
    boundary: Option<Vec<String>>,
    session: Option<Vec<String>>,
    repository: Option<Vec<String>>,
}

fn situation() -> impl Strategy<Value = Situation> {
    let who = select(&["root", "alice", "builder", "olga", "deployer", "service", "anonymous"][..]).prop_map(principal);
    let action = select(&["ecr:PutImage", "ecr:BatchGetImage", "ecr:GetX"][..]);
    let resource = select(
        &["*", "arn:aws:ecr:us-east-1:123456789012:repository/a", "arn:aws:ecr:us-east-1:123456789012:repository/axb"]
            [..],
    );
    let context = prop::collection::vec(
        (select(&["k:a", "k:b"][..]), prop::collection::vec(select(&["a", "b", "x"][..]), 0..3)),
        0..3,
    )
    .prop_map(|entries| {
        let mut context = Context::default();
        for (key, values) in entries {
            context.set_all(key, values);
        }
        context
    });
    (
        (who, action, resource, context),
        identity_statements(),
        prop::option::of(identity_statements()),
        prop::option::of(identity_statements()),
        prop::option::of(prop::collection::vec(resource_statement(BOTH), 1..4)),
    )
        .prop_map(|((who, action, resource, context), identity, boundary, session, repository)| Situation {
            who,
            action,
            resource,
            context,
            identity,
            boundary,
            session,
            repository,
        })
}

/// What keys have under each of several names that differ by case alone.
type Names = Vec<(&'static str, Vec<Vec<&'static str>>)>;

fn names() -> impl Strategy<Value = Names> {
    let values = prop::collection::vec(select(&["a", "b", "x"][..]), 1..3);
    let each = prop::collection::vec(values, 1..3);
    prop::collection::vec((select(&["k:a", "k:b", "k:c"][..]), each), 1..4).prop_map(|mut names| {
        names.sort_by_key(|(key, _)| *key);
        names.dedup_by_key(|(key, _)| *key);
        names
    })
}

fn named(names: &Names) -> Context {
    let mut context = Context::default();
    for (key, each) in names {
        let each = each.iter().map(|values| values.iter().map(ToString::to_string).collect());
        context.set_each(key, each.collect());
    }
    context
}

fn attach(kind: PolicyKind, statements: &[String]) -> Attached {
    let statements: Vec<&str> = statements.iter().map(String::as_str).collect();
    Attached { name: "p".to_owned(), policy: policy(kind, "2012-10-17", &statements) }
}

fn decide(situation: &Situation) -> iam::Decision {
    let identity = [attach(PolicyKind::Identity, &situation.identity)];
    let boundary = situation.boundary.as_ref().map(|statements| attach(PolicyKind::Identity, statements));
    let session = situation.session.as_ref().map(|statements| attach(PolicyKind::Identity, statements));
    let session: Vec<&[Attached]> = session.as_slice().iter().map(std::slice::from_ref).collect();
    let repository = situation.repository.as_ref().map(|statements| attach(PolicyKind::Repository, statements));
    let request = Request {
        principal: &situation.who,
        action: situation.action,
        resource: situation.resource,
        resource_account: ACCOUNT,
        context: &situation.context,
    };
    let policies = Policies {
        identity: &identity,
        boundary: boundary.as_ref(),
        session: &session,
        repository: repository.as_ref(),
        ..Policies::default()
    };
    iam::decide(&request, &policies)
}

proptest! {
    #[test]
    fn a_deny_that_matches_wins(situation in situation()) {
        let decision = decide(&situation);
        let is_denied = decision.matched.iter().any(|matched| matched.effect == Effect::Deny);
        prop_assert_eq!(is_denied, decision.outcome == Outcome::ExplicitDeny);
    }

    #[test]
    fn a_deny_of_everything_stops_everyone(situation in situation()) {
        let mut situation = situation;
        let deny = "{'Effect':'Deny','Principal':'*','Action':'ecr:*','Resource':'*'}".to_owned();
        situation.repository.get_or_insert_default().push(deny);
        prop_assert_eq!(decide(&situation).outcome, Outcome::ExplicitDeny);
    }

    #[test]
    fn the_order_of_statements_never_matters(situation in situation(), turn in 0..4_usize) {
        let mut turned = situation.clone();
        let lists = [Some(&mut turned.identity), turned.boundary.as_mut(), turned.session.as_mut(), turned.repository.as_mut()];
        for statements in lists.into_iter().flatten() {
            statements.reverse();
            let length = statements.len();
            statements.rotate_left(turn % length);
        }
        prop_assert_eq!(decide(&situation).reason, decide(&turned).reason);
    }

    #[test]
    fn another_allow_never_takes_a_right_away(
        situation in situation(),
        more in identity_statement(&["Allow"]),
        shared in resource_statement(&["Allow"]),
        at in 0..4_usize,
    ) {
        let mut wider = situation.clone();
        match at {
            0 => wider.identity.push(more),
            1 => wider.boundary.iter_mut().for_each(|statements| statements.push(more.clone())),
            2 => wider.session.iter_mut().for_each(|statements| statements.push(more.clone())),
            _ => wider.repository.get_or_insert_default().push(shared),
        }
        let (before, after) = (decide(&situation), decide(&wider));
        prop_assert!(!before.is_allowed() || after.is_allowed(), "{:?} became {:?}", before, after);
    }

    #[test]
    fn a_further_name_of_a_key_never_gives_a_right(
        situation in situation(),
        names in names(),
        more in prop::collection::vec(select(&["a", "b", "x"][..]), 1..3),
        at in 0..3_usize,
    ) {
        let mut before = situation;
        before.context = named(&names);
        let mut after = before.clone();
        let mut names = names;
        let of = at % names.len();
        names[of].1.push(more);
        after.context = named(&names);
        let (before, after) = (decide(&before), decide(&after));
        prop_assert!(before.is_allowed() || !after.is_allowed(), "{:?} became {:?}", before, after);
        prop_assert!(
            before.outcome != Outcome::ExplicitDeny || after.outcome == Outcome::ExplicitDeny,
            "{:?} became {:?}", before, after
        );
    }

    #[test]
    fn only_what_is_listed_as_a_key_decides(situation in situation()) {
        let mut situation = situation;
        situation.boundary = None;
        situation.session = None;
        situation.repository = None;
        let before = decide(&situation);
        let policy = attach(PolicyKind::Identity, &situation.identity).policy;
        let keys: Vec<&str> = policy.keys().collect();
        for key in ["k:a", "k:b"] {
            if !keys.contains(&key) {
                situation.context.set_all(key, ["other"]);
            }
        }
        prop_assert_eq!(before, decide(&situation));
    }

    #[test]
    fn no_text_makes_it_panic(text in ".{0,200}") {
        for kind in KINDS {
            let _ = Policy::parse(kind, &text);
        }
        let _ = iam::replace_aws_principals(&text, |_| None);
    }

    #[test]
    fn no_json_makes_it_panic(text in json()) {
        for kind in KINDS {
            if let Ok(policy) = Policy::parse(kind, &text) {
                let identity = [Attached { name: String::new(), policy }];
                let request = Request {
                    principal: &Principal::Anonymous, action: "", resource: "", resource_account: "", context: &Context::default(),
                };
                iam::decide(&request, &Policies { identity: &identity, repository: identity.first(), ..Policies::default() });
            }
        }
        let _ = iam::replace_aws_principals(&text, |_| Some(String::new()));
    }
}

/// JSON made of the words of the language, in any arrangement.
fn json() -> impl Strategy<Value = String> {
    let word = select(
        &[
            "Version",
            "2012-10-17",
            "Statement",
            "Effect",
            "Allow",
            "Deny",
            "Action",
            "NotAction",
            "ecr:*",
            "Resource",
            "*",
            "arn:aws:ecr:*",
            "Principal",
            "AWS",
            "Condition",
            "StringLike",
            "DateLessThan",
            "a:b",
            "${a:b}",
            "123456789012",
            "",
        ][..],
    );
    let leaf = prop_oneof![
        word.clone().prop_map(|word| format!("\"{word}\"")),
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("1e9".to_owned()),
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
