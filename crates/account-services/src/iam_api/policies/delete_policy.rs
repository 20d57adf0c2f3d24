//! DeletePolicy: only a policy that nobody has, and that has one version.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::Deserialize;
use store::db::Tx;
use store::tables::iam::policies;

use super::uses;
use crate::iam_api::errors::{Dependent, IamError};
use crate::iam_api::managed_policy::ManagedRef;
use crate::iam_api::operation::{Access, IamOperation};

/// Deletes a managed policy of the account that nobody has and that has one version.
pub struct DeletePolicy(ManagedRef);

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    policy_arn: Option<String>,
}

impl IamOperation for DeletePolicy {
    const ACTION: Action = Action::IamDeletePolicy;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        ManagedRef::new(call, "policyArn", input.policy_arn).map(Self)
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.0.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let policy = self.0.require_own(tx)?;
        let uses = uses(tx, policy.account, &policy.arn)?;
        if uses.attachments + uses.boundaries > 0 {
            return Err(IamError::DeleteConflict(Dependent::Entities));
        }
        if policies::list_versions(tx, &policy.arn)?.len() > 1 {
            return Err(IamError::DeleteConflict(Dependent::Versions));
        }
        Ok(policies::delete(tx, &policy.arn)?)
    }
}
