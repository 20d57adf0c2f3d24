//! `Principal` and `NotPrincipal` of resource policies.

use iam::Reason::{AllowedBy, DeniedBy, NotAllowedBy};
use iam::Source::{Identity, Repository};

use crate::support::{ALLOW, run};
use crate::{cases, deny_to, to};

const PRINCIPAL: &str = "IAM User Guide: AWS JSON policy elements: Principal";
const ACCESS: &str = "reference/access.md 5, Principal";
const NOT: &str = "IAM User Guide: AWS JSON policy elements: NotPrincipal";
const DELETED: &str = "reference/access.md 4, deleted principals";

const EVERYONE: &str = "{'Effect':'Allow','Principal':'*','Action':'ecr:*'}";
const SERVICE: &str = "{'Effect':'Allow','Principal':{'Service':'replication.ecr.amazonaws.com'},'Action':'ecr:*'}";
const OTHER_SERVICE: &str = "{'Effect':'Allow','Principal':{'Service':'codebuild.amazonaws.com'},'Action':'ecr:*'}";
const SERVICE_FOR: &str = "{'Effect':'Allow','Principal':{'Service':'replication.ecr.amazonaws.com'},'Action':'ecr:*','Condition':{'StringEquals':{'aws:SourceAccount':'123456789012'}}}";
const FEDERATED: &str = "{'Effect':'Allow','Principal':{'Federated':'arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com'},'Action':'ecr:*'}";
const CANONICAL: &str = "{'Effect':'Allow','Principal':{'CanonicalUser':'79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be'},'Action':'ecr:*'}";
const SEVERAL: &str = "{'Effect':'Allow','Principal':{'AWS':['arn:aws:iam::123456789012:user/x','arn:aws:iam::123456789012:user/alice'],'Service':'codebuild.amazonaws.com'},'Action':'ecr:*'}";
const NOT_ALICE: &str = "{'Effect':'Deny','NotPrincipal':{'AWS':['arn:aws:iam::123456789012:root','arn:aws:iam::123456789012:user/alice']},'Action':'ecr:*'}";
const NOT_ALICE_ALONE: &str =
    "{'Effect':'Deny','NotPrincipal':{'AWS':'arn:aws:iam::123456789012:user/alice'},'Action':'ecr:*'}";
const NOT_ACCOUNT: &str = "{'Effect':'Deny','NotPrincipal':{'AWS':'123456789012'},'Action':'ecr:*'}";
const NOT_SESSION: &str = "{'Effect':'Deny','NotPrincipal':{'AWS':['123456789012','arn:aws:iam::123456789012:role/ci/Builder','arn:aws:sts::123456789012:assumed-role/Builder/run-1']},'Action':'ecr:*'}";
const NOT_ROLE: &str = "{'Effect':'Deny','NotPrincipal':{'AWS':['123456789012','arn:aws:iam::123456789012:role/ci/Builder']},'Action':'ecr:*'}";
const NOT_SESSION_ALONE: &str = "{'Effect':'Deny','NotPrincipal':{'AWS':['123456789012','arn:aws:sts::123456789012:assumed-role/Builder/run-1']},'Action':'ecr:*'}";
const NOT_SERVICE: &str =
    "{'Effect':'Deny','NotPrincipal':{'Service':'replication.ecr.amazonaws.com'},'Action':'ecr:*'}";
const ALLOW_NOT_BOB: &str =
    "{'Effect':'Allow','NotPrincipal':{'AWS':'arn:aws:iam::123456789012:user/team/bob'},'Action':'ecr:*'}";
const DENY_ALL: &str = "{'Effect':'Deny','Principal':'*','Action':'ecr:*'}";

cases! { CASES:
    "a star is every user", PRINCIPAL, "alice" { repository: &[EVERYONE] } => AllowedBy(Repository);
    "a star is every session", PRINCIPAL, "builder" { repository: &[EVERYONE] } => AllowedBy(Repository);
    "a star is the anonymous too", PRINCIPAL, "anonymous" { repository: &[EVERYONE] } => AllowedBy(Repository);
    "a star is every service too", PRINCIPAL, "service" { repository: &[EVERYONE] } => AllowedBy(Repository);
    "a star under AWS is the same", PRINCIPAL, "anonymous" { repository: &[to!("*")] } => AllowedBy(Repository);
    "a star under AWS is every user", PRINCIPAL, "alice" { repository: &[to!("*")] } => AllowedBy(Repository);
    "a star does not let a token holder in", ACCESS, "web" { repository: &[EVERYONE] } => NotAllowedBy(Repository);
    "a star keeps a token holder out", ACCESS, "web" { repository: &[FEDERATED, DENY_ALL] } => DeniedBy(Repository);
    "the user", PRINCIPAL, "alice" { repository: &[to!("arn:aws:iam::123456789012:user/alice")] } => AllowedBy(Repository);
    "another user", PRINCIPAL, "bob" { repository: &[to!("arn:aws:iam::123456789012:user/alice")] } => NotAllowedBy(Identity);
    "case of the ARN counts", PRINCIPAL, "alice" { repository: &[to!("arn:aws:iam::123456789012:user/Alice")] } => NotAllowedBy(Identity);
    "a path is part of the ARN", ACCESS, "bob" { repository: &[to!("arn:aws:iam::123456789012:user/team/bob")] } => AllowedBy(Repository);
    "without its path it is another user", ACCESS, "bob" { repository: &[to!("arn:aws:iam::123456789012:user/bob")] } => NotAllowedBy(Identity);
    "the user of that name elsewhere", PRINCIPAL, "alice" { repository: &[to!("arn:aws:iam::999988887777:user/alice")] } => NotAllowedBy(Identity);
    "the role is all its sessions", ACCESS, "builder" { repository: &[to!("arn:aws:iam::123456789012:role/ci/Builder")] } => AllowedBy(Repository);
    "the role without its path is another", ACCESS, "builder" { repository: &[to!("arn:aws:iam::123456789012:role/Builder")] } => NotAllowedBy(Identity);
    "the session", ACCESS, "builder" { repository: &[to!("arn:aws:sts::123456789012:assumed-role/Builder/run-1")] } => AllowedBy(Repository);
    "a session ARN has no path", ACCESS, "builder" { repository: &[to!("arn:aws:sts::123456789012:assumed-role/ci/Builder/run-1")] } => NotAllowedBy(Identity);
    "another session", ACCESS, "builder" { repository: &[to!("arn:aws:sts::123456789012:assumed-role/Builder/run-2")] } => NotAllowedBy(Identity);
    "another role", PRINCIPAL, "builder" { repository: &[to!("arn:aws:iam::123456789012:role/ci/Deployer")] } => NotAllowedBy(Identity);
    "one of several", PRINCIPAL, "alice" { repository: &[SEVERAL] } => AllowedBy(Repository);
    "none of several", PRINCIPAL, "bob" { repository: &[SEVERAL] } => NotAllowedBy(Identity);
    "the id of the user", DELETED, "alice" { repository: &[to!("AIDAALICEALICEALICE1")] } => AllowedBy(Repository);
    "the id of a user that was deleted", DELETED, "alice" { repository: &[to!("AIDAALICEALICEALICE0")] } => NotAllowedBy(Identity);
    "the id of the role", DELETED, "builder" { repository: &[to!("AROABUILDERBUILDER01")] } => AllowedBy(Repository);
    "the session of a role that was deleted", DELETED, "builder" { repository: &[to!("AROABUILDERBUILDER00:run-1")] } => NotAllowedBy(Identity);
    "the id of a role that was deleted", DELETED, "builder" { repository: &[to!("AROABUILDERBUILDER00")] } => NotAllowedBy(Identity);
    "a Deny by id", DELETED, "builder" { identity: &[ALLOW], repository: &[deny_to!("AROABUILDERBUILDER01")] } => DeniedBy(Repository);
    "a Deny to the account reaches its users", PRINCIPAL, "alice" { identity: &[ALLOW], repository: &[deny_to!("123456789012")] } => DeniedBy(Repository);
    "a Deny to the account reaches its sessions", PRINCIPAL, "builder" { identity: &[ALLOW], repository: &[deny_to!("arn:aws:iam::123456789012:root")] } => DeniedBy(Repository);
    "a Deny to another account reaches nobody here", PRINCIPAL, "alice" { identity: &[ALLOW], repository: &[deny_to!("999988887777")] } => AllowedBy(Identity);
    "a Deny to the role reaches its sessions", PRINCIPAL, "builder" { identity: &[ALLOW], repository: &[deny_to!("arn:aws:iam::123456789012:role/ci/Builder")] } => DeniedBy(Repository);
    "a Deny to the session", PRINCIPAL, "builder" { identity: &[ALLOW], repository: &[deny_to!("arn:aws:sts::123456789012:assumed-role/Builder/run-1")] } => DeniedBy(Repository);
    "the service", "reference/access.md 4, Service principals", "service" { repository: &[SERVICE] } => AllowedBy(Repository);
    "another service", "reference/access.md 4, Service principals", "service" { repository: &[OTHER_SERVICE] } => NotAllowedBy(Repository);
    "the service for an account", "reference/access.md 4, Service principals", "service" { repository: &[SERVICE_FOR], given: "aws:SourceAccount=123456789012" } => AllowedBy(Repository);
    "the service for another account", "reference/access.md 4, Service principals", "service" { repository: &[SERVICE_FOR], given: "aws:SourceAccount=999988887777" } => NotAllowedBy(Repository);
    "a service is no account", PRINCIPAL, "service" { repository: &[to!("123456789012")] } => NotAllowedBy(Repository);
    "the provider", PRINCIPAL, "web" { repository: &[FEDERATED] } => AllowedBy(Repository);
    "a provider is not its users", PRINCIPAL, "alice" { repository: &[FEDERATED] } => NotAllowedBy(Identity);
    "nobody is a canonical user", ACCESS, "alice" { repository: &[CANONICAL] } => NotAllowedBy(Identity);
    "the anonymous are of no account", PRINCIPAL, "anonymous" { repository: &[to!("123456789012")] } => NotAllowedBy(Repository);
    "a Deny to all but Alice leaves her out", NOT, "alice" { identity: &[ALLOW], repository: &[NOT_ALICE] } => AllowedBy(Identity);
    "a Deny to all but Alice reaches Bob", NOT, "bob" { identity: &[ALLOW], repository: &[NOT_ALICE] } => DeniedBy(Repository);
    "her account must be listed too", NOT, "alice" { identity: &[ALLOW], repository: &[NOT_ALICE_ALONE] } => DeniedBy(Repository);
    "the account alone exempts its root", NOT, "root" { repository: &[NOT_ACCOUNT] } => iam::Reason::Root;
    "the account alone exempts no user", NOT, "alice" { identity: &[ALLOW], repository: &[NOT_ACCOUNT] } => DeniedBy(Repository);
    "account, role and session exempt the session", NOT, "builder" { identity: &[ALLOW], repository: &[NOT_SESSION] } => AllowedBy(Identity);
    "without the session the role is not enough", NOT, "builder" { identity: &[ALLOW], repository: &[NOT_ROLE] } => DeniedBy(Repository);
    "without the role the session is not enough", NOT, "builder" { identity: &[ALLOW], repository: &[NOT_SESSION_ALONE] } => DeniedBy(Repository);
    "a Deny to all but a service leaves it out", NOT, "service" { repository: &[SERVICE, NOT_SERVICE] } => AllowedBy(Repository);
    "a Deny to all but a service reaches users", NOT, "alice" { identity: &[ALLOW], repository: &[NOT_SERVICE] } => DeniedBy(Repository);
    "a Deny to all but some reaches the anonymous", NOT, "anonymous" { repository: &[EVERYONE, NOT_ALICE] } => DeniedBy(Repository);
    "an Allow to all but Bob lets Alice in", NOT, "alice" { repository: &[ALLOW_NOT_BOB] } => AllowedBy(Repository);
    "an Allow to all but Bob does not let him in", NOT, "bob" { repository: &[ALLOW_NOT_BOB] } => NotAllowedBy(Identity);
    "an Allow to all but Bob does not let a token holder in", ACCESS, "web" { repository: &[ALLOW_NOT_BOB] } => NotAllowedBy(Repository);
    "an Allow to all but Bob lets his account's root in", NOT, "root" { repository: &[ALLOW_NOT_BOB] } => iam::Reason::Root;
}

#[test]
fn principals() {
    run(CASES);
}
