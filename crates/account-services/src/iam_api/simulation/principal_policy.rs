//! SimulatePrincipalPolicy: what the policies of a user, group or role decide, with others if they are given.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::Deserialize;
use store::db::Tx;

use super::evaluation::{Simulation, SimulationInput, SimulationOutput};
use super::policies::{self, PolicySource};
use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};

/// Decides for each action and resource that is asked about by the policies of a user, group or role, and those of
/// the request.
pub struct SimulatePrincipalPolicy {
    source: PolicySource,
    simulation: Simulation,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    policy_source_arn: Option<String>,
    #[serde(flatten)]
    simulation: SimulationInput,
}

impl IamOperation for SimulatePrincipalPolicy {
    const ACTION: Action = Action::IamSimulatePrincipalPolicy;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = SimulationOutput;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let account = call.caller.account;
        let source = PolicySource::new(account, input.policy_source_arn)?;
        Ok(Self { source, simulation: Simulation::check(call.app, account, input.simulation)? })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::on(Self::ACTION, self.source.arn().to_owned())]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<SimulationOutput, IamError> {
        let entity = self.source.require(tx)?;
        let own = policies::of_entity(tx, &entity)?;
        let boundary = policies::boundary_of(tx, &entity)?;
        self.simulation.run(Some(&entity), &own, boundary.as_ref())
    }
}
