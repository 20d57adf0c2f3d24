//! UpdateAssumeRolePolicy: who may assume a role.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::Deserialize;
use store::db::Tx;
use store::tables::iam::entities::{self, EntityKind};

use crate::iam_api::documents;
use crate::iam_api::errors::IamError;
use crate::iam_api::kinds::EntityRef;
use crate::iam_api::operation::{Access, IamOperation};

/// Replaces the trust policy of a role; the principals that it names must be there.
pub struct UpdateAssumeRolePolicy {
    role: EntityRef,
    trust_policy: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    role_name: Option<String>,
    policy_document: Option<String>,
}

impl IamOperation for UpdateAssumeRolePolicy {
    const ACTION: Action = Action::IamUpdateAssumeRolePolicy;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = ();

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        let role = EntityRef::new(call, EntityKind::Role, input.role_name)?;
        let trust_policy = documents::trust("policyDocument", input.policy_document)?;
        Ok(Self { role, trust_policy })
    }

    fn needs(&self, call: &Call<'_>) -> Vec<Need> {
        vec![self.role.need(call, Self::ACTION)]
    }

    fn run(&self, app: &Registry, tx: &mut dyn Tx) -> Result<(), IamError> {
        let mut role = self.role.require_own(tx)?;
        documents::require_principals(app, &self.trust_policy)?;
        role.trust_policy = Some(self.trust_policy.clone());
        entities::update(tx, &role)?;
        Ok(())
    }
}
