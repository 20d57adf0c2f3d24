//! SetRepositoryPolicy: says who may do what with a repository (access.md 4).

use oci::RepositoryName;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;
use store::tables::repository_policies;

use super::constraints;
use super::errors::EcrError;
use crate::auth::authorize::{self, Need};
use crate::aws_api::operation::{Call, Operation};
use crate::registry::repositories::require;

/// The operation.
pub struct SetRepositoryPolicy;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    policy_text: Option<String>,
    force: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    policy_text: String,
}

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    name: RepositoryName,
    policy_text: String,
    policy: iam::Policy,
    is_forced: bool,
}

impl Operation for SetRepositoryPolicy {
    const NAME: &'static str = "SetRepositoryPolicy";
    const ACTION: &'static str = "ecr:SetRepositoryPolicy";
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        let policy_text = constraints::required("policyText", input.policy_text)?;
        let policy = constraints::policy(call, iam::PolicyKind::Repository, &policy_text)?;
        Ok(Checked { registry, name, policy_text, policy, is_forced: input.force.unwrap_or(false) })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &checked.registry, checked.name.as_str())]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { registry, name, policy_text, policy, is_forced } = checked;
        let place = (registry.clone(), name.clone());
        call.app().db.read_point(move |tx| require(tx, &place.0, &place.1)).await?;
        let again = Need::on_repository(Self::ACTION, &registry, name.as_str());
        if !is_forced && !authorize::would_allow(call.http, &call.caller, &again, policy).await? {
            let text = "This policy would keep you from setting another one; with force it is set all the same";
            return Err(EcrError::parameter("PolicyText", text));
        }
        let output = Output {
            registry_id: registry.account.to_string(),
            repository_name: name.to_string(),
            policy_text: policy_text.clone(),
        };
        call.app()
            .db
            .write(move |tx| {
                let repository = require(tx, &registry, &name)?;
                Ok::<_, EcrError>(repository_policies::set(tx, repository.id, Some(&policy_text))?)
            })
            .await?;
        Ok(output)
    }
}
