//! Policies that nobody would write: reading never panics, and what is read obeys the rules of evaluation.
//!
//! From `crates/iam`: `cargo +nightly fuzz run policies fuzz/corpus fuzz/seeds -- -dict=fuzz/policies.dict`.

#![no_main]

use iam::{Attached, Context, Effect, Outcome, Policies, Policy, PolicyKind, Principal, Request};
use libfuzzer_sys::fuzz_target;

const ACCOUNT: &str = "123456789012";

fn principals() -> [Principal; 6] {
    [
        Principal::Root { account: ACCOUNT.to_owned() },
        Principal::User {
            account: ACCOUNT.to_owned(),
            arn: "arn:aws:iam::123456789012:user/a".to_owned(),
            unique_id: "AIDAAAAAAAAAAAAAAAA1".to_owned(),
        },
        Principal::AssumedRole {
            account: "999988887777".to_owned(),
            role_arn: "arn:aws:iam::999988887777:role/p/r".to_owned(),
            role_unique_id: "AROAAAAAAAAAAAAAAAA1".to_owned(),
            session_arn: "arn:aws:sts::999988887777:assumed-role/r/s".to_owned(),
        },
        Principal::WebIdentity { provider_arn: "arn:aws:iam::123456789012:oidc-provider/x".to_owned() },
        Principal::Service { name: "x.amazonaws.com".to_owned() },
        Principal::Anonymous,
    ]
}

fn context() -> Context {
    let mut context = Context::default();
    context.set("aws:username", "a");
    context.set("aws:SourceIp", "10.0.0.1");
    context.set("aws:CurrentTime", "2024-03-01T12:00:00Z");
    context.set("aws:SecureTransport", "true");
    context.set("aws:PrincipalArn", "arn:aws:iam::123456789012:user/a");
    context.set_all("aws:TagKeys", ["a", "b"]);
    context
}

fn check(kind: PolicyKind, text: &str) {
    let Ok(policy) = Policy::parse(kind, text) else {
        return;
    };
    // Replacing nobody gives the same text, and the same text the same statements.
    let same = iam::replace_aws_principals(text, |_| None).expect("it was read");
    assert_eq!(same, text);
    let renamed = iam::replace_aws_principals(text, |_| Some(ACCOUNT.to_owned())).expect("it was read");
    let renamed = Policy::parse(kind, &renamed).expect("an account is a principal");
    assert_eq!(renamed.statements().len(), policy.statements().len());
    for statement in policy.statements() {
        assert!(statement.start < statement.end);
    }
    assert!(policy.keys().all(|key| key == key.to_lowercase()));

    let attached = [Attached { name: String::new(), policy }];
    let context = context();
    for principal in &principals() {
        for (action, resource) in
            [("ecr:PutImage", "arn:aws:ecr:us-east-1:123456789012:repository/a/b"), ("ecr:GetAuthorizationToken", "*")]
        {
            let request = Request { principal, action, resource, resource_account: ACCOUNT, context: &context };
            let policies = match kind {
                PolicyKind::Identity => Policies { identity: &attached, ..Policies::default() },
                PolicyKind::Repository | PolicyKind::Secret | PolicyKind::Key => Policies { repository: attached.first(), ..Policies::default() },
                PolicyKind::Registry => Policies { registry: attached.first(), ..Policies::default() },
                PolicyKind::Trust => Policies::default(),
            };
            let decision = match kind {
                PolicyKind::Trust => iam::decide_trust(&request, &attached[0], &policies),
                PolicyKind::Identity | PolicyKind::Repository | PolicyKind::Registry | PolicyKind::Secret | PolicyKind::Key => {
                    iam::decide(&request, &policies)
                }
            };
            let is_denied = decision.matched.iter().any(|matched| matched.effect == Effect::Deny);
            assert_eq!(is_denied, decision.outcome == Outcome::ExplicitDeny);
            assert!(!iam::advice(&request, &decision).is_empty());
            assert_eq!(decision.because(action).is_empty(), decision.is_allowed());
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    for kind in [PolicyKind::Identity, PolicyKind::Trust, PolicyKind::Repository, PolicyKind::Registry, PolicyKind::Secret, PolicyKind::Key] {
        check(kind, text);
    }
});
