//! GetRegistryScanningConfiguration: how the images of a registry are scanned.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use scanning::configuration::Configuration;
use serde::{Deserialize, Serialize};

use super::errors::EcrError;
use super::scanning_configuration::RegistryScanningConfiguration;

/// Tells how the images of the caller's registry are scanned: by default with basic scanning, by no rule.
pub struct GetRegistryScanningConfiguration;

#[derive(Deserialize)]
pub struct Input {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    scanning_configuration: RegistryScanningConfiguration,
}

impl Operation for GetRegistryScanningConfiguration {
    const NAME: &'static str = "GetRegistryScanningConfiguration";
    const ACTION: Action = Action::EcrGetRegistryScanningConfiguration;
    const READ_ONLY: bool = true;
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
        let configuration = call.app.db.read_point(move |tx| Configuration::find(tx, &registry)).await?;
        Ok(Output { registry_id, scanning_configuration: (&configuration).into() })
    }
}
