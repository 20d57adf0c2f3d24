//! PutRegistryPolicy: says who may do what with a registry (access.md 4).

use serde::{Deserialize, Serialize};
use store::tables::{identity_version, registry_policies};

use super::constraints;
use super::errors::EcrError;
use crate::auth::authorize::Need;
use crate::aws_api::operation::{Call, Operation};

/// The operation.
pub struct PutRegistryPolicy;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    policy_text: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    policy_text: String,
}

impl Operation for PutRegistryPolicy {
    const NAME: &'static str = "PutRegistryPolicy";
    const ACTION: &'static str = "ecr:PutRegistryPolicy";
    type Input = Input;
    type Output = Output;
    type Checked = String;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<String, EcrError> {
        let policy_text = constraints::required("policyText", input.policy_text)?;
        constraints::policy(call, iam::PolicyKind::Registry, &policy_text)?;
        Ok(policy_text)
    }

    fn needs(_: &Call<'_>, _: &Self::Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, policy_text: String) -> Result<Output, EcrError> {
        let registry = call.own_registry();
        let output = Output { registry_id: registry.account.to_string(), policy_text: policy_text.clone() };
        call.app()
            .db
            .write(move |tx| {
                identity_version::increment(tx)?;
                registry_policies::upsert(tx, &registry, &policy_text)
            })
            .await?;
        call.app().refresh_identities().await?;
        Ok(output)
    }
}
