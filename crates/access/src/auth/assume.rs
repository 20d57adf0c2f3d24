//! Who may take a role on: the trust policy of the role, and the policies of whoever asks.

use iam::{Attached, Decision, Policies, Principal, Request};

use super::authorize::read_keys;
use super::caller::Caller;
use super::directory::Identity;
use super::request_keys::{OwnKeys, RequestKeys};
use crate::action::Action;
use crate::request::RequestContext;

/// Decides whether the caller may do `action` (`sts:AssumeRole` and what comes with it) on a role. `keys` are the
/// condition keys that only this request has.
pub fn authorize_role(
    http: &RequestContext,
    caller: &Caller,
    role: &Identity,
    action: Action,
    keys: &OwnKeys,
) -> Option<Decision> {
    let identity = caller.identity();
    let session = caller.session().filter(|session| session.is_limited());
    let session: Vec<&[Attached]> = session.map(|session| session.policies.as_slice()).into_iter().collect();
    let groups = identity.map_or_else(Vec::new, Identity::groups);
    let policies = Policies {
        identity: identity.map_or(&[], |identity| &identity.policies),
        groups: &groups,
        boundary: identity.and_then(|identity| identity.boundary.as_ref()),
        session: &session,
        scope: caller.scope.as_deref(),
        ..Policies::default()
    };
    decide(http, Some(caller), &caller.principal, role, action, keys, &policies)
}

/// As [`authorize_role`], for whoever presents a token of an OpenID Connect provider.
pub fn authorize_web_identity(
    http: &RequestContext,
    provider_arn: &str,
    role: &Identity,
    action: Action,
    keys: &OwnKeys,
) -> Option<Decision> {
    let principal = Principal::WebIdentity { provider_arn: provider_arn.to_owned() };
    decide(http, None, &principal, role, action, keys, &Policies::default())
}

/// None if the role has no trust policy, which lets nobody in.
fn decide(
    http: &RequestContext,
    caller: Option<&Caller>,
    principal: &Principal,
    role: &Identity,
    action: Action,
    keys: &OwnKeys,
    policies: &Policies<'_>,
) -> Option<Decision> {
    let trust = role.trust.as_ref()?;
    let mut request_keys = RequestKeys::new(http, caller, keys, role.entity.account);
    request_keys.resource_tags.clone_from(&role.entity.tags);
    let context = request_keys.context(read_keys(policies).chain(trust.policy.keys()));
    let request = Request {
        principal,
        action: action.as_str(),
        resource: &role.arn,
        resource_account: role.entity.account.as_str(),
        context: &context,
    };
    let decision = iam::decide_trust(&request, trust, policies);
    if !decision.is_allowed() {
        let deciding = decision.deciding();
        tracing::debug!(request_id = %http.request_id, principal = %principal.arn(), action = action.as_str(), role = %role.arn, ?deciding, reason = ?decision.reason, "denied");
    }
    Some(decision)
}
