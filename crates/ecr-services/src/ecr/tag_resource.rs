//! TagResource: sets resource tags of a repository.

use access::action::Action;
use access::auth::authorize::Need;
use api::grammar::{MAX_TAGS, Tag};
use api::protocols::operation::{Call, Operation};
use oci::RepositoryName;
use registry::images::repositories::require;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;
use store::tables::resource_tags;

use super::constraints::{self, Check};
use super::errors::EcrError;

/// Sets resource tags of a repository, those that it has under the same keys anew.
pub struct TagResource;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    resource_arn: Option<String>,
    tags: Option<Vec<Tag>>,
}

#[derive(Serialize)]
pub struct Output {}

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    name: RepositoryName,
    tags: Vec<(String, String)>,
}

impl Operation for TagResource {
    const NAME: &'static str = "TagResource";
    const ACTION: Action = Action::EcrTagResource;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(_: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let (registry, name) = constraints::repository_arn(input.resource_arn)?;
        let tags = Check::tags(Some(Check::required("tags", input.tags)?))?;
        Ok(Checked { registry, name, tags })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        let need = Need::on_repository(Self::ACTION, &checked.registry, checked.name.as_str());
        vec![need.with_request_tags(&checked.tags)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        call.app
            .db
            .write(move |tx| {
                let repository = require(tx, &checked.registry.repository(&checked.name))?;
                for (key, value) in &checked.tags {
                    resource_tags::upsert(tx, repository.id, key, value)?;
                }
                if resource_tags::list(tx, repository.id)?.len() > MAX_TAGS {
                    return Err(EcrError::TooManyTags);
                }
                Ok(Output {})
            })
            .await
    }
}
