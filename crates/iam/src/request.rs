//! What is decided on: a request, and the policies in force for it.

use crate::{Context, Policy, Principal};

/// One action of one principal on one resource.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub principal: &'a Principal,
    /// `service:Action`.
    pub action: &'a str,
    /// The ARN, or `*` for an action that has no resource (reference/access.md 1).
    pub resource: &'a str,
    /// The account that owns the resource.
    pub resource_account: &'a str,
    pub context: &'a Context,
}

/// What a policy is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    Identity,
    Boundary,
    Session,
    Repository,
    Registry,
    Trust,
    RobotScope,
}

/// A policy in force, with the name under which a reason names it: its ARN, or its inline name.
#[derive(Clone, Debug)]
pub struct Attached {
    pub name: String,
    pub policy: Policy,
}

/// Every policy that speaks about a request. What is not given does not limit and does not grant.
#[derive(Clone, Copy, Debug, Default)]
pub struct Policies<'a> {
    /// Of the user or role itself.
    pub identity: &'a [Attached],
    /// Of the user's groups, each group's as one; they count as the user's own.
    pub groups: &'a [&'a [Attached]],
    /// The permissions boundary of the user or role.
    pub boundary: Option<&'a Attached>,
    /// Each inner slice must allow, by any of its policies: a session's own policy and its managed ones are one slice.
    /// As in AWS they do not limit a resource policy's grant to exactly the session.
    pub session: &'a [&'a [Attached]],
    /// What a robot token is limited to. Unlike a session policy it limits every grant, whoever makes it.
    pub scope: Option<&'a Attached>,
    /// Of the repository.
    pub repository: Option<&'a Attached>,
    /// Of the registry, where its scope (V1 or V2) says that it counts (reference/access.md 4). It grants and denies as a
    /// repository's.
    pub registry: Option<&'a Attached>,
}

impl<'a> Policies<'a> {
    /// Those of the user and its groups, or of the role.
    pub fn of_identity(&self) -> impl Iterator<Item = &'a Attached> + use<'a> {
        self.identity.iter().chain(self.groups.iter().copied().flatten())
    }
}
