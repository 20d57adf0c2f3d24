//! DescribeImageReplicationStatus: whether an image has arrived where it is replicated to.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::RepositoryName;
use registry::images::pull::Selector;
use registry::images::repositories::require;
use serde::{Deserialize, Serialize};
use store::tables::image_replications::{self, ImageReplication};
use store::tables::registry_id::RegistryId;

use super::constraints::{self, Check};
use super::errors::EcrError;
use super::image_identifiers::ImageIdentifier;

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

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    name: RepositoryName,
    image_id: ImageIdentifier,
    /// None if no image can have that identifier.
    selector: Option<Selector>,
}

impl Operation for DescribeImageReplicationStatus {
    const NAME: &'static str = "DescribeImageReplicationStatus";
    const ACTION: Action = Action::EcrDescribeImageReplicationStatus;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        let image_id = Check::required("imageId", input.image_id)?;
        let selector = image_id.check("imageId")?;
        Ok(Checked { registry, name, image_id, selector })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &checked.registry, checked.name.as_str())]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { registry, name, image_id, selector } = checked;
        call.app
            .db
            .read(move |tx| {
                let repository = require(tx, &registry.repository(&name))?;
                let image = image_id.require_image(tx, &repository, selector.as_ref())?;
                let replications = image_replications::list_of_image(tx, image.id)?;
                let image_id = ImageIdentifier { image_digest: Some(image.digest.to_string()), ..image_id.clone() };
                Ok(Output {
                    repository_name: name.to_string(),
                    image_id,
                    replication_statuses: replications.into_iter().map(Status::from).collect(),
                })
            })
            .await
    }
}
