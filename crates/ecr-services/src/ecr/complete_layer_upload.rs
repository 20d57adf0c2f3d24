//! CompleteLayerUpload: ends an upload as a layer.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::{Algorithm, Digest};
use registry::Registry;
use registry::images::errors::RegistryError;
use registry::images::uploads;
use registry::layers;
use serde::{Deserialize, Serialize};
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check};
use super::errors::EcrError;

/// Ends an upload: its parts become a layer of the repository if they have the digest that is given.
pub struct CompleteLayerUpload;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    upload_id: Option<String>,
    layer_digests: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    upload_id: String,
    layer_digest: String,
}

/// The input, validated.
pub struct Checked {
    repository: RepositoryRef,
    upload_id: uuid::Uuid,
    digest: Digest,
}

impl Operation for CompleteLayerUpload {
    const NAME: &'static str = "CompleteLayerUpload";
    const ACTION: Action = Action::EcrCompleteLayerUpload;
    const READ_ONLY: bool = false;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let repository = constraints::repository(call, input.registry_id.as_deref(), input.repository_name)?;
        let upload_id = constraints::upload_id(input.upload_id)?;
        let mut known: Vec<Digest> = Vec::new();
        for text in Check::list("layerDigests", input.layer_digests, 1, 100)? {
            known.extend(constraints::layer_digest("layerDigests", &text)?);
        }
        // Of several digests the SHA-256 one is what the layer is checked against (reference/repositories-images.md 3).
        let digest = known
            .iter()
            .find(|digest| digest.algorithm() == Algorithm::Sha256)
            .or(known.first())
            .copied()
            .ok_or_else(|| EcrError::parameter("layerDigests", "must hold a sha256 digest"))?;
        Ok(Checked { repository, upload_id, digest })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![constraints::need_on(Self::ACTION, &checked.repository)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { repository, upload_id, digest } = checked;
        let session = uploads::open_received(call.app, &repository, upload_id).await?;
        if session.upload().part_count == 0 {
            return Err(RegistryError::EmptyUpload.into());
        }
        if session.upload().has_short_part {
            return Err(RegistryError::LayerPartTooSmall.into());
        }
        match readable_here(call.app, &repository, digest).await {
            // Of an archived layer nobody can tell that it is there: whoever needs it uploads it again.
            Err(RegistryError::LayerNotFound(..) | RegistryError::LayerArchived(..)) => {}
            Err(error) => return Err(error.into()),
            Ok(()) => return Err(RegistryError::LayerAlreadyExists(repository, digest).into()),
        }
        session.complete(call.app, digest).await?;
        Ok(Output {
            registry_id: repository.registry.account.to_string(),
            repository_name: repository.name.to_string(),
            upload_id: upload_id.to_string(),
            layer_digest: digest.to_string(),
        })
    }
}

/// Refuses unless the layer is stored here and may be read.
async fn readable_here(app: &Registry, repository: &RepositoryRef, digest: Digest) -> Result<(), RegistryError> {
    let layer = layers::find(app, repository, digest).await?;
    layer.require_here()?;
    layer.readable(app).await.map(drop)
}
