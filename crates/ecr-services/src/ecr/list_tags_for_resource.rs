//! ListTagsForResource: the resource tags of a repository.

use access::action::Action;
use access::auth::authorize::Need;
use api::grammar::Tag;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryName;
use registry::images::errors::RegistryError;
use registry::images::repositories::require;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;
use store::tables::resource_tags;

use super::constraints;
use super::errors::EcrError;

/// Lists the resource tags of a repository.
pub struct ListTagsForResource;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    resource_arn: Option<String>,
}

#[derive(Serialize)]
pub struct Output {
    tags: Vec<Tag>,
}

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    name: RepositoryName,
}

impl Operation for ListTagsForResource {
    const NAME: &'static str = "ListTagsForResource";
    const ACTION: Action = Action::EcrListTagsForResource;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(_: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let (registry, name) = constraints::repository_arn(input.resource_arn)?;
        Ok(Checked { registry, name })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &checked.registry, checked.name.as_str())]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let tags = call.app.db.read(move |tx| {
            let repository = require(tx, &checked.registry.repository(&checked.name))?;
            Ok::<_, RegistryError>(resource_tags::list(tx, repository.id)?)
        });
        Ok(Output { tags: Tag::list(&tags.await?) })
    }
}
