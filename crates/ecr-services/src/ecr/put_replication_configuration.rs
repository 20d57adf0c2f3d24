//! PutReplicationConfiguration: says what a registry replicates, and where to.
//!
//! ECR makes a service-linked role at the first call, for which the caller needs `iam:CreateServiceLinkedRole`. Here
//! replication is no principal of its own, so nothing is made and nothing more is needed.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::replication::rules::Rules;
use serde::{Deserialize, Serialize};

use super::constraints::Check;
use super::errors::EcrError;
use super::replication_configuration::ReplicationConfiguration;

/// Stores what the caller's registry replicates, and where to.
pub struct PutReplicationConfiguration;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    replication_configuration: Option<ReplicationConfiguration>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    replication_configuration: ReplicationConfiguration,
}

impl Operation for PutReplicationConfiguration {
    const NAME: &'static str = "PutReplicationConfiguration";
    const ACTION: Action = Action::EcrPutReplicationConfiguration;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Rules;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Rules, EcrError> {
        let configuration = Check::required("replicationConfiguration", input.replication_configuration)?;
        configuration.check(&call.own_registry())
    }

    fn needs(_: &Call<'_>, _: &Rules) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, rules: Rules) -> Result<Output, EcrError> {
        let registry = call.own_registry();
        let output = Output { replication_configuration: (&rules).into() };
        call.app.db.write(move |tx| Ok::<_, EcrError>(rules.store(tx, &registry)?)).await?;
        Ok(output)
    }
}
