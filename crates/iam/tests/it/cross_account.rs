//! From another account.

use iam::Reason::{AllowedBy, DeniedBy, NotAllowedBy};
use iam::Source::{Boundary, Identity, Repository, Session};

use crate::support::{ALLOW, ALLOW_PULL, DENY, run};
use crate::{cases, deny_to, to};

const LOGIC: &str = "IAM User Guide: Cross-account policy evaluation logic";
const ACCESS: &str = "reference/access.md 5, Cross-account";

const OLGA: &str = to!("arn:aws:iam::999988887777:user/olga");
const THEM: &str = to!("arn:aws:iam::999988887777:root");
const ROLE: &str = to!("arn:aws:iam::999988887777:role/Deployer");
const SESSION: &str = to!("arn:aws:sts::999988887777:assumed-role/Deployer/d");
const ORGANISATION: &str =
    "{'Effect':'Allow','Principal':'*','Action':'ecr:*','Condition':{'StringEquals':{'aws:PrincipalOrgID':'o-1'}}}";
const THEIR_ROLES: &str = "{'Effect':'Allow','Principal':{'AWS':'999988887777'},'Action':'ecr:*','Condition':{'ArnLike':{'aws:PrincipalArn':'arn:aws:iam::999988887777:role/*'}}}";
const NOT_THEM: &str = "{'Effect':'Deny','Principal':'*','Action':'ecr:*','Condition':{'StringNotEquals':{'aws:PrincipalAccount':'123456789012'}}}";
const ALLOW_HERE: &str = "{'Effect':'Allow','Action':'ecr:*','Resource':'arn:aws:ecr:*:123456789012:repository/*'}";
const ALLOW_OWN: &str = "{'Effect':'Allow','Action':'ecr:*','Resource':'arn:aws:ecr:*:999988887777:repository/*'}";

cases! { CASES:
    "nothing allows", LOGIC, "olga" {} => NotAllowedBy(Repository);
    "her own policy is not enough", LOGIC, "olga" { identity: &[ALLOW] } => NotAllowedBy(Repository);
    "the owner's policy is not enough", LOGIC, "olga" { repository: &[OLGA] } => NotAllowedBy(Identity);
    "both allow", LOGIC, "olga" { identity: &[ALLOW], repository: &[OLGA] } => AllowedBy(Repository);
    "her account is named", ACCESS, "olga" { identity: &[ALLOW], repository: &[THEM] } => AllowedBy(Repository);
    "her account is named by id", ACCESS, "olga" { identity: &[ALLOW], repository: &[to!("999988887777")] } => AllowedBy(Repository);
    "her account is named, her policy is missing", ACCESS, "olga" { repository: &[THEM] } => NotAllowedBy(Identity);
    "everyone is named", ACCESS, "olga" { identity: &[ALLOW], repository: &[to!("*")] } => AllowedBy(Repository);
    "everyone is named, her policy is missing", ACCESS, "olga" { repository: &[to!("*")] } => NotAllowedBy(Identity);
    "her id is named", ACCESS, "olga" { identity: &[ALLOW], repository: &[to!("AIDAOLGAOLGAOLGAOLG1")] } => AllowedBy(Repository);
    "someone else is named", LOGIC, "olga" { identity: &[ALLOW], repository: &[to!("arn:aws:iam::999988887777:user/otto")] } => NotAllowedBy(Repository);
    "the owner's account is named", LOGIC, "olga" { identity: &[ALLOW], repository: &[to!("123456789012")] } => NotAllowedBy(Repository);
    "her policy is about the repositories here", LOGIC, "olga" { identity: &[ALLOW_HERE], repository: &[OLGA] } => AllowedBy(Repository);
    "her policy is about her own repositories", LOGIC, "olga" { identity: &[ALLOW_OWN], repository: &[OLGA] } => NotAllowedBy(Identity);
    "her policy is about other actions", LOGIC, "olga" { identity: &[ALLOW_PULL], repository: &[OLGA] } => NotAllowedBy(Identity);
    "her policy is about this action", LOGIC, "olga" { identity: &[ALLOW_PULL], repository: &[OLGA], action: "ecr:BatchGetImage" } => AllowedBy(Repository);
    "her policy denies", LOGIC, "olga" { identity: &[ALLOW, DENY], repository: &[OLGA] } => DeniedBy(Identity);
    "the owner's policy denies", LOGIC, "olga" { identity: &[ALLOW], repository: &[OLGA, deny_to!("999988887777")] } => DeniedBy(Repository);
    "the owner denies without an Allow", LOGIC, "olga" { identity: &[ALLOW], repository: &[deny_to!("*")] } => DeniedBy(Repository);
    "all but the owner's account are denied", LOGIC, "olga" { identity: &[ALLOW], repository: &[OLGA, NOT_THEM], given: "aws:PrincipalAccount=999988887777" } => DeniedBy(Repository);
    "within the organisation", "IAM User Guide: aws:PrincipalOrgID", "olga" { identity: &[ALLOW], repository: &[ORGANISATION], given: "aws:PrincipalOrgID=o-1" } => AllowedBy(Repository);
    "outside the organisation", "IAM User Guide: aws:PrincipalOrgID", "olga" { identity: &[ALLOW], repository: &[ORGANISATION] } => NotAllowedBy(Repository);
    "only roles of the account, a role", "IAM User Guide: aws:PrincipalArn", "deployer" { identity: &[ALLOW], repository: &[THEIR_ROLES], given: "aws:PrincipalArn=arn:aws:iam::999988887777:role/Deployer" } => AllowedBy(Repository);
    "only roles of the account, a user", "IAM User Guide: aws:PrincipalArn", "olga" { identity: &[ALLOW], repository: &[THEIR_ROLES], given: "aws:PrincipalArn=arn:aws:iam::999988887777:user/olga" } => NotAllowedBy(Repository);
    "a session whose role is named", LOGIC, "deployer" { identity: &[ALLOW], repository: &[ROLE] } => AllowedBy(Repository);
    "a session that is named", LOGIC, "deployer" { identity: &[ALLOW], repository: &[SESSION] } => AllowedBy(Repository);
    "a named session without a policy", LOGIC, "deployer" { repository: &[SESSION] } => NotAllowedBy(Identity);
    "her boundary limits", ACCESS, "olga" { identity: &[ALLOW], boundary: &[ALLOW_PULL], repository: &[OLGA] } => NotAllowedBy(Boundary);
    "her boundary allows", ACCESS, "olga" { identity: &[ALLOW], boundary: &[ALLOW], repository: &[OLGA] } => AllowedBy(Repository);
    "a session policy limits even a named session", ACCESS, "deployer" { identity: &[ALLOW], session: &[&[ALLOW_PULL]], repository: &[SESSION] } => NotAllowedBy(Session);
    "a session policy allows", ACCESS, "deployer" { identity: &[ALLOW], session: &[&[ALLOW]], repository: &[SESSION] } => AllowedBy(Repository);
    "another root is no root here", ACCESS, "other root" {} => NotAllowedBy(Repository);
    "another root whose account is named", ACCESS, "other root" { repository: &[THEM] } => AllowedBy(Repository);
    "another root is not its users", ACCESS, "other root" { repository: &[OLGA] } => NotAllowedBy(Repository);
    "another root that is denied", ACCESS, "other root" { repository: &[THEM, deny_to!("999988887777")] } => DeniedBy(Repository);
    "a token is asked for in another account", "reference/access.md 2, GetAuthorizationToken", "olga" { identity: &[ALLOW], action: "ecr:GetAuthorizationToken", resource: "*" } => NotAllowedBy(Repository);
}

#[test]
fn cross_account() {
    run(CASES);
}
