//! UntagResource: removes resource tags of a repository.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryName;
use registry::images::errors::RegistryError;
use registry::images::repositories::require;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;
use store::tables::resource_tags;

use super::constraints::{self, Check};
use super::errors::EcrError;

/// Removes resource tags of a repository by their keys.
pub struct UntagResource;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    resource_arn: Option<String>,
    tag_keys: Option<Vec<String>>,
}

#[derive(Serialize)]
pub struct Output {}

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    name: RepositoryName,
    keys: Vec<String>,
}

impl Operation for UntagResource {
    const NAME: &'static str = "UntagResource";
    const ACTION: Action = Action::EcrUntagResource;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(_: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let (registry, name) = constraints::repository_arn(input.resource_arn)?;
        let keys = Check::required("tagKeys", input.tag_keys)?;
        Check::tag_keys(&keys)?;
        Ok(Checked { registry, name, keys })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        let need = Need::on_repository(Self::ACTION, &checked.registry, checked.name.as_str());
        vec![need.with("aws:TagKeys", &checked.keys)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let done = call.app.db.write(move |tx| {
            let repository = require(tx, &checked.registry.repository(&checked.name))?;
            for key in &checked.keys {
                resource_tags::delete(tx, repository.id, key)?;
            }
            Ok::<_, RegistryError>(Output {})
        });
        Ok(done.await?)
    }
}
