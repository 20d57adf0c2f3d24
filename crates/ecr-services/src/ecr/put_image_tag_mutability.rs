//! PutImageTagMutability: decides whether the tags of a repository may move.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::{RepositoryName, TagFilter};
use registry::images::errors::RegistryError;
use registry::images::repositories::require;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;
use store::tables::repositories::{self, TagMutability};

use super::constraints::{self, Check};
use super::errors::EcrError;
use super::shapes::{self, ExclusionFilter};

/// Stores whether the tags of a repository may move, and which tags are excepted.
pub struct PutImageTagMutability;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_tag_mutability: Option<String>,
    image_tag_mutability_exclusion_filters: Option<Vec<ExclusionFilter>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    image_tag_mutability: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    image_tag_mutability_exclusion_filters: Vec<ExclusionFilter>,
}

impl Operation for PutImageTagMutability {
    const NAME: &'static str = "PutImageTagMutability";
    const ACTION: Action = Action::EcrPutImageTagMutability;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = (RegistryId, RepositoryName, TagMutability, Vec<TagFilter>);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        let mode = Check::required("imageTagMutability", input.image_tag_mutability)?;
        let (mode, filters) = shapes::tag_mutability(Some(&mode), input.image_tag_mutability_exclusion_filters)?;
        Ok((registry, name, mode, filters))
    }

    fn needs(_: &Call<'_>, (registry, name, ..): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, registry, name.as_str())]
    }

    async fn run(call: &Call<'_>, (registry, name, mode, filters): Self::Checked) -> Result<Output, EcrError> {
        let output = Output {
            registry_id: registry.account.to_string(),
            repository_name: name.to_string(),
            image_tag_mutability: mode.as_str(),
            image_tag_mutability_exclusion_filters: ExclusionFilter::list(&filters),
        };
        call.app
            .db
            .write(move |tx| {
                let repository = require(tx, &registry.repository(&name))?;
                Ok::<_, RegistryError>(repositories::set_tag_mutability(tx, repository.id, mode, &filters)?)
            })
            .await?;
        Ok(output)
    }
}
