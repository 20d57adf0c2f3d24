//! UpdateImageStorageClass: archives an image, or begins to restore it.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::changes::Cause;
use registry::images::errors::RegistryError;
use registry::images::image_tags::{self, Reach};
use registry::images::pull::Selector;
use registry::images::repositories::{order, require};
use registry::images::storage_class::{self, StorageClass};
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::images::ImageStatus;
use store::tables::repositories::Repository;

use super::constraints::Check;
use super::errors::EcrError;
use super::image_identifiers::{self, ImageIdentifier, NamedImage};

/// Archives an image, or begins to restore one from the archive, if the caller may for each of its tags.
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
    named: NamedImage,
    class: StorageClass,
}

impl Operation for UpdateImageStorageClass {
    const NAME: &'static str = "UpdateImageStorageClass";
    const ACTION: Action = Action::EcrUpdateImageStorageClass;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let named = NamedImage::check(call, input.registry_id.as_deref(), input.repository_name, input.image_id)?;
        let class = Check::required("targetStorageClass", input.target_storage_class)?;
        let class = Check::one_of("targetStorageClass", &class, &StorageClass::ALL, StorageClass::as_str)?;
        Ok(Checked { named, class })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        let ids = std::slice::from_ref(&checked.named.id);
        image_identifiers::needs_of_images(Self::ACTION, &checked.named.place, ids)
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let cause = Cause::of_caller(call.app, &call.caller);
        let selectors: Vec<Selector> = checked.named.selector.clone().into_iter().collect();
        let order = order(&checked.named.place);
        // Until no tag comes to the image between the question and the change.
        loop {
            let place = &checked.named.place;
            let leave =
                image_tags::authorize(call.http, &call.caller, Self::ACTION, place, &selectors, Reach::Whole).await?;
            let (checked, cause, selectors) = (checked.clone(), cause.clone(), selectors.clone());
            let updated = call.app.db.write_in_order(&order, move |tx| {
                let repository = require(tx, &checked.named.place)?;
                if !leave.covers(tx, repository.id, &selectors)? {
                    return Ok(None);
                }
                update(tx, &repository, &checked, &cause).map(Some)
            });
            if let Some(output) = updated.await? {
                call.app.wake_jobs.wake();
                return Ok(output);
            }
        }
    }
}

fn update(tx: &mut dyn Tx, repository: &Repository, checked: &Checked, cause: &Cause) -> Result<Output, EcrError> {
    let Checked { named, class } = checked;
    let NamedImage { place, id, .. } = named;
    let image = named.require_image(tx, repository)?;
    let (result, status) = match class {
        StorageClass::Archive => (storage_class::archive(tx, repository, &image, cause)?, ImageStatus::Archived),
        StorageClass::Standard => {
            (storage_class::begin_restore(tx, repository, &image, cause)?, ImageStatus::Activating)
        }
    };
    result.map_err(RegistryError::StorageClassNotSupported)?;
    Ok(Output {
        registry_id: place.registry.account.to_string(),
        repository_name: place.name.to_string(),
        image_id: ImageIdentifier::new(&image.digest, id.image_tag.clone()),
        image_status: status.as_str(),
    })
}
