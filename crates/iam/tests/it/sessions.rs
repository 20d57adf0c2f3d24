//! Session policies and the scopes of robot tokens.

use iam::Reason::{AllowedBy, DeniedBy, NotAllowedBy, Root};
use iam::Source::{Boundary, Identity, Repository, RobotScope, Session};

use crate::support::{ALLOW, ALLOW_PULL, DENY, run};
use crate::{cases, to};

const LOGIC: &str = "IAM User Guide: Session policies";
const RESOURCE: &str = "IAM User Guide: Session policies, resource-based policies";
const UNION: &str = "STS AssumeRole: Policy and PolicyArns";
const SCOPE: &str = "Wharf: robot tokens";

const SESSION: &str = to!("arn:aws:sts::123456789012:assumed-role/Builder/run-1");
const ROLE: &str = to!("arn:aws:iam::123456789012:role/ci/Builder");
const ALICE: &str = to!("arn:aws:iam::123456789012:user/alice");
const OTHER_REPOSITORY: &str = "{'Effect':'Allow','Action':'ecr:*','Resource':'arn:aws:ecr:*:*:repository/other'}";
const SCOPE_TEAM: &str = "{'Effect':'Allow','Action':['ecr:PutImage'],'Resource':'arn:aws:ecr:*:*:repository/team/*'}";

cases! { CASES:
    "a session policy grants nothing", LOGIC, "builder" { session: &[&[ALLOW]] } => NotAllowedBy(Identity);
    "both allow", LOGIC, "builder" { identity: &[ALLOW], session: &[&[ALLOW]] } => AllowedBy(Identity);
    "the session policy leaves it out", LOGIC, "builder" { identity: &[ALLOW], session: &[&[ALLOW_PULL]] } => NotAllowedBy(Session);
    "the session policy leaves the resource out", LOGIC, "builder" { identity: &[ALLOW], session: &[&[OTHER_REPOSITORY]] } => NotAllowedBy(Session);
    "the session policy has just it", LOGIC, "builder" { identity: &[ALLOW], session: &[&[ALLOW_PULL]], action: "ecr:BatchGetImage" } => AllowedBy(Identity);
    "the session policy denies", LOGIC, "builder" { identity: &[ALLOW], session: &[&[ALLOW, DENY]] } => DeniedBy(Session);
    "an inline and a managed session policy are one", UNION, "builder" { identity: &[ALLOW], session: &[&[ALLOW_PULL, ALLOW]] } => AllowedBy(Identity);
    "neither of two allows", UNION, "builder" { identity: &[ALLOW], session: &[&[ALLOW_PULL, OTHER_REPOSITORY]] } => NotAllowedBy(Session);
    "a Deny in one of two", UNION, "builder" { identity: &[ALLOW], session: &[&[DENY, ALLOW]] } => DeniedBy(Session);
    "two limits, both allow", LOGIC, "builder" { identity: &[ALLOW], session: &[&[ALLOW], &[ALLOW]] } => AllowedBy(Identity);
    "two limits, the first does not", LOGIC, "builder" { identity: &[ALLOW], session: &[&[ALLOW_PULL], &[ALLOW]] } => NotAllowedBy(Session);
    "two limits, the second does not", LOGIC, "builder" { identity: &[ALLOW], session: &[&[ALLOW], &[ALLOW_PULL]] } => NotAllowedBy(Session);
    "an empty limit allows nothing", LOGIC, "builder" { identity: &[ALLOW], session: &[&[]] } => NotAllowedBy(Session);
    "boundary and session policy allow", LOGIC, "builder" { identity: &[ALLOW], boundary: &[ALLOW], session: &[&[ALLOW]] } => AllowedBy(Identity);
    "the boundary is named before the session policy", LOGIC, "builder" { identity: &[ALLOW], boundary: &[ALLOW_PULL], session: &[&[ALLOW_PULL]] } => NotAllowedBy(Boundary);
    "the boundary allows, the session policy does not", LOGIC, "builder" { identity: &[ALLOW], boundary: &[ALLOW], session: &[&[ALLOW_PULL]] } => NotAllowedBy(Session);
    "a grant to the session passes the session policy", RESOURCE, "builder" { session: &[&[ALLOW_PULL]], repository: &[SESSION] } => AllowedBy(Repository);
    "a grant to everyone passes the session policy", RESOURCE, "builder" { session: &[&[ALLOW_PULL]], repository: &[to!("*")] } => AllowedBy(Repository);
    "a grant to the role does not", RESOURCE, "builder" { session: &[&[ALLOW_PULL]], repository: &[ROLE] } => NotAllowedBy(Session);
    "a grant to the role within the session policy", RESOURCE, "builder" { session: &[&[ALLOW]], repository: &[ROLE] } => AllowedBy(Repository);
    "a Deny of the session policy stops a grant to the session", RESOURCE, "builder" { session: &[&[DENY]], repository: &[SESSION] } => DeniedBy(Session);
    "a grant to the user is limited by a session of it", RESOURCE, "alice" { session: &[&[ALLOW_PULL]], repository: &[ALICE] } => NotAllowedBy(Session);
    "a session of root is limited", LOGIC, "root" { session: &[&[ALLOW_PULL]] } => NotAllowedBy(Session);
    "a session of root within its limit", LOGIC, "root" { session: &[&[ALLOW_PULL]], action: "ecr:BatchGetImage" } => Root;
    "a session policy that denies root", LOGIC, "root" { session: &[&[DENY]] } => DeniedBy(Session);
    "a scope grants nothing", SCOPE, "alice" { scope: &[SCOPE_TEAM] } => NotAllowedBy(Identity);
    "within the scope", SCOPE, "alice" { identity: &[ALLOW], scope: &[SCOPE_TEAM] } => AllowedBy(Identity);
    "another action than the scope has", SCOPE, "alice" { identity: &[ALLOW], scope: &[SCOPE_TEAM], action: "ecr:BatchGetImage" } => NotAllowedBy(RobotScope);
    "another repository than the scope has", SCOPE, "alice" { identity: &[ALLOW], scope: &[SCOPE_TEAM], resource: "arn:aws:ecr:us-east-1:123456789012:repository/x" } => NotAllowedBy(RobotScope);
    "a scope limits a grant to the user", SCOPE, "alice" { repository: &[ALICE], scope: &[ALLOW_PULL] } => NotAllowedBy(RobotScope);
    "a scope limits a grant to the session", SCOPE, "builder" { repository: &[SESSION], scope: &[ALLOW_PULL] } => NotAllowedBy(RobotScope);
    "a scope limits a grant to everyone", SCOPE, "builder" { repository: &[to!("*")], scope: &[ALLOW_PULL] } => NotAllowedBy(RobotScope);
    "a scope limits the anonymous", SCOPE, "anonymous" { repository: &[to!("*")], scope: &[ALLOW_PULL] } => NotAllowedBy(RobotScope);
    "a scope limits root", SCOPE, "root" { scope: &[ALLOW_PULL] } => NotAllowedBy(RobotScope);
    "a Deny in a scope", SCOPE, "alice" { identity: &[ALLOW], scope: &[ALLOW, DENY] } => DeniedBy(RobotScope);
}

#[test]
fn sessions() {
    run(CASES);
}
