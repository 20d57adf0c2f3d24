//! GetRepositoryPolicy: the policy of a repository, as it was given.

use oci::RepositoryName;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;
use store::tables::repository_policies;

use super::constraints;
use super::errors::EcrError;
use crate::auth::authorize::Need;
use crate::aws_api::operation::{Call, Operation};
use crate::registry::repositories::{reference, require};

/// The operation.
pub struct GetRepositoryPolicy;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    policy_text: String,
}

impl Operation for GetRepositoryPolicy {
    const NAME: &'static str = "GetRepositoryPolicy";
    const ACTION: &'static str = "ecr:GetRepositoryPolicy";
    type Input = Input;
    type Output = Output;
    type Checked = (RegistryId, RepositoryName);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        Ok((registry, constraints::repository_name("repositoryName", input.repository_name)?))
    }

    fn needs(_: &Call<'_>, (registry, name): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, registry, name.as_str())]
    }

    async fn run(call: &Call<'_>, (registry, name): Self::Checked) -> Result<Output, EcrError> {
        let db = &call.app().db;
        db.read_point(move |tx| {
            let repository = require(tx, &registry, &name)?;
            let access = repository_policies::find_access(tx, &registry, &name)?;
            let policy_text = access
                .and_then(|access| access.policy)
                .ok_or_else(|| EcrError::RepositoryPolicyNotFound(reference(&repository)))?;
            Ok(Output { registry_id: registry.account.to_string(), repository_name: name.to_string(), policy_text })
        })
        .await
    }
}
