//! CreatePolicyVersion: a new document for a managed policy, in force at once if it is to be.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::Call;
use registry::Registry;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::iam::policies::{self, PolicyVersion};

use super::MAX_VERSIONS;
use crate::iam_api::documents;
use crate::iam_api::errors::IamError;
use crate::iam_api::managed_policy::ManagedRef;
use crate::iam_api::operation::{Access, IamOperation};
use crate::iam_api::shapes::Version;

/// Adds a version to a managed policy of the account, and puts it in force if it is to be the default.
pub struct CreatePolicyVersion {
    policy: ManagedRef,
    document: String,
    is_default: bool,
    now_ms: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Input {
    policy_arn: Option<String>,
    policy_document: Option<String>,
    #[serde(default, deserialize_with = "aws::bool_text")]
    set_as_default: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Output {
    policy_version: Version,
}

impl IamOperation for CreatePolicyVersion {
    const ACTION: Action = Action::IamCreatePolicyVersion;
    const ACCESS: Access = Access::Changes;
    type Input = Input;
    type Output = Output;

    fn check(call: &Call<'_>, input: Input) -> Result<Self, IamError> {
        Ok(Self {
            policy: ManagedRef::new(call, "policyArn", input.policy_arn)?,
            document: documents::managed(input.policy_document)?,
            is_default: input.set_as_default == Some(true),
            now_ms: call.app.now_ms(),
        })
    }

    fn needs(&self, _: &Call<'_>) -> Vec<Need> {
        vec![self.policy.need(Self::ACTION)]
    }

    fn run(&self, _: &Registry, tx: &mut dyn Tx) -> Result<Output, IamError> {
        let mut policy = self.policy.require_own(tx)?;
        if policies::list_versions(tx, &policy.arn)?.len() >= MAX_VERSIONS {
            return Err(IamError::TooManyPolicyVersions);
        }
        policy.latest_version += 1;
        let version = PolicyVersion {
            version: policy.latest_version,
            document: self.document.clone(),
            created_at_ms: self.now_ms,
        };
        policies::insert_version(tx, &policy.arn, &version)?;
        if self.is_default {
            policy.default_version = version.version;
            policy.updated_at_ms = self.now_ms;
        }
        policies::update(tx, &policy)?;
        // The document comes back only from GetPolicyVersion.
        Ok(Output { policy_version: Version::listed(&policy, &version) })
    }
}
