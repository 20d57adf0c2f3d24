//! PutLifecycleSettings: sets what a repository adds to ECR's lifecycle policies.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::repositories::require;
use serde::{Deserialize, Serialize};
use store::tables::lifecycle_settings;
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check};
use super::errors::WharfError;

/// Stores whether lifecycle rules of a repository look only at images that no list names.
pub struct PutLifecycleSettings;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    /// Whether rules look only at images that no list names.
    count_root_images: Option<bool>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    count_root_images: bool,
}

impl Operation for PutLifecycleSettings {
    const NAME: &'static str = "PutLifecycleSettings";
    const ACTION: Action = Action::WharfPutLifecycleSettings;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = (RepositoryRef, bool);
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, WharfError> {
        let place = constraints::repository(call, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        let counts = input.count_root_images;
        let counts = Check::required("countRootImages", counts)?;
        Ok((place, counts))
    }

    fn needs(_: &Call<'_>, (place, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &place.registry, place.name.as_str())]
    }

    async fn run(call: &Call<'_>, (place, count_root_images): Self::Checked) -> Result<Output, WharfError> {
        let written = call.app.db.write(move |tx| {
            let repository = require(tx, &place)?;
            lifecycle_settings::set_counts_root_images(tx, repository.id, count_root_images)?;
            Ok::<_, WharfError>(Output {
                registry_id: place.registry.account.to_string(),
                repository_name: place.name.to_string(),
                count_root_images,
            })
        });
        written.await
    }
}
