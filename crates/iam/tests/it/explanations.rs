//! What a decision says about itself.

use iam::{Attached, Context, Effect, Matched, Policies, Policy, PolicyKind, Position, Request, Source, advice};

use crate::support::{ACCOUNT, ALLOW, ALLOW_PULL, BASE, Case, DENY, REPOSITORY, principal};
use crate::{deny_to, to};

#[test]
fn denials_have_the_texts_of_aws() {
    let cases: &[(Case, &str)] = &[
        (BASE, " because no identity-based policy allows the ecr:PutImage action"),
        (
            Case { identity: &[ALLOW], boundary: &[ALLOW_PULL], ..BASE },
            " because no permissions boundary allows the ecr:PutImage action",
        ),
        (
            Case { identity: &[ALLOW], session: &[&[ALLOW_PULL]], ..BASE },
            " because no session policy allows the ecr:PutImage action",
        ),
        (
            Case { who: "olga", identity: &[ALLOW], ..BASE },
            " because no resource-based policy allows the ecr:PutImage action",
        ),
        (Case { identity: &[ALLOW, DENY], ..BASE }, " with an explicit deny in an identity-based policy"),
        (Case { identity: &[ALLOW], boundary: &[DENY], ..BASE }, " with an explicit deny in a permissions boundary"),
        (Case { identity: &[ALLOW], session: &[&[DENY]], ..BASE }, " with an explicit deny in a session policy"),
        (
            Case { identity: &[ALLOW], repository: &[deny_to!("*")], ..BASE },
            " with an explicit deny in a resource-based policy",
        ),
        (
            Case { identity: &[ALLOW], registry: &[deny_to!("*")], ..BASE },
            " with an explicit deny in a resource-based policy",
        ),
        (
            Case { identity: &[ALLOW], scope: &[ALLOW_PULL], ..BASE },
            " because no robot token scope allows the ecr:PutImage action",
        ),
        (Case { identity: &[ALLOW], ..BASE }, ""),
        (Case { who: "root", ..BASE }, ""),
    ];
    for (case, expected) in cases {
        assert_eq!(case.decide().because(case.action), *expected, "{case:?}");
    }
}

#[test]
fn the_statement_that_decided_is_named_with_its_place() {
    const TEXT: &str = "{\n  \"Version\": \"2012-10-17\",\n  \"Statement\": [\n    {\"Effect\":\"Allow\",\"Action\":\"*\",\"Resource\":\"*\"},\n    {\n      \"Sid\": \"NoPush\", \"Effect\": \"Deny\",\n      \"Action\": \"ecr:Put*\", \"Resource\": \"*\"\n    }\n  ]\n}";
    let policy = Policy::parse(PolicyKind::Identity, TEXT).expect("a policy");
    let identity = [Attached { name: "inline".to_owned(), policy }];
    let alice = principal("alice");
    let context = Context::default();
    let request = Request {
        principal: &alice,
        action: "ecr:PutImage",
        resource: REPOSITORY,
        resource_account: ACCOUNT,
        context: &context,
    };
    let decision = iam::decide(&request, &Policies { identity: &identity, ..Policies::default() });
    let deciding = Matched {
        source: Source::Identity,
        policy_name: "inline".to_owned(),
        statement: 1,
        sid: Some("NoPush".to_owned()),
        effect: Effect::Deny,
        start: Position { line: 5, column: 5 },
        end: Position { line: 8, column: 6 },
    };
    assert_eq!(decision.deciding(), Some(&deciding));
    assert_eq!(decision.matched.len(), 2);
    assert_eq!(
        advice(&request, &decision),
        "Denied by statement 2 (NoPush) of the identity-based policy 'inline', line 5. Remove that statement or \
         narrow it so that it no longer covers arn:aws:iam::123456789012:user/alice, ecr:PutImage or \
         arn:aws:ecr:us-east-1:123456789012:repository/team/app; no Allow can outweigh it."
    );
}

#[test]
fn advice_says_what_would_have_to_change() {
    let cases: &[(Case, &str)] = &[
        (BASE, "Attach a policy to arn:aws:iam::123456789012:user/alice that allows ecr:PutImage"),
        (BASE, "or add an Allow for this principal to the repository policy."),
        (Case { who: "builder", ..BASE }, "Attach a policy to arn:aws:iam::123456789012:role/ci/Builder that"),
        (Case { who: "olga", ..BASE }, "so its own policies must allow the action as well."),
        (
            Case { who: "olga", repository: &[to!("*")], ..BASE },
            "on arn:aws:ecr:us-east-1:123456789012:repository/team/app.",
        ),
        (Case { who: "anonymous", ..BASE }, "Add an Allow for anonymous and ecr:PutImage to the policy of"),
        (Case { identity: &[ALLOW], boundary: &[ALLOW_PULL], ..BASE }, "Widen the boundary"),
        (Case { identity: &[ALLOW], session: &[&[ALLOW_PULL]], ..BASE }, "Make a new session"),
        (Case { identity: &[ALLOW], scope: &[ALLOW_PULL], ..BASE }, "Use a token with a wider scope."),
        (
            Case { identity: &[ALLOW], ..BASE },
            "Allowed by statement 1 of the identity-based policy 'Identity', line 1.",
        ),
        (Case { who: "root", ..BASE }, "is the root of the account"),
    ];
    for (case, expected) in cases {
        let principal = principal(case.who);
        let context = Context::default();
        let request = Request {
            principal: &principal,
            action: case.action,
            resource: case.resource,
            resource_account: ACCOUNT,
            context: &context,
        };
        let text = advice(&request, &case.decide());
        assert!(text.contains(expected), "{text}\nhas no: {expected}");
    }
}

#[test]
fn named_principals_are_listed() {
    const TEXT: &str = r#"{"Statement":[
        {"Effect":"Allow","Principal":{"AWS":["123456789012","arn:aws:iam::123456789012:user/a"],"Service":"x.amazonaws.com"},"Action":"ecr:*"},
        {"Effect":"Deny","NotPrincipal":{"AWS":["*","AIDAALICEALICEALICE1"]},"Action":"ecr:*"}]}"#;
    let policy = Policy::parse(PolicyKind::Repository, TEXT).expect("a policy");
    let named: Vec<&str> = policy.aws_principals().collect();
    assert_eq!(named, ["123456789012", "arn:aws:iam::123456789012:user/a", "AIDAALICEALICEALICE1"]);
}
