//! The root user and the policies of what its account owns, and federated users beside the user who vouches for them.

use iam::Reason::{AllowedBy, DeniedBy, NotAllowedBy, Root};
use iam::Source::{Identity, Registry, Repository, RobotScope, Session};

use crate::support::{ALLOW, ALLOW_PULL, run};
use crate::{cases, to};

const OWNER: &str = "docs/access.md: Locked out";
const FEDERATED: &str = "IAM User Guide: Permissions for GetFederationToken";
const DENY_ALL: &str = "{'Effect':'Deny','Principal':'*','Action':'ecr:*'}";
const DENY_ALL_OF_REGISTRY: &str = "{'Effect':'Deny','Principal':'*','Action':'ecr:*','Resource':'*'}";
const NOT_PAT: &str = "{'Effect':'Deny','NotPrincipal':{'AWS':['123456789012','arn:aws:iam::123456789012:user/alice','arn:aws:sts::123456789012:federated-user/pat']},'Action':'ecr:*'}";
const NOT_PAT_ALONE: &str = "{'Effect':'Deny','NotPrincipal':{'AWS':['123456789012','arn:aws:sts::123456789012:federated-user/pat']},'Action':'ecr:*'}";

cases! { CASES:
    "root sets a policy that denies it", OWNER, "root" { action: "ecr:SetRepositoryPolicy", repository: &[DENY_ALL] } => Root;
    "root reads a policy that denies it", OWNER, "root" { action: "ecr:GetRepositoryPolicy", repository: &[DENY_ALL] } => Root;
    "root deletes a policy that denies it", OWNER, "root" { action: "ecr:DeleteRepositoryPolicy", repository: &[DENY_ALL] } => Root;
    "whatever the registry's policy says", OWNER, "root" { action: "ecr:DeleteRegistryPolicy", registry: &[DENY_ALL_OF_REGISTRY] } => Root;
    "and both together", OWNER, "root" { action: "ecr:SetRepositoryPolicy", repository: &[DENY_ALL], registry: &[DENY_ALL_OF_REGISTRY] } => Root;
    "root does nothing else against it", OWNER, "root" { action: "ecr:DeleteRepository", repository: &[DENY_ALL] } => DeniedBy(Repository);
    "nor against the registry's", OWNER, "root" { action: "ecr:DescribeRegistry", registry: &[DENY_ALL_OF_REGISTRY] } => DeniedBy(Registry);
    "what limits root's credentials counts", OWNER, "root" { action: "ecr:SetRepositoryPolicy", session: &[&[ALLOW_PULL]], repository: &[DENY_ALL] } => NotAllowedBy(Session);
    "a robot token of root's is no root", OWNER, "root" { action: "ecr:SetRepositoryPolicy", scope: &[ALLOW_PULL], repository: &[DENY_ALL] } => NotAllowedBy(RobotScope);
    "the root of another account owns nothing here", OWNER, "other root" { action: "ecr:SetRepositoryPolicy", repository: &[DENY_ALL] } => DeniedBy(Repository);
    "an administrator is no root", OWNER, "alice" { action: "ecr:SetRepositoryPolicy", identity: &[ALLOW], repository: &[DENY_ALL] } => DeniedBy(Repository);

    "what user and session allow", FEDERATED, "pat" { identity: &[ALLOW], session: &[&[ALLOW]] } => AllowedBy(Identity);
    "no session policy allows nothing", FEDERATED, "pat" { identity: &[ALLOW], session: &[&[]] } => NotAllowedBy(Session);
    "no more than the user may", FEDERATED, "pat" { identity: &[ALLOW_PULL], session: &[&[ALLOW]] } => NotAllowedBy(Identity);
    "no more than the session may", FEDERATED, "pat" { identity: &[ALLOW], session: &[&[ALLOW_PULL]] } => NotAllowedBy(Session);
    "named itself it needs nothing else", FEDERATED, "pat" { session: &[&[]], repository: &[to!("arn:aws:sts::123456789012:federated-user/pat")] } => AllowedBy(Repository);
    "another of them is not named", FEDERATED, "pat" { session: &[&[]], repository: &[to!("arn:aws:sts::123456789012:federated-user/sam")] } => NotAllowedBy(Identity);
    "where the user is named the session decides", FEDERATED, "pat" { session: &[&[ALLOW]], repository: &[to!("arn:aws:iam::123456789012:user/alice")] } => AllowedBy(Repository);
    "and allows nothing without a policy", FEDERATED, "pat" { session: &[&[]], repository: &[to!("AIDAALICEALICEALICE1")] } => NotAllowedBy(Session);
    "of root it is as far as the session", FEDERATED, "root's pat" { session: &[&[ALLOW]] } => AllowedBy(Identity);
    "of root it is nothing without a policy", FEDERATED, "root's pat" { session: &[&[]] } => NotAllowedBy(Session);
    "of root it is stopped as everybody", FEDERATED, "root's pat" { action: "ecr:SetRepositoryPolicy", session: &[&[ALLOW]], repository: &[DENY_ALL] } => DeniedBy(Repository);
    "all of it must be left out of a Deny", FEDERATED, "pat" { identity: &[ALLOW], session: &[&[ALLOW]], repository: &[NOT_PAT] } => AllowedBy(Identity);
    "or it is denied", FEDERATED, "pat" { identity: &[ALLOW], session: &[&[ALLOW]], repository: &[NOT_PAT_ALONE] } => DeniedBy(Repository);
}

#[test]
fn owners() {
    run(CASES);
}
