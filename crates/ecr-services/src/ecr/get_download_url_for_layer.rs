//! GetDownloadUrlForLayer: a URL that anybody can read a layer from for an hour, or as long as the bucket's URLs are good.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::download_url::{self, Grant};
use api::protocols::operation::{Call, Operation};
use oci::Digest;
use oci::RepositoryName;
use registry::cache::blobs::{self, Found};
use registry::cache::failure::CacheFailure;
use registry::images::blobs::presigned_url;
use registry::images::errors::RegistryError;
use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check};
use super::errors::EcrError;

/// Gives out a URL by which anybody can read one layer for a while, and begins to fetch a layer that is upstream.
pub struct GetDownloadUrlForLayer;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    layer_digest: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    download_url: String,
    layer_digest: String,
}

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    name: RepositoryName,
    digest: Digest,
}

impl Operation for GetDownloadUrlForLayer {
    const NAME: &'static str = "GetDownloadUrlForLayer";
    const ACTION: Action = Action::EcrGetDownloadUrlForLayer;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        let text = Check::required("layerDigest", input.layer_digest)?;
        let digest = constraints::layer_digest("layerDigest", &text)?
            .ok_or_else(|| EcrError::parameter("layerDigest", "must be a sha256 or sha512 digest"))?;
        Ok(Checked { registry, name, digest })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &checked.registry, checked.name.as_str())]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { registry, name, digest } = checked;
        let (image_count, here) = match blobs::find_readable(call.app, &registry, &name, digest).await? {
            Found::Here(blob) => (blob.image_count, Some(blob)),
            Found::Awaited(blob) => {
                // The URL is of use only if the upstream has the layer; so it is on its way when the client comes.
                let app = call.app;
                app.cache.blobs.begin(app, &blob).await.map_err(|failure| match failure {
                    CacheFailure::Storage(kind, text) => StoreError::new(kind, text).into(),
                    failure => EcrError::UnableToGetUpstreamLayer(failure.to_string()),
                })?;
                (blob.known.image_count, None)
            }
        };
        if image_count == 0 {
            return Err(RegistryError::LayerInaccessible(RepositoryRef { registry, name }, digest).into());
        }
        if let Some(blob) = here
            && let Some(download_url) = presigned_url(call.app, &blob.stored).await?
        {
            return Ok(Output { download_url, layer_digest: digest.to_string() });
        }
        let base = call.http.registry_url(&registry);
        let path = download_url::issue(call.app, &Grant { registry, repository: name, digest });
        Ok(Output { download_url: format!("{base}{path}"), layer_digest: digest.to_string() })
    }
}
