//! PutRegistryScanningConfiguration: decides how the images of a registry are scanned.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use scanning::configuration::{self, Configuration};
use serde::Serialize;

use super::errors::EcrError;
use super::scanning_configuration::RegistryScanningConfiguration;

/// Stores how the images of the caller's registry are scanned, in place of all that was put before.
pub struct PutRegistryScanningConfiguration;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_scanning_configuration: RegistryScanningConfiguration,
}

impl Operation for PutRegistryScanningConfiguration {
    const NAME: &'static str = "PutRegistryScanningConfiguration";
    const ACTION: Action = Action::EcrPutRegistryScanningConfiguration;
    const READ_ONLY: bool = false;
    type Input = RegistryScanningConfiguration;
    type Output = Output;
    type Checked = Configuration;
    type Error = EcrError;

    fn check(_: &Call<'_>, input: RegistryScanningConfiguration) -> Result<Configuration, EcrError> {
        input.check()
    }

    fn needs(_: &Call<'_>, _: &Configuration) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, configuration: Configuration) -> Result<Output, EcrError> {
        let output = Output { registry_scanning_configuration: (&configuration).into() };
        let (registry, now_ms, events) = (call.own_registry(), call.app.now_ms(), call.app.events.clone());
        let stored = call
            .app
            .db
            .write(move |tx| Ok::<_, EcrError>(configuration::put(tx, &events, &registry, &configuration, now_ms)?));
        stored.await?;
        call.app.wake_jobs.wake();
        Ok(output)
    }
}
