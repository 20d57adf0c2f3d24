//! GetRegistryPolicy: the policy of a registry, as it was given.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use serde::Deserialize;

use super::errors::EcrError;
use super::shapes::RegistryPolicy;

/// Reads the policy of the caller's registry, as it was given.
pub struct GetRegistryPolicy;

#[derive(Deserialize)]
pub struct Input {}

impl Operation for GetRegistryPolicy {
    const NAME: &'static str = "GetRegistryPolicy";
    const ACTION: Action = Action::EcrGetRegistryPolicy;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = RegistryPolicy;
    type Checked = ();
    type Error = EcrError;

    fn check(_: &Call<'_>, _: Input) -> Result<(), EcrError> {
        Ok(())
    }

    fn needs(_: &Call<'_>, (): &()) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (): ()) -> Result<RegistryPolicy, EcrError> {
        let registry = call.own_registry();
        call.app.db.read_point(move |tx| RegistryPolicy::require(tx, &registry)).await
    }
}
