//! SimulateCustomPolicy: what policies that nobody has would decide.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use store::db::Tx;

use super::evaluation::{Simulation, SimulationInput, SimulationOutput};
use crate::iam_api::constraints::Check;
use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};

/// Decides for each action and resource that is asked about by the policies of the request alone.
pub struct SimulateCustomPolicy(Simulation);

impl IamOperation for SimulateCustomPolicy {
    const ACTION: Action = Action::IamSimulateCustomPolicy;
    const ACCESS: Access = Access::Reads;
    type Input = SimulationInput;
    type Output = SimulationOutput;

    fn check(call: &Call<'_>, input: SimulationInput) -> Result<Self, IamError> {
        let simulation = Simulation::check(call.app, call.caller.account, input)?;
        Check::required("policyInputList", simulation.has_inputs.then_some(()))?;
        Ok(Self(simulation))
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    fn run(&self, _: &Registry, _: &mut dyn Tx) -> Result<SimulationOutput, IamError> {
        self.0.run(None, &[], None)
    }
}
