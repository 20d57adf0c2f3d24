//! GetDownloadUrlForLayer: a URL that anybody can read a layer from for an hour, or as long as the bucket's URLs are good.

use access::action::Action;
use access::auth::authorize::Need;
use access::auth::download_url::{self, Grant};
use api::protocols::operation::{Call, Operation};
use oci::Digest;
use registry::cache::failure::CacheFailure;
use registry::images::errors::RegistryError;
use registry::layers;
use serde::{Deserialize, Serialize};
use store::error::StoreError;
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
    repository: RepositoryRef,
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
        let repository = constraints::repository(call, input.registry_id.as_deref(), input.repository_name)?;
        let text = Check::required("layerDigest", input.layer_digest)?;
        let digest = constraints::layer_digest("layerDigest", &text)?
            .ok_or_else(|| EcrError::parameter("layerDigest", "must be a sha256 or sha512 digest"))?;
        Ok(Checked { repository, digest })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![constraints::need_on(Self::ACTION, &checked.repository)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { repository, digest } = checked;
        let layer = layers::find(call.app, &repository, digest).await?.readable(call.app).await?;
        // The URL is of use only if the upstream has the layer; so it is on its way when the client comes.
        layer.open(call.app).await.map_err(|failure| match failure {
            CacheFailure::Storage(kind, text) => StoreError::new(kind, text).into(),
            failure => EcrError::UnableToGetUpstreamLayer(failure.to_string()),
        })?;
        if layer.location().image_count() == 0 {
            return Err(RegistryError::LayerInaccessible(repository, digest).into());
        }
        let download_url = match layer.url(call.app).await? {
            Some(url) => url,
            None => {
                let base = call.http.registry_url(&repository.registry);
                let RepositoryRef { registry, name } = repository;
                let path = download_url::issue(call.app, &Grant { registry, repository: name, digest });
                format!("{base}{path}")
            }
        };
        Ok(Output { download_url, layer_digest: digest.to_string() })
    }
}
