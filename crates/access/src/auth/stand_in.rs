//! What stands in for a policy that cannot be read any more: nobody may do anything by it, as nobody knows what it forbade.
//! The root user of the account may still look at a resource's policy and put another one in its place.

use aws::AccountId;
use iam::{Policy, PolicyKind};
use serde_json::{Value, json};

use crate::action::Action;

/// The actions by which a resource's policy is looked at and replaced.
const fn care_of(kind: PolicyKind) -> &'static [Action] {
    match kind {
        PolicyKind::Identity | PolicyKind::Trust => &[],
        PolicyKind::Repository => {
            &[Action::EcrGetRepositoryPolicy, Action::EcrSetRepositoryPolicy, Action::EcrDeleteRepositoryPolicy]
        }
        PolicyKind::Registry => {
            &[Action::EcrGetRegistryPolicy, Action::EcrPutRegistryPolicy, Action::EcrDeleteRegistryPolicy]
        }
        PolicyKind::Secret => &[
            Action::SecretsManagerGetResourcePolicy,
            Action::SecretsManagerPutResourcePolicy,
            Action::SecretsManagerDeleteResourcePolicy,
        ],
        PolicyKind::Key => &[Action::KmsGetKeyPolicy, Action::KmsPutKeyPolicy],
    }
}

/// As [`care_of`], in a policy's words. Of Secrets Manager's, AWS has one more, which no operation here asks for.
fn care_in_text(kind: PolicyKind) -> Vec<&'static str> {
    let further = (kind == PolicyKind::Secret).then_some("secretsmanager:ValidateResourcePolicy");
    care_of(kind).iter().map(|action| action.as_str()).chain(further).collect()
}

/// A policy by which an identity may do nothing.
pub fn identity() -> Policy {
    parse(PolicyKind::Identity, json!([{"Effect": "Deny", "Action": "*", "Resource": "*"}]))
}

/// A policy that denies everything, to everybody but the root user of `account` who mends it.
pub fn policy(kind: PolicyKind, account: AccountId) -> Policy {
    let statements = match kind {
        PolicyKind::Identity => return identity(),
        PolicyKind::Trust => json!([{"Effect": "Deny", "Principal": "*", "Action": Action::StsAssumeRole}]),
        PolicyKind::Repository | PolicyKind::Registry | PolicyKind::Secret | PolicyKind::Key => {
            let (root, care) = (format!("arn:aws:iam::{account}:root"), care_in_text(kind));
            let mut statements = [
                json!({"Effect": "Allow", "Principal": {"AWS": root}, "Action": care}),
                json!({"Effect": "Deny", "Principal": "*", "NotAction": care}),
                json!({
                    "Effect": "Deny", "Principal": "*", "Action": care,
                    "Condition": {"StringNotEquals": {"aws:PrincipalArn": root}},
                }),
            ];
            if kind != PolicyKind::Repository {
                for statement in &mut statements {
                    statement["Resource"] = "*".into();
                }
            }
            Value::from(statements.to_vec())
        }
    };
    parse(kind, statements)
}

fn parse(kind: PolicyKind, statements: Value) -> Policy {
    let text = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
    Policy::parse(kind, &text).expect("tested below, for every kind")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_one() {
        let account: AccountId = "123456789012".parse().expect("an account");
        for kind in [
            PolicyKind::Identity,
            PolicyKind::Trust,
            PolicyKind::Repository,
            PolicyKind::Registry,
            PolicyKind::Secret,
            PolicyKind::Key,
        ] {
            assert_eq!(policy(kind, account).kind(), kind);
        }
    }
}
