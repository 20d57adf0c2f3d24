//! Within the account that owns the repository.

use iam::Reason::{AllowedBy, DeniedBy, NotAllowedBy, Root};
use iam::Source::{Identity, Repository};

use crate::support::{ALLOW, ALLOW_PULL, DENY, DENY_PULL, run};
use crate::{cases, deny_to, to};

const LOGIC: &str = "IAM User Guide: Policy evaluation logic, within a single account";
const ACCESS: &str = "reference/access.md 5, Same account";
const ROOT: &str = "reference/access.md 5, root";
const ECR: &str = "ECR User Guide: Private repository policies";
const TOKEN: &str = "reference/access.md 2, GetAuthorizationToken";

const ALICE: &str = to!("arn:aws:iam::123456789012:user/alice");
const DENY_ALICE: &str = deny_to!("arn:aws:iam::123456789012:user/alice");
const ALLOW_TOKEN: &str = "{'Effect':'Allow','Action':'ecr:GetAuthorizationToken','Resource':'*'}";
const ALLOW_TOKEN_ON_REPOSITORIES: &str =
    "{'Effect':'Allow','Action':'ecr:GetAuthorizationToken','Resource':'arn:aws:ecr:*:*:repository/*'}";
const ALLOW_TEAM: &str = "{'Effect':'Allow','Action':'ecr:*','Resource':'arn:aws:ecr:*:*:repository/team/*'}";
const DENY_WITHOUT_TLS: &str =
    "{'Effect':'Deny','Action':'*','Resource':'*','Condition':{'Bool':{'aws:SecureTransport':'false'}}}";
const ALICE_PULLS: &str =
    "{'Effect':'Allow','Principal':{'AWS':'arn:aws:iam::123456789012:user/alice'},'Action':['ecr:BatchGetImage']}";
const ALICE_FROM_OFFICE: &str = "{'Effect':'Allow','Principal':{'AWS':'arn:aws:iam::123456789012:user/alice'},'Action':'ecr:*','Condition':{'IpAddress':{'aws:SourceIp':'192.0.2.0/24'}}}";
const ALICE_ELSEWHERE: &str = "{'Effect':'Allow','Principal':{'AWS':'arn:aws:iam::123456789012:user/alice'},'Action':'ecr:*','Resource':'arn:aws:ecr:*:*:repository/other'}";

cases! { CASES:
    "nothing allows", LOGIC, "alice" {} => NotAllowedBy(Identity);
    "nothing allows a session", LOGIC, "builder" {} => NotAllowedBy(Identity);
    "an identity policy allows", LOGIC, "alice" { identity: &[ALLOW] } => AllowedBy(Identity);
    "an identity policy allows a session", LOGIC, "builder" { identity: &[ALLOW] } => AllowedBy(Identity);
    "a repository policy allows", ECR, "alice" { repository: &[ALICE], action: "ecr:BatchGetImage" } => AllowedBy(Repository);
    "both allow", LOGIC, "alice" { identity: &[ALLOW], repository: &[ALICE] } => AllowedBy(Repository);
    "an identity policy about something else", LOGIC, "alice" { identity: &[ALLOW_PULL] } => NotAllowedBy(Identity);
    "an identity policy about just this", LOGIC, "alice" { identity: &[ALLOW_PULL], action: "ecr:BatchGetImage" } => AllowedBy(Identity);
    "one of two statements allows", LOGIC, "alice" { identity: &[ALLOW_PULL, ALLOW_TEAM] } => AllowedBy(Identity);
    "an identity policy denies", LOGIC, "alice" { identity: &[DENY] } => DeniedBy(Identity);
    "a Deny after an Allow", LOGIC, "alice" { identity: &[ALLOW, DENY] } => DeniedBy(Identity);
    "a Deny before an Allow", LOGIC, "alice" { identity: &[DENY, ALLOW] } => DeniedBy(Identity);
    "a Deny about something else", LOGIC, "alice" { identity: &[ALLOW, DENY_PULL] } => AllowedBy(Identity);
    "a Deny whose condition does not hold", LOGIC, "alice" { identity: &[ALLOW, DENY_WITHOUT_TLS], given: "aws:SecureTransport=true" } => AllowedBy(Identity);
    "a Deny whose condition holds", LOGIC, "alice" { identity: &[ALLOW, DENY_WITHOUT_TLS], given: "aws:SecureTransport=false" } => DeniedBy(Identity);
    "an identity Deny beats a repository Allow", ECR, "alice" { identity: &[DENY], repository: &[ALICE] } => DeniedBy(Identity);
    "a repository Deny beats an identity Allow", ECR, "alice" { identity: &[ALLOW], repository: &[DENY_ALICE] } => DeniedBy(Repository);
    "a repository Deny beats its own Allow", ECR, "alice" { repository: &[ALICE, DENY_ALICE] } => DeniedBy(Repository);
    "of two Denies the repository's is named", ACCESS, "alice" { identity: &[DENY], repository: &[DENY_ALICE] } => DeniedBy(Repository);
    "a Deny to someone else", ECR, "bob" { identity: &[ALLOW], repository: &[DENY_ALICE] } => AllowedBy(Identity);
    "a repository policy for another action", ECR, "alice" { repository: &[ALICE_PULLS] } => NotAllowedBy(Identity);
    "a repository policy for this action", ECR, "alice" { repository: &[ALICE_PULLS], action: "ecr:BatchGetImage" } => AllowedBy(Repository);
    "a repository policy with a condition", ECR, "alice" { repository: &[ALICE_FROM_OFFICE], given: "aws:SourceIp=192.0.2.9" } => AllowedBy(Repository);
    "a repository policy with a condition not met", ECR, "alice" { repository: &[ALICE_FROM_OFFICE], given: "aws:SourceIp=198.51.100.9" } => NotAllowedBy(Identity);
    "a repository policy that names another repository", "reference/access.md 4, Resource optional", "alice" { repository: &[ALICE_ELSEWHERE] } => NotAllowedBy(Identity);
    "naming the account only delegates", ACCESS, "alice" { repository: &[to!("arn:aws:iam::123456789012:root")] } => NotAllowedBy(Identity);
    "naming the account by id only delegates", ACCESS, "builder" { repository: &[to!("123456789012")] } => NotAllowedBy(Identity);
    "naming the account, and an identity policy", ACCESS, "alice" { identity: &[ALLOW], repository: &[to!("123456789012")] } => AllowedBy(Identity);
    "a role is named", ACCESS, "builder" { repository: &[to!("arn:aws:iam::123456789012:role/ci/Builder")], action: "ecr:BatchGetImage" } => AllowedBy(Repository);
    "root may do everything", ROOT, "root" {} => Root;
    "root, beside a policy for others", ROOT, "root" { repository: &[ALICE] } => Root;
    "a repository Deny stops root", ROOT, "root" { repository: &[deny_to!("arn:aws:iam::123456789012:root")] } => DeniedBy(Repository);
    "a Deny to all stops root", ROOT, "root" { repository: &[deny_to!("*")] } => DeniedBy(Repository);
    "a Deny to Alice does not stop root", ROOT, "root" { repository: &[DENY_ALICE] } => Root;
    "identity policies do not speak about root", ROOT, "root" { identity: &[DENY] } => Root;
    "a boundary does not limit root", ROOT, "root" { boundary: &[ALLOW_PULL] } => Root;
    "a token for who is allowed", TOKEN, "alice" { identity: &[ALLOW_TOKEN], action: "ecr:GetAuthorizationToken", resource: "*" } => AllowedBy(Identity);
    "a token needs a star", TOKEN, "alice" { identity: &[ALLOW_TOKEN_ON_REPOSITORIES], action: "ecr:GetAuthorizationToken", resource: "*" } => NotAllowedBy(Identity);
    "a namespace of repositories", "IAM User Guide: Resource", "alice" { identity: &[ALLOW_TEAM] } => AllowedBy(Identity);
    "outside the namespace", "IAM User Guide: Resource", "alice" { identity: &[ALLOW_TEAM], resource: "arn:aws:ecr:us-east-1:123456789012:repository/app" } => NotAllowedBy(Identity);
    "a service has no identity policy", "reference/access.md 4, Service principals", "service" { identity: &[ALLOW] } => NotAllowedBy(Repository);
    "the anonymous have no identity policy", ACCESS, "anonymous" { identity: &[ALLOW] } => NotAllowedBy(Repository);
    "without a name nothing is allowed", ACCESS, "anonymous" {} => NotAllowedBy(Repository);
}

#[test]
fn same_account() {
    run(CASES);
}
