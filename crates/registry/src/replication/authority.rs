//! Whether the registry of a destination lets a source's account replicate into it
//! (reference/replication-cache-templates.md 1): its registry policy alone decides across accounts, and within one account
//! only what it denies counts.

use access::action::Action;
use aws::AccountId;
use iam::{Context, Effect, Policies, Principal, Request};
use oci::RepositoryName;
use store::tables::registry_id::RegistryId;

use crate::Registry;

/// Whether the registry's policy looks at the tags of images.
pub fn reads_image_tag(app: &Registry, destination: &RegistryId) -> bool {
    let directory = app.identities.current();
    let policy = directory.registry_policy(destination);
    policy.is_some_and(|registry| registry.policy.policy.keys().any(|key| key == "ecr:imagetag"))
}

/// Refuses with ECR's text unless the source's account may do `action` to the repository, and to the tag if one is given.
pub fn require(
    app: &Registry,
    source: AccountId,
    destination: &RegistryId,
    repository: &RepositoryName,
    action: Action,
    tag: Option<&str>,
) -> Result<(), String> {
    let directory = app.identities.current();
    let policy = directory.registry_policy(destination);
    let principal = Principal::Root { account: source.to_string() };
    let resource = destination.repository_arn(repository.as_str());
    let mut context = Context::default();
    for (key, value) in [
        ("aws:PrincipalArn", principal.arn().into_owned()),
        ("aws:PrincipalAccount", source.to_string()),
        ("aws:PrincipalType", "Account".to_owned()),
        ("aws:PrincipalIsAWSService", "false".to_owned()),
        ("aws:SourceAccount", source.to_string()),
        ("aws:ResourceAccount", destination.account.to_string()),
        ("aws:RequestedRegion", destination.region.to_string()),
        ("aws:ViaAWSService", "true".to_owned()),
        ("aws:CurrentTime", aws::time::iso8601(app.now_ms())),
        ("aws:EpochTime", (app.now_ms() / 1000).to_string()),
    ] {
        context.set(key, value);
    }
    if let Some(tag) = tag {
        context.set("ecr:ImageTag", tag);
    }
    let request = Request {
        principal: &principal,
        action: action.as_str(),
        resource: &resource,
        resource_account: destination.account.as_str(),
        context: &context,
    };
    let policies = Policies { registry: policy.map(|registry| &registry.policy), ..Policies::default() };
    let mut decision = iam::decide(&request, &policies);
    if decision.is_allowed() {
        return Ok(());
    }
    // As everywhere: to whom a policy allows nothing it does not show, either.
    if source != destination.account && !decision.matched.iter().any(|matched| matched.effect == Effect::Allow) {
        decision = iam::decide(&request, &Policies::default());
    }
    let because = decision.because(action.as_str());
    Err(format!("User: {} is not authorized to perform: {action} on resource: {resource}{because}", principal.arn()))
}
