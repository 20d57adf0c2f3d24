//! UpdateImageStorageClass: archives an image, or begins to restore it.

use oci::RepositoryName;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::images::ImageStatus;
use store::tables::registry_id::RegistryId;

use super::constraints;
use super::errors::EcrError;
use super::image_identifiers::{self, ImageIdentifier};
use crate::auth::authorize::Need;
use crate::aws_api::operation::{Call, Operation};
use crate::registry::changes::Cause;
use crate::registry::errors::RegistryError;
use crate::registry::pull::Selector;
use crate::registry::repositories::{order, require};
use crate::registry::storage_class::{self, StorageClass};

/// The operation.
pub struct UpdateImageStorageClass;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_id: Option<ImageIdentifier>,
    target_storage_class: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    image_id: ImageIdentifier,
    image_status: &'static str,
}

/// The input, validated.
#[derive(Clone)]
pub struct Checked {
    registry: RegistryId,
    name: RepositoryName,
    id: ImageIdentifier,
    /// None if no image can have that identifier.
    selector: Option<Selector>,
    class: StorageClass,
}

impl Operation for UpdateImageStorageClass {
    const NAME: &'static str = "UpdateImageStorageClass";
    const ACTION: &'static str = "ecr:UpdateImageStorageClass";
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        let id = constraints::required("imageId", input.image_id)?;
        let selector = id.check("imageId")?;
        let class = constraints::required("targetStorageClass", input.target_storage_class)?;
        let class = constraints::one_of("targetStorageClass", &class, &StorageClass::ALL, StorageClass::as_str)?;
        Ok(Checked { registry, name, selector, id, class })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        let ids = std::slice::from_ref(&checked.id);
        image_identifiers::needs_of_images(Self::ACTION, &checked.registry, &checked.name, ids)
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let cause = Cause::of_caller(call.app(), &call.caller);
        let order = order(&checked.registry, &checked.name);
        let output = call.app().db.write_in_order(&order, move |tx| update(tx, &checked, &cause)).await?;
        call.app().wake_jobs.wake();
        Ok(output)
    }
}

fn update(tx: &mut dyn Tx, checked: &Checked, cause: &Cause) -> Result<Output, EcrError> {
    let Checked { registry, name, id, selector, class } = checked;
    let repository = require(tx, registry, name)?;
    let image = id.require_image(tx, &repository, selector.as_ref())?;
    let (result, status) = match class {
        StorageClass::Archive => (storage_class::archive(tx, &repository, &image, cause)?, ImageStatus::Archived),
        StorageClass::Standard => {
            (storage_class::begin_restore(tx, &repository, &image, cause)?, ImageStatus::Activating)
        }
    };
    result.map_err(RegistryError::StorageClassNotSupported)?;
    Ok(Output {
        registry_id: registry.account.to_string(),
        repository_name: name.to_string(),
        image_id: ImageIdentifier::new(&image.digest, id.image_tag.clone()),
        image_status: status.as_str(),
    })
}
