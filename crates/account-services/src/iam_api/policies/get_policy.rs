//! GetPolicy: a managed policy, without its document.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;

use super::uses;
use crate::iam_api::errors::IamError;
use crate::iam_api::managed_policy::{Managed, ManagedRef};
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::shapes::Policy;

/// Describes a managed policy, of the account or of AWS, without its document.
pub struct GetPolicy {
    account: aws::AccountId,
    policy: ManagedRef,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    policy_arn: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    policy: Policy,
}

impl IamOperation for GetPolicy {
    const ACTION: Action = Action::IamGetPolicy;
    const ACCESS: Access = Access::Reads;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let policy = ManagedRef::new(call, "policyArn", input.policy_arn)?;
        Ok(Self { account: call.caller.account, policy })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.policy.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let found = self.policy.require(tx)?;
        let uses = uses(tx, self.account, &self.policy.arn)?;
        let policy = match found {
            Managed::Customer(policy) => Policy::whole(&policy, uses),
            Managed::Aws(policy) => Policy::aws_managed(policy, uses),
        };
        Ok(Output { policy })
    }
}
