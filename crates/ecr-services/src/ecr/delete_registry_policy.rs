//! DeleteRegistryPolicy: takes the policy of a registry away.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use serde::Deserialize;
use store::tables::{identity_version, registry_policies};

use super::errors::EcrError;
use super::shapes::RegistryPolicy;

/// Deletes the policy of the caller's registry, on every node before it answers.
pub struct DeleteRegistryPolicy;

#[derive(Deserialize)]
pub struct Input {}

impl Operation for DeleteRegistryPolicy {
    const NAME: &'static str = "DeleteRegistryPolicy";
    const ACTION: Action = Action::EcrDeleteRegistryPolicy;
    const READ_ONLY: bool = false;
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
        let deleted = call.app.db.make_room(move |tx| {
            let policy = RegistryPolicy::require(tx, &registry)?;
            registry_policies::delete(tx, &registry)?;
            identity_version::increment(tx)?;
            Ok::<_, EcrError>(policy)
        });
        let policy = deleted.await?;
        call.app.publish_changes().await?;
        Ok(policy)
    }
}
