//! What grants of KMS keys allow, and what whoever has one may grant on (KMS Developer Guide, "Grants in AWS KMS").
//!
//! A grant is compared with what a request holds as it stands: unlike condition keys, the names of an encryption
//! context differ by case.

use std::collections::BTreeMap;

use iam::{Policy, PolicyKind, Principal};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::blob::EncryptionContext;
use store::error::{StoreError, StoreErrorKind};
use store::tables::kms_grants::{GrantConstraints, GrantOperation, KmsGrant};

use super::authorize::Need;
use super::caller::Caller;

/// The condition keys that hold an encryption context begin so.
const CONTEXT_KEY: &str = "kms:EncryptionContext:";

/// What a grant that is to be made allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantTerms {
    /// Its operations.
    pub operations: Vec<GrantOperation>,
    /// For which requests.
    pub constraints: GrantConstraints,
}

/// The names by which grants of KMS keys can be made to a caller; none of nobody, whose account is not its own.
pub fn grantee_names(caller: &Caller) -> Vec<String> {
    if caller.anonymous().is_some() {
        return Vec::new();
    }
    let mut names = vec![caller.principal.arn().into_owned()];
    match &*caller.principal {
        Principal::AssumedRole { role_arn, .. } => names.push(role_arn.clone()),
        Principal::FederatedUser { user: Some(user), .. } => names.push(user.arn.clone()),
        _ => {}
    }
    names.push(format!("arn:aws:iam::{}:root", caller.account));
    names.dedup();
    names
}

/// Whether a grant of a key allows its grantee what a request needs on the key.
pub fn covers(grant: &KmsGrant, need: &Need) -> bool {
    let operation = need.action.as_str().strip_prefix("kms:").and_then(|name| name.parse().ok());
    let Some(operation) = operation.filter(|operation| grant.operations.contains(operation)) else { return false };
    match operation {
        GrantOperation::CreateGrant => need.new_grant.as_deref().is_some_and(|new| is_within(new, grant)),
        // A grant lets its grantee retire that grant and no other, which RetireGrant looks at.
        GrantOperation::RetireGrant => false,
        // It takes no encryption context, so that a grant's constraints do not limit it.
        GrantOperation::DescribeKey => true,
        GrantOperation::Encrypt
        | GrantOperation::Decrypt
        | GrantOperation::GenerateDataKey
        | GrantOperation::GenerateDataKeyWithoutPlaintext
        | GrantOperation::ReEncryptFrom
        | GrantOperation::ReEncryptTo => allows_context(&grant.constraints, &context_of(need)),
    }
}

/// Whether a new grant allows nothing that its maker's grant does not: some of its operations, under constraints that
/// are as strict.
fn is_within(new: &GrantTerms, grant: &KmsGrant) -> bool {
    new.operations.iter().all(|operation| grant.operations.contains(operation))
        && is_as_strict(&new.constraints, &grant.constraints)
}

/// Whether every encryption context that `new` allows is one that `old` allows.
fn is_as_strict(new: &GrantConstraints, old: &GrantConstraints) -> bool {
    let has = |(name, value): (&String, &String)| {
        [&new.subset, &new.equals].into_iter().flatten().any(|pairs| pairs.get(name) == Some(value))
    };
    old.subset.as_ref().is_none_or(|pairs| pairs.iter().all(has))
        && old.equals.as_ref().is_none_or(|pairs| new.equals.as_ref() == Some(pairs))
}

fn allows_context(constraints: &GrantConstraints, context: &EncryptionContext) -> bool {
    let has = |(name, value): (&String, &String)| context.get(name) == Some(value);
    constraints.subset.as_ref().is_none_or(|pairs| pairs.iter().all(has))
        && constraints.equals.as_ref().is_none_or(|pairs| pairs == context)
}

/// The encryption context that a request has.
fn context_of(need: &Need) -> EncryptionContext {
    let pair = |(key, values): &(String, Vec<String>)| {
        Some((key.strip_prefix(CONTEXT_KEY)?.to_owned(), values.first()?.clone()))
    };
    need.keys.iter().filter_map(pair).collect::<BTreeMap<_, _>>()
}

/// What allows a principal an action on a key, in the words of a key policy.
pub fn statement(principal: &str, action: &str) -> Value {
    json!({"Effect": "Allow", "Principal": {"AWS": principal}, "Action": action, "Resource": "*"})
}

/// A key policy with further statements; its own are left as they are written, to the last digit. None if it has none.
pub fn extended(policy: &str, statements: &[Value]) -> Option<String> {
    let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(policy).ok()?;
    let own = members.remove("Statement")?;
    let own: Vec<&RawValue> =
        if own.get().starts_with('[') { serde_json::from_str(own.get()).ok()? } else { vec![&own] };
    let all = own.into_iter().map(RawValue::get).map(str::to_owned).chain(statements.iter().map(Value::to_string));
    let all = RawValue::from_string(format!("[{}]", all.collect::<Vec<_>>().join(","))).ok()?;
    members.insert("Statement".to_owned(), all);
    serde_json::to_string(&members).ok()
}

/// The key policy that is made of such statements, of a resource of that ARN.
pub fn policy(arn: &str, document: &str) -> Result<Policy, StoreError> {
    Policy::parse(PolicyKind::Key, document).map_err(|error| {
        StoreError::new(StoreErrorKind::Corrupt, format!("the grants of {arn} are not what was stored"))
            .with_source(error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::action::Action;
    use crate::auth::authorize::NeededAction;

    #[test]
    fn a_policy_is_extended_as_it_is_written() {
        let more = statement("arn:aws:iam::123456789012:user/a", Action::KmsDecrypt.as_str());
        let own = r#"{"Effect": "Deny", "Condition": {"NumericEquals": {"a:b": 18446744073709551617}}}"#;
        for text in
            [format!(r#"{{"Version": "2012-10-17", "Statement": [ {own} ]}}"#), format!(r#"{{"Statement":{own}}}"#)]
        {
            let extended = extended(&text, std::slice::from_ref(&more)).expect("a policy");
            assert!(extended.contains(own) && extended.contains(&more.to_string()), "{extended}");
            assert_eq!(extended.contains("2012-10-17"), text.contains("2012-10-17"));
        }
        assert_eq!(extended("{}", std::slice::from_ref(&more)), None);
    }

    const NAMES: [&str; 3] = ["a", "A", "b"];
    const VALUES: [&str; 2] = ["1", "2"];
    const OPERATIONS: [GrantOperation; 4] =
        [GrantOperation::Encrypt, GrantOperation::Decrypt, GrantOperation::CreateGrant, GrantOperation::DescribeKey];

    fn grant(terms: GrantTerms) -> KmsGrant {
        KmsGrant {
            grant_id: "0".repeat(64),
            kms_key_id: 1,
            grantee: "arn:aws:iam::123456789012:user/a".to_owned(),
            retiring: None,
            issuing_account: "arn:aws:iam::123456789012:root".to_owned(),
            name: None,
            operations: terms.operations,
            constraints: terms.constraints,
            created_at_ms: 0,
        }
    }

    fn contexts() -> impl Strategy<Value = EncryptionContext> {
        let pair = (proptest::sample::select(&NAMES[..]), proptest::sample::select(&VALUES[..]));
        proptest::collection::btree_map(pair.prop_map(|(name, value)| (name, value)), Just(()), 0..3)
            .prop_map(|pairs| pairs.into_keys().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    fn terms() -> impl Strategy<Value = GrantTerms> {
        let operations = proptest::sample::subsequence(OPERATIONS.to_vec(), 1..=OPERATIONS.len());
        let constraints = (proptest::option::of(contexts()), proptest::option::of(contexts()));
        (operations, constraints).prop_map(|(operations, (subset, equals))| GrantTerms {
            operations,
            constraints: GrantConstraints { subset, equals },
        })
    }

    /// Every encryption context of the names and values above.
    fn every_context() -> Vec<EncryptionContext> {
        let mut all = vec![EncryptionContext::new()];
        for name in NAMES {
            let known = all.clone();
            for value in VALUES {
                all.extend(known.iter().cloned().map(|mut context| {
                    context.insert(name.to_owned(), value.to_owned());
                    context
                }));
            }
        }
        all
    }

    fn need(operation: GrantOperation, context: &EncryptionContext) -> Need {
        let mut need = Need::anywhere(Action::KmsDecrypt);
        need.action = NeededAction::Explained(format!("kms:{}", operation.as_str()));
        context.iter().fold(need, |need, (name, value)| need.with(format!("{CONTEXT_KEY}{name}"), [value]))
    }

    proptest! {
        /// However long the chain of grants, its end allows nothing that its beginning does not.
        #[test]
        fn the_closure_of_grants_never_widens(first in terms(), wishes in proptest::collection::vec(terms(), 1..6)) {
            let first = grant(first);
            let mut last = first.clone();
            for wish in wishes {
                let mut asks = need(GrantOperation::CreateGrant, &EncryptionContext::new());
                asks.new_grant = Some(Box::new(wish.clone()));
                if covers(&last, &asks) {
                    last = grant(wish);
                }
            }
            for context in every_context() {
                for operation in OPERATIONS.into_iter().filter(|operation| *operation != GrantOperation::CreateGrant) {
                    let asks = need(operation, &context);
                    prop_assert!(!covers(&last, &asks) || covers(&first, &asks), "{operation:?} {context:?}");
                }
            }
        }

        /// What is refused would have widened: the rule is no stricter than it must be.
        #[test]
        fn what_does_not_widen_may_be_granted(old in terms(), new in terms()) {
            let widens = every_context().iter().any(|context| {
                allows_context(&new.constraints, context) && !allows_context(&old.constraints, context)
            });
            let allows_anything = every_context().iter().any(|context| allows_context(&new.constraints, context));
            // With names and values that are not among those above, an unconstrained grant allows more than any other.
            let is_open = new.constraints.subset.is_none() && new.constraints.equals.is_none();
            let was_open = old.constraints.subset.as_ref().is_none_or(BTreeMap::is_empty) && old.constraints.equals.is_none();
            let is_wider = widens || (is_open && !was_open);
            if allows_anything {
                prop_assert_eq!(is_as_strict(&new.constraints, &old.constraints), !is_wider);
            }
        }
    }

    #[test]
    fn names_of_a_context_differ_by_case() {
        let subset = Some([("Team".to_owned(), "a".to_owned())].into());
        let made = grant(GrantTerms {
            operations: vec![GrantOperation::Decrypt],
            constraints: GrantConstraints { subset, equals: None },
        });
        for (name, is_allowed) in [("Team", true), ("team", false)] {
            let context = [(name.to_owned(), "a".to_owned())].into();
            assert_eq!(covers(&made, &need(GrantOperation::Decrypt, &context)), is_allowed, "{name}");
        }
    }
}
