//! DescribeRegistry: the settings of a registry.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::replication::rules::Rules;
use serde::{Deserialize, Serialize};

use super::errors::EcrError;
use super::replication_configuration::ReplicationConfiguration;

/// Tells what the caller's registry replicates, and where to.
pub struct DescribeRegistry;

#[derive(Deserialize)]
pub struct Input {}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    replication_configuration: ReplicationConfiguration,
}

type Checked = ();

impl Operation for DescribeRegistry {
    const NAME: &'static str = "DescribeRegistry";
    const ACTION: Action = Action::EcrDescribeRegistry;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(_: &Call<'_>, _: Input) -> Result<Checked, EcrError> {
        Ok(())
    }

    fn needs(_: &Call<'_>, (): &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, (): Checked) -> Result<Output, EcrError> {
        let registry = call.own_registry();
        let rules = call.app.db.read_point(move |tx| Rules::find(tx, &registry)).await?;
        Ok(Output { registry_id: call.caller.account.to_string(), replication_configuration: (&rules).into() })
    }
}
