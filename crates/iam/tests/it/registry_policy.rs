//! Registry policies, where their scope says that they count.

use iam::Reason::{AllowedBy, DeniedBy, NotAllowedBy, Root};
use iam::Source::{Boundary, Identity, Registry, Repository};

use crate::support::{ALLOW, ALLOW_PULL, run};
use crate::{cases, deny_to, to};

const ECR: &str = "ECR User Guide: Registry permissions";
const ACCESS: &str = "reference/access.md 4, Registry policy";

const REPLICATE: &str = "{'Sid':'replicate from there','Effect':'Allow','Principal':{'AWS':'arn:aws:iam::999988887777:root'},'Action':['ecr:CreateRepository','ecr:ReplicateImage'],'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/*'}";
const REPLICATE_TEAM: &str = "{'Effect':'Allow','Principal':{'AWS':'999988887777'},'Action':'ecr:ReplicateImage','Resource':'arn:aws:ecr:*:*:repository/team/*'}";
const ALICE_IMPORTS: &str = "{'Effect':'Allow','Principal':{'AWS':'arn:aws:iam::123456789012:user/alice'},'Action':['ecr:CreateRepository','ecr:BatchImportUpstreamImage'],'Resource':'arn:aws:ecr:us-east-1:123456789012:repository/hub/*'}";
const HUB: &str = "arn:aws:ecr:us-east-1:123456789012:repository/hub/alpine";

cases! { CASES:
    "replication from an account that is named", ECR, "other root" { action: "ecr:ReplicateImage", registry: &[REPLICATE] } => AllowedBy(Registry);
    "a user there, with a policy", ECR, "olga" { identity: &[ALLOW], action: "ecr:ReplicateImage", registry: &[REPLICATE] } => AllowedBy(Registry);
    "a user there, without a policy", ECR, "olga" { action: "ecr:ReplicateImage", registry: &[REPLICATE] } => NotAllowedBy(Identity);
    "another action there", ECR, "olga" { identity: &[ALLOW], registry: &[REPLICATE] } => NotAllowedBy(Repository);
    "a part of the registry", ECR, "other root" { action: "ecr:ReplicateImage", registry: &[REPLICATE_TEAM] } => AllowedBy(Registry);
    "outside that part", ECR, "other root" { action: "ecr:ReplicateImage", resource: HUB, registry: &[REPLICATE_TEAM] } => NotAllowedBy(Repository);
    "importing is granted", ECR, "alice" { action: "ecr:BatchImportUpstreamImage", resource: HUB, registry: &[ALICE_IMPORTS] } => AllowedBy(Registry);
    "importing elsewhere is not", ECR, "alice" { action: "ecr:BatchImportUpstreamImage", registry: &[ALICE_IMPORTS] } => NotAllowedBy(Identity);
    "importing by someone else", ECR, "bob" { action: "ecr:BatchImportUpstreamImage", resource: HUB, registry: &[ALICE_IMPORTS] } => NotAllowedBy(Identity);
    "an identity policy suffices", ACCESS, "bob" { identity: &[ALLOW], action: "ecr:BatchImportUpstreamImage", resource: HUB, registry: &[ALICE_IMPORTS] } => AllowedBy(Identity);
    "a registry Deny beats an identity policy", ACCESS, "alice" { identity: &[ALLOW], registry: &[deny_to!("*")] } => DeniedBy(Registry);
    "a registry Deny beats a repository policy", ACCESS, "alice" { repository: &[to!("*")], registry: &[deny_to!("*")] } => DeniedBy(Registry);
    "a repository Deny beats a registry policy", ACCESS, "alice" { repository: &[deny_to!("*")], registry: &[to!("*")] } => DeniedBy(Repository);
    "a registry Deny stops root", ACCESS, "root" { registry: &[deny_to!("123456789012")] } => DeniedBy(Registry);
    "a registry Allow changes nothing for root", ACCESS, "root" { registry: &[to!("*")] } => Root;
    "a registry Deny to others", ACCESS, "alice" { identity: &[ALLOW], registry: &[deny_to!("999988887777")] } => AllowedBy(Identity);
    "either of both may grant", ACCESS, "alice" { repository: &[to!("arn:aws:iam::123456789012:user/team/bob")], registry: &[to!("arn:aws:iam::123456789012:user/alice")] } => AllowedBy(Registry);
    "both grant, the repository is named", ACCESS, "alice" { repository: &[to!("*")], registry: &[to!("*")] } => AllowedBy(Repository);
    "naming the account only delegates", ACCESS, "alice" { registry: &[to!("123456789012")] } => NotAllowedBy(Identity);
    "the wider grant of both counts", ACCESS, "builder" { boundary: &[ALLOW_PULL], repository: &[to!("arn:aws:iam::123456789012:role/ci/Builder")], registry: &[to!("*")] } => AllowedBy(Registry);
    "a grant to the role stays within its boundary", ACCESS, "builder" { boundary: &[ALLOW_PULL], registry: &[to!("arn:aws:iam::123456789012:role/ci/Builder")] } => NotAllowedBy(Boundary);
    "the replication service", ECR, "service" { action: "ecr:ReplicateImage", registry: &["{'Effect':'Allow','Principal':{'Service':'replication.ecr.amazonaws.com'},'Action':'ecr:ReplicateImage','Resource':'*'}"] } => AllowedBy(Registry);
}

#[test]
fn registry_policies() {
    run(CASES);
}
