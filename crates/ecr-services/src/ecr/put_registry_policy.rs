//! PutRegistryPolicy: says who may do what with a registry (reference/access.md 4).

use access::action::Action;
use access::auth::authorize::{self, Need, V1_ACTIONS};
use api::protocols::operation::{Call, Operation};
use iam::Policy;
use registry::images::settings;
use serde::Deserialize;
use store::tables::account_settings::AccountSetting;
use store::tables::{identity_version, registry_policies};

use super::constraints::{self, Check};
use super::errors::EcrError;
use super::shapes::RegistryPolicy;

/// Stores the policy of the caller's registry, unless it would keep the caller from putting another one.
pub struct PutRegistryPolicy;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    policy_text: Option<String>,
}

impl Operation for PutRegistryPolicy {
    const NAME: &'static str = "PutRegistryPolicy";
    const ACTION: Action = Action::EcrPutRegistryPolicy;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = RegistryPolicy;
    type Checked = (String, Policy);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let policy_text = Check::required("policyText", input.policy_text)?;
        let policy = constraints::policy(call, iam::PolicyKind::Registry, &policy_text)?;
        Ok((policy_text, policy))
    }

    fn needs(_: &Call<'_>, _: &Self::Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (policy_text, policy): Self::Checked) -> Result<RegistryPolicy, EcrError> {
        let registry = call.own_registry();
        let asked = registry.clone();
        let scope = call.app.db.read_point(move |tx| settings::value(tx, &asked, AccountSetting::RegistryPolicyScope));
        require_in_scope(&policy, &scope.await?)?;
        // As for SetRepositoryPolicy, though without a way to force it: the root user and `wharf policy reset` undo what
        // has gone wrong. A policy of scope V1 says nothing about this action.
        let again = Need::anywhere(Self::ACTION);
        if !authorize::registry_would_allow(call.http, &call.caller, &again, policy.clone()).await? {
            let text = "This policy would keep you from putting another one";
            return Err(EcrError::parameter("PolicyText", text));
        }
        let output = RegistryPolicy::new(&registry, policy_text.clone());
        call.app
            .db
            .write(move |tx| {
                // It may have changed meanwhile.
                require_in_scope(&policy, &settings::value(tx, &registry, AccountSetting::RegistryPolicyScope)?)?;
                identity_version::increment(tx)?;
                Ok::<_, EcrError>(registry_policies::upsert(tx, &registry, &policy_text)?)
            })
            .await?;
        call.app.publish_changes().await?;
        Ok(output)
    }
}

/// Refuses what the scope of the registry's policy does not know: V1 has three actions only (reference/access.md 4).
fn require_in_scope(policy: &Policy, scope: &str) -> Result<(), EcrError> {
    if scope == "V1" && !policy.is_only_about(&V1_ACTIONS.map(Action::as_str)) {
        return Err(EcrError::parameter("PolicyText", "Invalid registry policy provided"));
    }
    Ok(())
}
