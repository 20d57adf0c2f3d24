//! Permissions boundaries.

use iam::Reason::{AllowedBy, DeniedBy, NotAllowedBy};
use iam::Source::{Boundary, Identity, Repository};

use crate::support::{ALLOW, ALLOW_PULL, DENY, DENY_PULL, run};
use crate::{cases, to};

const LOGIC: &str = "IAM User Guide: Permissions boundaries for IAM entities";
const RESOURCE: &str = "IAM User Guide: Policy evaluation logic, resource-based policies and boundaries";
const ACCESS: &str = "reference/access.md 5, step 3 and 5";

const IN_EUROPE: &str =
    "{'Effect':'Allow','Action':'*','Resource':'*','Condition':{'StringLike':{'aws:RequestedRegion':'eu-*'}}}";
const ALL_BUT_DELETE: &str = "{'Effect':'Allow','NotAction':'ecr:Delete*','Resource':'*'}";

cases! { CASES:
    "a boundary grants nothing", LOGIC, "alice" { boundary: &[ALLOW] } => NotAllowedBy(Identity);
    "both allow", LOGIC, "alice" { identity: &[ALLOW], boundary: &[ALLOW] } => AllowedBy(Identity);
    "the boundary leaves it out", LOGIC, "alice" { identity: &[ALLOW], boundary: &[ALLOW_PULL] } => NotAllowedBy(Boundary);
    "the boundary has just it", LOGIC, "alice" { identity: &[ALLOW], boundary: &[ALLOW_PULL], action: "ecr:BatchGetImage" } => AllowedBy(Identity);
    "the identity policy leaves it out", LOGIC, "alice" { identity: &[ALLOW_PULL], boundary: &[ALLOW] } => NotAllowedBy(Identity);
    "the boundary denies", LOGIC, "alice" { identity: &[ALLOW], boundary: &[ALLOW, DENY] } => DeniedBy(Boundary);
    "the boundary denies something else", LOGIC, "alice" { identity: &[ALLOW], boundary: &[ALLOW, DENY_PULL] } => AllowedBy(Identity);
    "the boundary of a role", LOGIC, "builder" { identity: &[ALLOW], boundary: &[ALLOW_PULL] } => NotAllowedBy(Boundary);
    "the boundary of a role allows", LOGIC, "builder" { identity: &[ALLOW], boundary: &[ALLOW] } => AllowedBy(Identity);
    "a boundary with a condition that holds", LOGIC, "alice" { identity: &[ALLOW], boundary: &[IN_EUROPE], given: "aws:RequestedRegion=eu-west-1" } => AllowedBy(Identity);
    "a boundary with a condition that does not hold", LOGIC, "alice" { identity: &[ALLOW], boundary: &[IN_EUROPE], given: "aws:RequestedRegion=us-east-1" } => NotAllowedBy(Boundary);
    "a boundary with NotAction", LOGIC, "alice" { identity: &[ALLOW], boundary: &[ALL_BUT_DELETE], action: "ecr:DeleteRepository" } => NotAllowedBy(Boundary);
    "a grant to the user passes the boundary", RESOURCE, "alice" { boundary: &[ALLOW_PULL], repository: &[to!("arn:aws:iam::123456789012:user/alice")] } => AllowedBy(Repository);
    "a grant to the user's id passes the boundary", RESOURCE, "alice" { boundary: &[ALLOW_PULL], repository: &[to!("AIDAALICEALICEALICE1")] } => AllowedBy(Repository);
    "a grant to the session passes the boundary", RESOURCE, "builder" { boundary: &[ALLOW_PULL], repository: &[to!("arn:aws:sts::123456789012:assumed-role/Builder/run-1")] } => AllowedBy(Repository);
    "a grant to everyone passes the boundary", RESOURCE, "builder" { boundary: &[ALLOW_PULL], repository: &[to!("*")] } => AllowedBy(Repository);
    "a grant to the role does not", RESOURCE, "builder" { boundary: &[ALLOW_PULL], repository: &[to!("arn:aws:iam::123456789012:role/ci/Builder")] } => NotAllowedBy(Boundary);
    "a grant to the role's id does not", RESOURCE, "builder" { boundary: &[ALLOW_PULL], repository: &[to!("AROABUILDERBUILDER01")] } => NotAllowedBy(Boundary);
    "a grant to the role within the boundary", RESOURCE, "builder" { boundary: &[ALLOW], repository: &[to!("arn:aws:iam::123456789012:role/ci/Builder")] } => AllowedBy(Repository);
    "a grant to role and session passes", RESOURCE, "builder" { boundary: &[ALLOW_PULL], repository: &[to!("arn:aws:iam::123456789012:role/ci/Builder"), to!("arn:aws:sts::123456789012:assumed-role/Builder/run-1")] } => AllowedBy(Repository);
    "a grant to the account stays limited", ACCESS, "alice" { identity: &[ALLOW], boundary: &[ALLOW_PULL], repository: &[to!("123456789012")] } => NotAllowedBy(Boundary);
    "a Deny of the boundary stops a grant to the user", RESOURCE, "alice" { boundary: &[DENY], repository: &[to!("arn:aws:iam::123456789012:user/alice")] } => DeniedBy(Boundary);
    "a Deny of the boundary stops a grant to the session", RESOURCE, "builder" { boundary: &[DENY], repository: &[to!("arn:aws:sts::123456789012:assumed-role/Builder/run-1")] } => DeniedBy(Boundary);
}

#[test]
fn boundaries() {
    run(CASES);
}
