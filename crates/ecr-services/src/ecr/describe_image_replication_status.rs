//! DescribeImageReplicationStatus: whether an image has arrived where it is replicated to.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::repositories::require;
use serde::{Deserialize, Serialize};
use store::tables::image_replications::{self, ImageReplication};

use super::constraints;
use super::errors::EcrError;
use super::image_identifiers::{ImageIdentifier, NamedImage};

/// Tells of each destination that an image is replicated to how far it has come.
pub struct DescribeImageReplicationStatus;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    image_id: Option<ImageIdentifier>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    repository_name: String,
    image_id: ImageIdentifier,
    replication_statuses: Vec<Status>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    region: String,
    registry_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_code: Option<String>,
}

impl From<ImageReplication> for Status {
    fn from(replication: ImageReplication) -> Self {
        Self {
            region: replication.destination.region.to_string(),
            registry_id: replication.destination.account.to_string(),
            status: replication.status.as_str(),
            failure_code: replication.failure_code,
        }
    }
}

impl Operation for DescribeImageReplicationStatus {
    const NAME: &'static str = "DescribeImageReplicationStatus";
    const ACTION: Action = Action::EcrDescribeImageReplicationStatus;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = NamedImage;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<NamedImage, EcrError> {
        NamedImage::check(call, input.registry_id.as_deref(), input.repository_name, input.image_id)
    }

    fn needs(_: &Call<'_>, named: &NamedImage) -> Vec<Need> {
        vec![constraints::need_on(Self::ACTION, &named.place)]
    }

    async fn run(call: &Call<'_>, named: NamedImage) -> Result<Output, EcrError> {
        call.app
            .db
            .read(move |tx| {
                let repository = require(tx, &named.place)?;
                let image = named.require_image(tx, &repository)?;
                let replications = image_replications::list_of_image(tx, image.id)?;
                Ok(Output {
                    repository_name: named.place.name.to_string(),
                    image_id: ImageIdentifier::new(&image.digest, named.id.image_tag.clone()),
                    replication_statuses: replications.into_iter().map(Status::from).collect(),
                })
            })
            .await
    }
}
