//! What was decided, and how it is explained.

use crate::{Effect, Position, Principal, Request, Source};

/// Whether a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    Allowed,
    /// A statement denies it.
    ExplicitDeny,
    /// Nothing denies it, but something that must allow it does not.
    ImplicitDeny,
}

/// What decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// A Deny in this kind of policy.
    DeniedBy(Source),
    /// This kind of policy must allow it, and does not.
    NotAllowedBy(Source),
    /// An Allow in this kind of policy.
    AllowedBy(Source),
    /// The owner of the account may do everything in it.
    Root,
}

/// A statement that matched the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched {
    pub source: Source,
    pub policy_name: String,
    /// From 0, as in [`crate::Policy::statements`].
    pub statement: usize,
    pub sid: Option<String>,
    pub effect: Effect,
    pub start: Position,
    pub end: Position,
}

/// The answer, with every statement that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub outcome: Outcome,
    pub reason: Reason,
    pub matched: Vec<Matched>,
}

impl Decision {
    pub(crate) fn new(reason: Reason, matched: Vec<Matched>) -> Self {
        let outcome = match reason {
            Reason::DeniedBy(_) => Outcome::ExplicitDeny,
            Reason::NotAllowedBy(_) => Outcome::ImplicitDeny,
            Reason::AllowedBy(_) | Reason::Root => Outcome::Allowed,
        };
        Self { outcome, reason, matched }
    }

    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }

    /// The statement that decided; none for root and where nothing matched.
    pub fn deciding(&self) -> Option<&Matched> {
        let (source, effect) = match self.reason {
            Reason::DeniedBy(source) => (source, Effect::Deny),
            Reason::AllowedBy(source) => (source, Effect::Allow),
            Reason::NotAllowedBy(_) | Reason::Root => return None,
        };
        self.matched.iter().find(|matched| matched.source == source && matched.effect == effect)
    }

    /// What follows "... on resource: X" in the message of a denial (reference/access.md 5, "Denied text"); empty if
    /// allowed.
    pub fn because(&self, action: &str) -> String {
        match self.reason {
            Reason::DeniedBy(source) => format!(" with an explicit deny in {} {}", article(source), name(source)),
            Reason::NotAllowedBy(source) => format!(" because no {} allows the {action} action", name(source)),
            Reason::AllowedBy(_) | Reason::Root => String::new(),
        }
    }
}

/// A kind of policy with its article, as people call it.
pub fn source_name(source: Source) -> String {
    let kind = match source {
        Source::Repository => "policy of the resource",
        Source::Registry => "policy of the registry",
        Source::Identity | Source::Boundary | Source::Session | Source::Trust | Source::RobotScope => name(source),
    };
    let article = if matches!(source, Source::Repository | Source::Registry) { "the" } else { article(source) };
    format!("{article} {kind}")
}

fn name(source: Source) -> &'static str {
    match source {
        Source::Identity => "identity-based policy",
        Source::Boundary => "permissions boundary",
        Source::Session => "session policy",
        Source::Repository | Source::Registry => "resource-based policy",
        Source::Trust => "role trust policy",
        Source::RobotScope => "robot token scope",
    }
}

fn article(source: Source) -> &'static str {
    match source {
        Source::Identity => "an",
        Source::Trust => "the",
        Source::Boundary | Source::Session | Source::Repository | Source::Registry | Source::RobotScope => "a",
    }
}

/// One or two plain sentences: what decided, and what would have to change.
pub fn advice(request: &Request<'_>, decision: &Decision) -> String {
    let Request { action, resource, .. } = request;
    let who = request.principal.arn();
    match decision.reason {
        Reason::Root => {
            format!("Allowed: {who} is the root of the account. Only a Deny in a resource policy stops it.")
        }
        Reason::AllowedBy(source) => {
            format!("Allowed by {}. A Deny in any policy in force would take it away.", statement(source, decision))
        }
        Reason::DeniedBy(source) => format!(
            "Denied by {}. Remove that statement or narrow it so that it no longer covers {who}, {action} or \
             {resource}; no Allow can outweigh it.",
            statement(source, decision)
        ),
        Reason::NotAllowedBy(Source::Identity) => {
            let or_else = match request.principal.account() {
                Some(account) if account == request.resource_account && *resource != "*" => {
                    ", or add an Allow for this principal to the repository policy"
                }
                Some(_) | None => "",
            };
            format!("Attach a policy to {} that allows {action} on {resource}{or_else}.", attachable(request.principal))
        }
        Reason::NotAllowedBy(Source::Boundary) => format!(
            "The permissions boundary of {} leaves {action} on {resource} out. Widen the boundary or remove it.",
            attachable(request.principal)
        ),
        Reason::NotAllowedBy(Source::Session) => format!(
            "The policy passed when the session {who} was made leaves {action} on {resource} out. Make a new session \
             with a wider policy, or with none."
        ),
        Reason::NotAllowedBy(Source::RobotScope) => {
            format!("The scope of the robot token leaves {action} on {resource} out. Use a token with a wider scope.")
        }
        Reason::NotAllowedBy(Source::Repository | Source::Registry) => {
            let also = match request.principal.account() {
                Some(account) if account != request.resource_account => format!(
                    " Account {account} is not the owner ({}), so its own policies must allow the action as well.",
                    request.resource_account
                ),
                Some(_) | None => String::new(),
            };
            format!("Add an Allow for {who} and {action} to the policy of {resource}.{also}")
        }
        Reason::NotAllowedBy(Source::Trust) => {
            format!("Add an Allow for {who} and {action} to the trust policy of {resource}.")
        }
    }
}

/// What a policy can be attached to so that it speaks for the principal.
fn attachable(principal: &Principal) -> std::borrow::Cow<'_, str> {
    match principal {
        Principal::AssumedRole { role_arn, .. } => role_arn.into(),
        Principal::Root { .. }
        | Principal::User { .. }
        | Principal::FederatedUser { .. }
        | Principal::WebIdentity { .. }
        | Principal::Service { .. }
        | Principal::Anonymous => principal.arn(),
    }
}

fn statement(source: Source, decision: &Decision) -> String {
    let Some(matched) = decision.deciding() else {
        return format!("the {}", name(source));
    };
    let sid = matched.sid.as_ref().map(|sid| format!(" ({sid})")).unwrap_or_default();
    format!(
        "statement {}{sid} of the {} '{}', line {}",
        matched.statement + 1,
        name(source),
        matched.policy_name,
        matched.start.line
    )
}
