//! The evaluation logic (reference/access.md 5; IAM User Guide, "Policy evaluation logic").

use crate::principal::Grant;
use crate::{Attached, Decision, Effect, Matched, Policies, PolicyKind, Principal, Reason, Request, Source, Statement};

/// Collects what the policies say about one request.
pub(crate) struct Survey<'a> {
    request: &'a Request<'a>,
    matched: Vec<Matched>,
    denied_by: Option<Source>,
}

impl<'a> Survey<'a> {
    pub(crate) fn new(request: &'a Request<'a>) -> Self {
        Self { request, matched: Vec::new(), denied_by: None }
    }

    /// Reads one policy; how far its Allows reach.
    pub(crate) fn read(&mut self, source: Source, attached: &Attached) -> Grant {
        let mut allowed = Grant::None;
        for (index, statement) in attached.policy.statements().iter().enumerate() {
            let grant = statement.grant(self.request);
            if grant == Grant::None {
                continue;
            }
            match statement.effect {
                Effect::Allow => allowed = allowed.max(grant),
                Effect::Deny => self.denied_by = self.denied_by.or(Some(source)),
            }
            self.matched.push(matched(source, attached, index, statement));
        }
        allowed
    }

    /// Reads policies of which one must allow.
    pub(crate) fn read_all<'b>(&mut self, source: Source, attached: impl IntoIterator<Item = &'b Attached>) -> bool {
        // Every one is read, since a Deny may follow an Allow.
        attached.into_iter().fold(false, |allowed, policy| (self.read(source, policy) > Grant::None) | allowed)
    }

    /// Ends with the first Deny, if there is one; else with what `reason` says.
    pub(crate) fn conclude(self, reason: Reason) -> Decision {
        Decision::new(self.denied_by.map_or(reason, Reason::DeniedBy), self.matched)
    }
}

/// What the policies of the caller's side say; an absent limit allows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallerSide {
    identity: bool,
    boundary: bool,
    session: bool,
    scope: bool,
}

impl CallerSide {
    pub(crate) fn read(survey: &mut Survey<'_>, principal: &Principal, policies: &Policies<'_>) -> Self {
        // Nothing can be attached to root but what came with its credentials (reference/access.md 5: "only Deny in resource
        // policy").
        let is_root = matches!(principal, Principal::Root { .. } | Principal::FederatedUser { user: None, .. });
        let identity = is_root || survey.read_all(Source::Identity, policies.of_identity());
        let boundary =
            is_root || policies.boundary.is_none_or(|boundary| survey.read(Source::Boundary, boundary) > Grant::None);
        let session =
            policies.session.iter().fold(true, |allowed, union| survey.read_all(Source::Session, *union) & allowed);
        let scope = policies.scope.is_none_or(|scope| survey.read(Source::RobotScope, scope) > Grant::None);
        Self { identity, boundary, session, scope }
    }

    /// What is missing for an Allow, given how far a resource policy's grant reaches.
    pub(crate) fn missing(self, principal: &Principal, grant: Grant) -> Option<Source> {
        let needs_identity = grant < Grant::Role;
        let needs_boundary = grant < Grant::Direct;
        // The ARN of a user names the user, not a session of it with a policy of its own.
        let needs_session =
            grant < Grant::Direct || matches!(principal, Principal::User { .. } | Principal::Root { .. });
        [
            (needs_identity && !self.identity, Source::Identity),
            (needs_boundary && !self.boundary, Source::Boundary),
            (needs_session && !self.session, Source::Session),
            (!self.scope, Source::RobotScope),
        ]
        .into_iter()
        .find_map(|(is_missing, source)| is_missing.then_some(source))
    }
}

/// A Deny that does not match as condition keys have no value, and might if they had one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenDeny {
    pub statement: Matched,
    /// As the policy spells them.
    pub keys: Vec<String>,
}

/// Every such Deny of the policies in force, for whoever asks about a request of which not all is known.
pub fn open_denies(request: &Request<'_>, policies: &Policies<'_>) -> Vec<OpenDeny> {
    let is_root = matches!(request.principal, Principal::Root { .. } | Principal::FederatedUser { user: None, .. });
    let of_identity = policies.of_identity().map(|attached| (Source::Identity, attached));
    let boundary = policies.boundary.map(|attached| (Source::Boundary, attached));
    let of_session = policies.session.iter().copied().flatten().map(|attached| (Source::Session, attached));
    let scope = policies.scope.map(|attached| (Source::RobotScope, attached));
    let repository = policies.repository.map(|attached| (Source::Repository, attached));
    let registry = policies.registry.map(|attached| (Source::Registry, attached));
    let of_caller = of_identity.chain(boundary).filter(|_| !is_root);
    let mut open = Vec::new();
    for (source, attached) in of_caller.chain(of_session).chain(scope).chain(repository).chain(registry) {
        for (index, statement) in attached.policy.statements().iter().enumerate() {
            if statement.effect == Effect::Deny {
                let keys: Vec<String> = statement.missing_keys(request).into_iter().map(str::to_owned).collect();
                if !keys.is_empty() {
                    open.push(OpenDeny { statement: matched(source, attached, index, statement), keys });
                }
            }
        }
    }
    open
}

fn matched(source: Source, attached: &Attached, index: usize, statement: &Statement) -> Matched {
    Matched {
        source,
        policy_name: attached.name.clone(),
        statement: index,
        sid: statement.sid.clone(),
        effect: statement.effect,
        start: statement.start,
        end: statement.end,
    }
}

/// What the root user may do with the resource policies and key policies of its account, whatever these say: nobody can
/// lock an account out of what it owns.
const OWNER_ACTIONS: [&str; 13] = [
    "ecr:GetRepositoryPolicy",
    "ecr:SetRepositoryPolicy",
    "ecr:DeleteRepositoryPolicy",
    "ecr:GetRegistryPolicy",
    "ecr:PutRegistryPolicy",
    "ecr:DeleteRegistryPolicy",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:DeleteResourcePolicy",
    "secretsmanager:ValidateResourcePolicy",
    "kms:GetKeyPolicy",
    "kms:ListKeyPolicies",
    "kms:PutKeyPolicy",
];

/// Decides a request.
///
/// The root user of the owner's account may read, set and delete resource policies whatever they say; what limits its
/// credentials counts. All else is as [`decide_as_written`] says.
pub fn decide(request: &Request<'_>, policies: &Policies<'_>) -> Decision {
    let is_owner =
        matches!(request.principal, Principal::Root { account } if account.as_str() == request.resource_account);
    if is_owner && OWNER_ACTIONS.contains(&request.action) {
        return decide_as_written(request, &Policies { repository: None, registry: None, ..*policies });
    }
    decide_as_written(request, policies)
}

/// Decides a request by what the policies say, also for the root user.
///
/// Any Deny wins. In the owner's account an identity policy or a direct grant of a resource policy allows; from another
/// account both must. Boundary, session policies and scope limit as [`Policies`] says.
pub fn decide_as_written(request: &Request<'_>, policies: &Policies<'_>) -> Decision {
    let mut survey = Survey::new(request);
    let repository = policies.repository.map_or(Grant::None, |repository| survey.read(Source::Repository, repository));
    let registry = policies.registry.map_or(Grant::None, |registry| survey.read(Source::Registry, registry));
    let (grant, granted_by) =
        if repository >= registry { (repository, Source::Repository) } else { (registry, Source::Registry) };
    let principal = request.principal;

    let Some(account) = principal.account() else {
        // Services and the anonymous have no policies of their own.
        let scope = policies.scope.is_none_or(|scope| survey.read(Source::RobotScope, scope) > Grant::None);
        return survey.conclude(match (grant, scope) {
            (Grant::None, _) => Reason::NotAllowedBy(Source::Repository),
            (_, false) => Reason::NotAllowedBy(Source::RobotScope),
            (_, true) => Reason::AllowedBy(granted_by),
        });
    };

    let caller = CallerSide::read(&mut survey, principal, policies);
    let reason = if account == request.resource_account {
        let is_root = matches!(principal, Principal::Root { .. });
        // KMS Developer Guide, "Key policies": whom the key's policy does not allow, nothing else does, not even root.
        let is_key = policies.repository.is_some_and(|attached| attached.policy.kind() == PolicyKind::Key);
        match caller.missing(principal, grant) {
            _ if is_key && grant == Grant::None => Reason::NotAllowedBy(Source::Repository),
            Some(source) => Reason::NotAllowedBy(source),
            None if is_root => Reason::Root,
            None if grant >= Grant::Role => Reason::AllowedBy(granted_by),
            None => Reason::AllowedBy(Source::Identity),
        }
    } else if grant == Grant::None {
        Reason::NotAllowedBy(Source::Repository)
    } else {
        // Across accounts the owner's grant replaces nothing on the caller's side.
        caller.missing(principal, Grant::None).map_or(Reason::AllowedBy(granted_by), Reason::NotAllowedBy)
    };
    survey.conclude(reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Policy};

    #[test]
    fn a_deny_that_hangs_on_a_key_without_a_value() {
        let user = Principal::Root { account: "111111111111".to_owned() };
        let open = |statement: &str, context: &Context| {
            let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{statement}]}}"#);
            let policy = Policy::parse(PolicyKind::Identity, &text).expect("valid");
            let session = [Attached { name: "limits".to_owned(), policy }];
            let request = Request {
                principal: &user,
                action: "ecr:PutImage",
                resource: "arn:aws:ecr:us-east-1:111111111111:repository/app",
                resource_account: "111111111111",
                context,
            };
            let session: [&[Attached]; 1] = [&session];
            open_denies(&request, &Policies { session: &session, ..Policies::default() })
        };
        let deny = |more: &str| format!(r#"{{"Effect": "Deny", "Action": "ecr:PutImage", "Resource": "*", {more}}}"#);
        let tag = deny(r#""Condition": {"StringLike": {"ecr:ImageTag": "prod-*"}}"#);
        let mut with_tag = Context::default();
        with_tag.set("ecr:ImageTag", "v1");
        let found = open(&tag, &Context::default());
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].keys.as_slice(), found[0].statement.statement), (&["ecr:ImageTag".to_owned()][..], 0));
        assert!(open(&tag, &with_tag).is_empty(), "it has a value");
        let both = r#""Condition": {"StringLike": {"ecr:ImageTag": "prod-*", "aws:username": "ci"}}"#;
        assert_eq!(open(&deny(both), &with_tag).len(), 0, "another tag would be needed as well");
        assert_eq!(open(&deny(both), &Context::default())[0].keys.len(), 2);
        let other = tag.replace("ecr:PutImage", "ecr:DeleteRepository");
        assert!(open(&other, &Context::default()).is_empty(), "another action");
        assert!(open(&tag.replace("Deny", "Allow"), &Context::default()).is_empty());
    }
}
