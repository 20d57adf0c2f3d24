//! GetRegistryPolicy: the policy of a registry, as it was given.

use serde::{Deserialize, Serialize};
use store::tables::registry_policies;

use super::errors::EcrError;
use crate::auth::authorize::Need;
use crate::aws_api::operation::{Call, Operation};

/// The operation.
pub struct GetRegistryPolicy;

#[derive(Deserialize)]
pub struct Input {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    policy_text: String,
}

impl Operation for GetRegistryPolicy {
    const NAME: &'static str = "GetRegistryPolicy";
    const ACTION: &'static str = "ecr:GetRegistryPolicy";
    type Input = Input;
    type Output = Output;
    type Checked = ();
    type Error = EcrError;

    fn check(_: &Call<'_>, _: Input) -> Result<(), EcrError> {
        Ok(())
    }

    fn needs(_: &Call<'_>, (): &()) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (): ()) -> Result<Output, EcrError> {
        let registry = call.own_registry();
        let registry_id = registry.account.to_string();
        let wanted = registry.clone();
        let found = call.app().db.read_point(move |tx| registry_policies::find(tx, &wanted)).await?;
        let policy_text = found.ok_or(EcrError::RegistryPolicyNotFound(registry))?;
        Ok(Output { registry_id, policy_text })
    }
}
