//! A policy that was read: its statements, ready to be matched.

use std::collections::BTreeSet;
use std::mem::size_of;
use std::sync::{Arc, Weak};

use crate::action::Actions;
use crate::condition::Condition;
use crate::principal::{Grant, PrincipalPattern, Principals};
use crate::resource::Resources;
use crate::{Position, Request, held};

/// The longest text that is read. Every quota of AWS is far below (6,144 to 10,240 characters); those are the caller's.
pub const MAX_POLICY_BYTES: usize = 100 * 1024;

/// The most memory that a policy takes once it is read. No text that a quota of AWS lets through comes near it; one that
/// is all short values may take thirty times its length.
pub const MAX_HELD_BYTES: usize = 1024 * 1024;

/// What a policy is attached to; decides which elements it must and may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// A user, group or role; also boundaries, session policies and the scopes of robot tokens.
    Identity,
    /// A role, for who may take it on.
    Trust,
    Repository,
    Registry,
    /// A secret of Secrets Manager.
    Secret,
    /// A key of KMS: alone among all, it must give the account power before identity policies count.
    Key,
}

/// Whether a statement lets in or keeps out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Effect {
    Allow,
    Deny,
}

/// A policy, read, checked and compiled. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Policy(Arc<Compiled>);

/// A policy as long as somebody else holds it.
#[derive(Clone, Debug)]
pub struct WeakPolicy(Weak<Compiled>);

#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) kind: PolicyKind,
    pub(crate) statements: Vec<Statement>,
    pub(crate) keys: BTreeSet<String>,
}

/// One statement.
#[derive(Debug)]
pub struct Statement {
    pub sid: Option<String>,
    pub effect: Effect,
    /// Where its `{` stands in the text.
    pub start: Position,
    /// The column after its `}`.
    pub end: Position,
    pub(crate) principals: Option<Principals>,
    pub(crate) actions: Actions,
    /// None in a policy that is about the resource it is attached to.
    pub(crate) resources: Option<Resources>,
    pub(crate) conditions: Vec<Condition>,
}

impl Policy {
    pub(crate) fn new(compiled: Compiled) -> Self {
        Self(Arc::new(compiled))
    }

    /// The memory that it takes, however often it is cloned.
    pub fn held_bytes(&self) -> usize {
        self.0.held_bytes()
    }

    /// The policy, without holding it.
    pub fn downgrade(&self) -> WeakPolicy {
        WeakPolicy(Arc::downgrade(&self.0))
    }

    /// What it was read as.
    pub fn kind(&self) -> PolicyKind {
        self.0.kind
    }

    /// In the order of the text.
    pub fn statements(&self) -> &[Statement] {
        &self.0.statements
    }

    /// Every condition key that the policy reads, in lower case, in conditions and as policy variables: what a decision
    /// depends on beside principal, action and resource.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys.iter().map(String::as_str)
    }

    /// Whether every statement names no other actions than these, each spelled out.
    pub fn is_only_about(&self, actions: &[&str]) -> bool {
        self.0.statements.iter().all(|statement| statement.actions.are_among(actions))
    }

    /// Whether a statement has `Resource` or `NotResource`.
    pub fn names_resources(&self) -> bool {
        self.0.statements.iter().any(|statement| statement.resources.is_some())
    }

    /// Whether a statement lets everybody in without a condition.
    pub fn is_public(&self) -> bool {
        self.0.statements.iter().any(|statement| {
            let principals = statement.principals.as_ref();
            statement.effect == Effect::Allow
                && statement.conditions.is_empty()
                && principals.is_some_and(|principals| {
                    principals.negated || principals.patterns.contains(&PrincipalPattern::Everyone)
                })
        })
    }

    /// The AWS principals that it names, as written: ARNs, account ids, unique ids; not `*`.
    pub fn aws_principals(&self) -> impl Iterator<Item = &str> {
        let principals = self.0.statements.iter().filter_map(|statement| statement.principals.as_ref());
        principals.flat_map(|principals| principals.patterns.iter().filter_map(PrincipalPattern::aws_text))
    }
}

impl WeakPolicy {
    /// The policy, if somebody holds it still.
    pub fn upgrade(&self) -> Option<Policy> {
        self.0.upgrade().map(Policy)
    }

    /// Whether somebody holds it still.
    pub fn is_held(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl Compiled {
    fn held_bytes(&self) -> usize {
        // The counts of an `Arc` are two words.
        let itself = size_of::<Self>() + 2 * size_of::<usize>();
        let statements = held::list::<Statement>(self.statements.capacity());
        itself
            + statements
            + self.statements.iter().map(Statement::heap_bytes).sum::<usize>()
            + held::set(self.keys.iter())
    }
}

impl Statement {
    /// What it takes of the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.sid.as_ref().map_or(0, held::string)
            + self.principals.as_ref().map_or(0, Principals::heap_bytes)
            + self.actions.heap_bytes()
            + self.resources.as_ref().map_or(0, Resources::heap_bytes)
            + held::list::<Condition>(self.conditions.capacity())
            + self.conditions.iter().map(Condition::heap_bytes).sum::<usize>()
    }

    /// How far the statement reaches: `None` unless every element matches the request.
    pub(crate) fn grant(&self, request: &Request<'_>) -> Grant {
        if !self.actions.covers(request.action, request.context) {
            return Grant::None;
        }
        let grant = match &self.principals {
            Some(principals) => principals.grant(self.effect, request.principal),
            None => Grant::Direct,
        };
        let matches = grant > Grant::None
            && self
                .resources
                .as_ref()
                .is_none_or(|resources| resources.covers(request.resource, request.context, self.effect))
            && self.conditions.iter().all(|condition| condition.holds(request.context, self.effect));
        if matches { grant } else { Grant::None }
    }

    /// The condition keys without a value that alone keep the statement from matching the request; none if it matches, or
    /// would not match whatever they were.
    pub(crate) fn missing_keys(&self, request: &Request<'_>) -> Vec<&str> {
        let Request { context, .. } = request;
        let is_about = self.actions.covers(request.action, context)
            && self
                .principals
                .as_ref()
                .is_none_or(|principals| principals.grant(self.effect, request.principal) > Grant::None)
            && self.resources.as_ref().is_none_or(|resources| resources.covers(request.resource, context, self.effect));
        let unmet = || self.conditions.iter().filter(|condition| !condition.holds(context, self.effect));
        if !is_about || unmet().any(|condition| context.get_lower(&condition.key).is_some()) {
            return Vec::new();
        }
        unmet().map(|condition| condition.written_key.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_that_a_policy_is_about() {
        let policy = |element: &str| {
            let text = format!(
                r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": "*", "Resource": "*", {element}}}]}}"#
            );
            Policy::parse(PolicyKind::Registry, &text).expect("valid")
        };
        for (element, is_only) in [
            (r#""Action": "ecr:ReplicateImage""#, true),
            (r#""Action": ["ECR:replicateimage", "ecr:CreateRepository"]"#, true),
            (r#""Action": ["ecr:ReplicateImage", "ecr:PutImage"]"#, false),
            (r#""Action": "ecr:Replicate*""#, false),
            (r#""NotAction": "ecr:ReplicateImage""#, false),
        ] {
            assert_eq!(
                policy(element).is_only_about(&["ecr:ReplicateImage", "ecr:CreateRepository"]),
                is_only,
                "{element}"
            );
        }
    }

    #[test]
    fn policies_of_secrets() {
        let parse = |principal: &str, more: &str, action: &str| {
            let text = format!(
                r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": {principal}, "Action": "{action}"{more}}}]}}"#
            );
            Policy::parse(PolicyKind::Secret, &text)
        };
        let everywhere = r#", "Resource": "*""#;
        let read = "secretsmanager:GetSecretValue";
        for (principal, more, is_public) in [
            (r#""*""#, everywhere, true),
            (r#"{"AWS": "*"}"#, everywhere, true),
            (r#"{"AWS": "123456789012"}"#, everywhere, false),
            (r#""*""#, r#", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": "true"}}"#, false),
        ] {
            assert_eq!(parse(principal, more, read).expect("valid").is_public(), is_public, "{principal}{more}");
        }
        assert!(parse(r#""*""#, everywhere, "secretsmanager:*").is_ok());
        assert!(parse(r#""*""#, everywhere, "ecr:PutImage").is_err());
        assert!(parse(r#""*""#, "", read).is_err());
    }
}
