//! DeleteRepository: deletes a repository; with `force`, its images too.

use oci::RepositoryName;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;

use super::constraints;
use super::errors::EcrError;
use super::shapes::Repository;
use crate::auth::authorize::Need;
use crate::aws_api::operation::{Call, Operation};
use crate::registry::changes::Cause;
use crate::registry::delete::Deletion;
use crate::registry::repositories;

/// The operation.
pub struct DeleteRepository;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    force: Option<bool>,
}

#[derive(Serialize)]
pub struct Output {
    repository: Repository,
}

impl Operation for DeleteRepository {
    const NAME: &'static str = "DeleteRepository";
    const ACTION: &'static str = "ecr:DeleteRepository";
    type Input = Input;
    type Output = Output;
    type Checked = (RegistryId, RepositoryName, bool);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        Ok((registry, name, input.force.unwrap_or(false)))
    }

    fn needs(_: &Call<'_>, (registry, name, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, registry, name.as_str())]
    }

    async fn run(call: &Call<'_>, (registry, name, force): Self::Checked) -> Result<Output, EcrError> {
        let deletion = Deletion::new(call.app(), Cause::of_caller(call.app(), &call.caller), Self::NAME);
        let deleted =
            call.app().db.make_room(move |tx| repositories::delete(tx, &registry, &name, force, &deletion)).await?;
        Ok(Output { repository: Repository::new(call.http, &deleted) })
    }
}
