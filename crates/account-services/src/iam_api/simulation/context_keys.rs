//! GetContextKeysForCustomPolicy and GetContextKeysForPrincipalPolicy: what a simulation may have to be told.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;

use super::context;
use super::policies::{self, PolicySource, Simulated};
use crate::iam_api::constraints::{self, Check};
use crate::iam_api::errors::IamError;
use crate::iam_api::operation::{Access, IamOperation};

/// Policies, and whose else.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    policy_source_arn: Option<String>,
    #[serde(default, deserialize_with = "constraints::list")]
    policy_input_list: Option<Vec<String>>,
}

/// Condition keys.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    context_key_names: Vec<String>,
}

/// GetContextKeysForCustomPolicy.
pub struct GetContextKeysForCustomPolicy(Vec<Simulated>);

impl IamOperation for GetContextKeysForCustomPolicy {
    const ACTION: Action = Action::IamGetContextKeysForCustomPolicy;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(_: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let inputs = Check::required("policyInputList", input.policy_input_list)?;
        Simulated::inputs("PolicyInputList", Some(inputs)).map(Self)
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    fn run(&self, _: &Registry, _: &mut dyn Tx) -> Result<Output, IamError> {
        Ok(Output { context_key_names: context::keys_of(self.0.iter()) })
    }
}

/// GetContextKeysForPrincipalPolicy.
pub struct GetContextKeysForPrincipalPolicy {
    source: PolicySource,
    inputs: Vec<Simulated>,
}

impl IamOperation for GetContextKeysForPrincipalPolicy {
    const ACTION: Action = Action::IamGetContextKeysForPrincipalPolicy;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let source = PolicySource::new(call.caller.account, input.policy_source_arn)?;
        Ok(Self { source, inputs: Simulated::inputs("PolicyInputList", input.policy_input_list)? })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![Need::on(Self::ACTION, self.source.arn().to_owned())]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let entity = self.source.require(tx)?;
        let own = policies::of_entity(tx, &entity)?;
        Ok(Output { context_key_names: context::keys_of(own.iter().chain(&self.inputs)) })
    }
}
