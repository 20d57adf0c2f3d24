//! Who may take a role on.

use iam::Reason::{AllowedBy, DeniedBy, NotAllowedBy};
use iam::Source::{Boundary, Identity, RobotScope, Session, Trust};

use crate::cases;
use crate::support::{ALLOW, ALLOW_ASSUME, DENY_ASSUME, run};

const LOGIC: &str = "IAM User Guide: Granting a user permissions to switch roles";
const TRUST: &str = "IAM User Guide: How to use trust policies with IAM roles";
const WEB: &str = "IAM User Guide: Creating a role for web identity or OpenID Connect federation";
const TAGS: &str = "IAM User Guide: Passing session tags in AWS STS";
const SERVICE: &str = "IAM User Guide: Creating a role to delegate permissions to an AWS service";

macro_rules! trusts {
    ($principal:literal) => {
        concat!("{'Effect':'Allow','Principal':{'AWS':'", $principal, "'},'Action':'sts:AssumeRole'}")
    };
}

const ALICE: &str = trusts!("arn:aws:iam::123456789012:user/alice");
const HERE: &str = trusts!("arn:aws:iam::123456789012:root");
const THEM: &str = trusts!("999988887777");
const OLGA: &str = trusts!("arn:aws:iam::999988887777:user/olga");
const BUILDER: &str = trusts!("arn:aws:iam::123456789012:role/ci/Builder");
const EVERYONE: &str = trusts!("*");
const NO_ALICE: &str =
    "{'Effect':'Deny','Principal':{'AWS':'arn:aws:iam::123456789012:user/alice'},'Action':'sts:AssumeRole'}";
const WITH_EXTERNAL_ID: &str = "{'Effect':'Allow','Principal':{'AWS':'999988887777'},'Action':'sts:AssumeRole','Condition':{'StringEquals':{'sts:ExternalId':'12345'}}}";
const GITHUB: &str = "{'Effect':'Allow','Principal':{'Federated':'arn:aws:iam::123456789012:oidc-provider/token.actions.githubusercontent.com'},'Action':'sts:AssumeRoleWithWebIdentity','Condition':{'StringEquals':{'token.actions.githubusercontent.com:aud':'sts.amazonaws.com'},'StringLike':{'token.actions.githubusercontent.com:sub':'repo:acme/*'}}}";
const GITLAB: &str = "{'Effect':'Allow','Principal':{'Federated':'arn:aws:iam::123456789012:oidc-provider/gitlab.com'},'Action':'sts:AssumeRoleWithWebIdentity'}";
const REPLICATION: &str =
    "{'Effect':'Allow','Principal':{'Service':'replication.ecr.amazonaws.com'},'Action':'sts:AssumeRole'}";
const TAGGED: &str = "{'Effect':'Allow','Principal':{'AWS':'arn:aws:iam::123456789012:user/alice'},'Action':['sts:AssumeRole','sts:TagSession'],'Condition':{'ForAllValues:StringEquals':{'aws:TagKeys':['team']}}}";
const EVERYONE_WITH_A_TOKEN: &str = "{'Effect':'Allow','Principal':'*','Action':'sts:AssumeRoleWithWebIdentity'}";
const ASSUME_THIS: &str =
    "{'Effect':'Allow','Action':'sts:AssumeRole','Resource':'arn:aws:iam::123456789012:role/ci/Builder'}";
const ASSUME_OTHER: &str =
    "{'Effect':'Allow','Action':'sts:AssumeRole','Resource':'arn:aws:iam::123456789012:role/Other'}";
const WITH_TOKEN: &str = "sts:AssumeRoleWithWebIdentity";
const ASSUME: &str = "sts:AssumeRole";
const TAG: &str = "sts:TagSession";

cases! { CASES:
    "a user that is named", LOGIC, "alice" { action: ASSUME, trust: &[ALICE] } => AllowedBy(Trust);
    "a user that is not", LOGIC, "bob" { action: ASSUME, trust: &[ALICE] } => NotAllowedBy(Trust);
    "an identity policy alone is not enough", LOGIC, "bob" { action: ASSUME, identity: &[ALLOW_ASSUME], trust: &[ALICE] } => NotAllowedBy(Trust);
    "the account is named, the user has no policy", LOGIC, "alice" { action: ASSUME, trust: &[HERE] } => NotAllowedBy(Identity);
    "the account is named, the user has a policy", LOGIC, "alice" { action: ASSUME, identity: &[ASSUME_THIS], trust: &[HERE] } => AllowedBy(Trust);
    "the account is named, the policy is about another role", LOGIC, "alice" { action: ASSUME, identity: &[ASSUME_OTHER], trust: &[HERE] } => NotAllowedBy(Identity);
    "everyone of the account is named", TRUST, "alice" { action: ASSUME, trust: &[EVERYONE] } => AllowedBy(Trust);
    "everyone is named, another account needs a policy", TRUST, "olga" { action: ASSUME, trust: &[EVERYONE] } => NotAllowedBy(Identity);
    "another account, both allow", TRUST, "olga" { action: ASSUME, identity: &[ASSUME_THIS], trust: &[THEM] } => AllowedBy(Trust);
    "another account, she has no policy", TRUST, "olga" { action: ASSUME, trust: &[THEM] } => NotAllowedBy(Identity);
    "another account, named directly, no policy", TRUST, "olga" { action: ASSUME, trust: &[OLGA] } => NotAllowedBy(Identity);
    "another account, named directly, with a policy", TRUST, "olga" { action: ASSUME, identity: &[ALLOW_ASSUME], trust: &[OLGA] } => AllowedBy(Trust);
    "another account that is not trusted", TRUST, "olga" { action: ASSUME, identity: &[ALLOW_ASSUME], trust: &[HERE] } => NotAllowedBy(Trust);
    "a Deny in the trust policy", TRUST, "alice" { action: ASSUME, identity: &[ALLOW_ASSUME], trust: &[HERE, NO_ALICE] } => DeniedBy(Trust);
    "a Deny in the identity policy", TRUST, "alice" { action: ASSUME, identity: &[DENY_ASSUME], trust: &[ALICE] } => DeniedBy(Identity);
    "a Deny in the boundary", TRUST, "alice" { action: ASSUME, boundary: &[DENY_ASSUME], trust: &[ALICE] } => DeniedBy(Boundary);
    "a Deny about another action", TRUST, "alice" { action: TAG, identity: &[DENY_ASSUME], trust: &[TAGGED], given: "aws:TagKeys=team" } => AllowedBy(Trust);
    "a role that is named", TRUST, "builder" { action: ASSUME, trust: &[BUILDER] } => AllowedBy(Trust);
    "a role that is named, within its boundary", TRUST, "builder" { action: ASSUME, boundary: &[ALLOW_ASSUME], trust: &[BUILDER] } => AllowedBy(Trust);
    "a role that is named, outside its boundary", TRUST, "builder" { action: ASSUME, boundary: &[ALLOW], trust: &[BUILDER] } => NotAllowedBy(Boundary);
    "a role that is named, outside its session policy", TRUST, "builder" { action: ASSUME, session: &[&[ALLOW]], trust: &[BUILDER] } => NotAllowedBy(Session);
    "a token with a scope takes no role on", "Wharf: robot tokens", "alice" { action: ASSUME, scope: &[ALLOW], trust: &[ALICE] } => NotAllowedBy(RobotScope);
    "the external id", TRUST, "olga" { action: ASSUME, identity: &[ALLOW_ASSUME], trust: &[WITH_EXTERNAL_ID], given: "sts:ExternalId=12345" } => AllowedBy(Trust);
    "another external id", TRUST, "olga" { action: ASSUME, identity: &[ALLOW_ASSUME], trust: &[WITH_EXTERNAL_ID], given: "sts:ExternalId=1" } => NotAllowedBy(Trust);
    "no external id", TRUST, "olga" { action: ASSUME, identity: &[ALLOW_ASSUME], trust: &[WITH_EXTERNAL_ID] } => NotAllowedBy(Trust);
    "tags that may be passed", TAGS, "alice" { action: TAG, trust: &[TAGGED], given: "aws:TagKeys=team" } => AllowedBy(Trust);
    "tags that may not be passed", TAGS, "alice" { action: TAG, trust: &[TAGGED], given: "aws:TagKeys=team|cost" } => NotAllowedBy(Trust);
    "tags need their own action", TAGS, "alice" { action: TAG, trust: &[ALICE] } => NotAllowedBy(Trust);
    "a token of the provider", WEB, "web" { action: WITH_TOKEN, trust: &[GITHUB], given: "token.actions.githubusercontent.com:aud=sts.amazonaws.com;token.actions.githubusercontent.com:sub=repo:acme/app:ref:refs/heads/main" } => AllowedBy(Trust);
    "a token for another repository", WEB, "web" { action: WITH_TOKEN, trust: &[GITHUB], given: "token.actions.githubusercontent.com:aud=sts.amazonaws.com;token.actions.githubusercontent.com:sub=repo:evil/app:ref:refs/heads/main" } => NotAllowedBy(Trust);
    "a token for another audience", WEB, "web" { action: WITH_TOKEN, trust: &[GITHUB], given: "token.actions.githubusercontent.com:aud=x;token.actions.githubusercontent.com:sub=repo:acme/app:x" } => NotAllowedBy(Trust);
    "a token without a subject", WEB, "web" { action: WITH_TOKEN, trust: &[GITHUB], given: "token.actions.githubusercontent.com:aud=sts.amazonaws.com" } => NotAllowedBy(Trust);
    "a token of another provider", WEB, "web" { action: WITH_TOKEN, trust: &[GITLAB] } => NotAllowedBy(Trust);
    "a token for everyone", WEB, "web" { action: WITH_TOKEN, trust: &[EVERYONE_WITH_A_TOKEN] } => NotAllowedBy(Trust);
    "a provider does not assume plainly", WEB, "web" { action: ASSUME, trust: &[GITLAB] } => NotAllowedBy(Trust);
    "a service", SERVICE, "service" { action: ASSUME, trust: &[REPLICATION] } => AllowedBy(Trust);
    "a service that is not named", SERVICE, "service" { action: ASSUME, trust: &[ALICE] } => NotAllowedBy(Trust);
    "the account's root, where the account is named", TRUST, "root" { action: ASSUME, trust: &[HERE] } => AllowedBy(Trust);
    "the account's root, where it is not", TRUST, "root" { action: ASSUME, trust: &[ALICE] } => NotAllowedBy(Trust);
    "an old trust policy", "reference/access.md 5, Version", "alice" { action: ASSUME, trust: &[ALICE], version: "2008-10-17" } => AllowedBy(Trust);
    "a deleted user's id", "reference/access.md 4, deleted principals", "alice" { action: ASSUME, trust: &[trusts!("AIDAALICEALICEALICE0")] } => NotAllowedBy(Trust);
}

#[test]
fn trust() {
    run(CASES);
}
