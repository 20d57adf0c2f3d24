//! DeleteRegistryPolicy: takes the policy of a registry away.

use serde::{Deserialize, Serialize};
use store::tables::{identity_version, registry_policies};

use super::errors::EcrError;
use crate::auth::authorize::Need;
use crate::aws_api::operation::{Call, Operation};

/// The operation.
pub struct DeleteRegistryPolicy;

#[derive(Deserialize)]
pub struct Input {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    policy_text: String,
}

impl Operation for DeleteRegistryPolicy {
    const NAME: &'static str = "DeleteRegistryPolicy";
    const ACTION: &'static str = "ecr:DeleteRegistryPolicy";
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
        let output = call.app().db.write(move |tx| {
            let policy_text = registry_policies::find(tx, &registry)?
                .ok_or_else(|| EcrError::RegistryPolicyNotFound(registry.clone()))?;
            registry_policies::delete(tx, &registry)?;
            identity_version::increment(tx)?;
            Ok::<_, EcrError>(Output { registry_id: registry.account.to_string(), policy_text })
        });
        let output = output.await?;
        call.app().refresh_identities().await?;
        Ok(output)
    }
}
