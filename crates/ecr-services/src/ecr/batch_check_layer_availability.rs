//! BatchCheckLayerAvailability: which layers a repository has.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use registry::images::creation::IfAbsent;
use registry::images::errors::RegistryError;
use registry::images::repositories::not_found;
use registry::layers::Location;
use registry::pushes::Pusher;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::tables::repositories::{self, Repository, RepositoryRef};

use super::constraints::{self, Check};
use super::errors::EcrError;

/// Tells which of the layers a repository has, or can have from upstream, and how large they are.
pub struct BatchCheckLayerAvailability;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    layer_digests: Option<Vec<String>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Layer {
    layer_digest: String,
    layer_availability: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    layer_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    media_type: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerFailure {
    layer_digest: String,
    failure_code: &'static str,
    failure_reason: &'static str,
}

#[derive(Serialize)]
pub struct Output {
    layers: Vec<Layer>,
    failures: Vec<LayerFailure>,
}

/// The input, validated.
pub struct Checked {
    repository: RepositoryRef,
    digests: Vec<String>,
}

impl Operation for BatchCheckLayerAvailability {
    const NAME: &'static str = "BatchCheckLayerAvailability";
    const ACTION: Action = Action::EcrBatchCheckLayerAvailability;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let repository = constraints::repository(call, input.registry_id.as_deref(), input.repository_name)?;
        let digests = Check::list("layerDigests", input.layer_digests, 1, 100)?;
        for digest in &digests {
            Check::length("layerDigests", digest, 0, 1000)?;
        }
        Ok(Checked { repository, digests })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![constraints::need_on(Self::ACTION, &checked.repository)]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { repository, digests } = &checked;
        let look = |if_absent| {
            let (place, digests) = (repository.clone(), digests.clone());
            call.app.db.read(move |tx| {
                let repository = match repositories::find(tx, &place)? {
                    // A push asks before it sends anything: what it would create has no layers yet.
                    None if matches!(if_absent, IfAbsent::Create { .. }) => None,
                    Some(repository) => Some(repository),
                    None => return Err(not_found(&place)),
                };
                availability(tx, repository.as_ref(), &digests)
            })
        };
        let pusher = Pusher { app: call.app, http: call.http, caller: &call.caller, repository };
        Ok(pusher.run(look).await?)
    }
}

/// Which of the layers a repository has; none at all if it is not there yet.
fn availability(tx: &mut dyn Tx, repository: Option<&Repository>, digests: &[String]) -> Result<Output, RegistryError> {
    let mut output = Output { layers: Vec::new(), failures: Vec::new() };
    for text in digests {
        let layer_digest = text.clone();
        if text.is_empty() || !oci::is_digest_like(text) {
            let (failure_code, failure_reason) = if text.is_empty() {
                ("MissingLayerDigest", "Missing layer digest")
            } else {
                ("InvalidLayerDigest", "Invalid layer digest")
            };
            output.failures.push(LayerFailure { layer_digest, failure_code, failure_reason });
            continue;
        }
        let found = match (repository, text.parse()) {
            (Some(repository), Ok(digest)) => Location::find(tx, repository, &digest)?,
            (None, _) | (_, Err(_)) => None,
        };
        let layer_availability = match &found {
            // One that is upstream comes when it is read.
            Some(Location::Here(_) | Location::Upstream(_)) => "AVAILABLE",
            Some(Location::Archived(_) | Location::ArchivedUpstream(_)) => "ARCHIVED",
            None => "UNAVAILABLE",
        };
        let media_type = found.as_ref().and_then(Location::media_type).filter(|text| !text.is_empty());
        output.layers.push(Layer {
            layer_digest,
            layer_availability,
            layer_size: found.as_ref().and_then(Location::size_bytes),
            media_type: media_type.map(str::to_owned),
        });
    }
    Ok(output)
}
