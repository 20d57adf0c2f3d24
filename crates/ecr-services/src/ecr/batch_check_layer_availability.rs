//! BatchCheckLayerAvailability: which layers a repository has.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use oci::{Digest, RepositoryName};
use registry::images::create_on_push;
use registry::images::creation::IfAbsent;
use registry::images::errors::RegistryError;
use registry::images::repositories::not_found;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::StoreError;
use store::tables::registry_id::RegistryId;
use store::tables::{repositories, repository_blobs, upstream_blobs};

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
    registry: RegistryId,
    name: RepositoryName,
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
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let name = constraints::repository_name("repositoryName", input.repository_name)?;
        let digests = Check::list("layerDigests", input.layer_digests, 1, 100)?;
        for digest in &digests {
            Check::length("layerDigests", digest, 0, 1000)?;
        }
        Ok(Checked { registry, name, digests })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &checked.registry, checked.name.as_str())]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let Checked { registry, name, digests } = &checked;
        let look = |if_absent| {
            let (registry, name, digests) = (registry.clone(), name.clone(), digests.clone());
            call.app.db.read(move |tx| {
                let repository = match repositories::find(tx, &registry.repository(&name))? {
                    // A push asks before it sends anything: what it would create has no layers yet.
                    None if matches!(if_absent, IfAbsent::Create { .. }) => None,
                    Some(repository) => Some(repository),
                    None => return Err(not_found(&registry.repository(&name))),
                };
                availability(tx, repository.map(|repository| repository.id), &digests)
            })
        };
        Ok(create_on_push::pushing(call.app, call.http, &call.caller, registry, name, look).await?)
    }
}

/// A layer as far as it is known.
struct Known {
    availability: &'static str,
    size_bytes: Option<u64>,
    media_type: Option<String>,
}

/// What is known of a layer that the repository has, or that is still upstream and comes when it is read.
fn find(tx: &mut dyn Tx, repository_id: i64, digest: &Digest) -> Result<Option<Known>, StoreError> {
    if let Some(blob) = repository_blobs::find(tx, repository_id, digest)? {
        let availability = if blob.is_archived() { "ARCHIVED" } else { "AVAILABLE" };
        let size_bytes = Some(blob.stored.size_bytes);
        return Ok(Some(Known { availability, size_bytes, media_type: blob.media_type }));
    }
    Ok(upstream_blobs::find(tx, repository_id, digest)?.map(|blob| Known {
        availability: "AVAILABLE",
        size_bytes: blob.size_bytes,
        media_type: Some(blob.media_type),
    }))
}

/// Which of the layers a repository has; none at all if it is not there yet.
fn availability(tx: &mut dyn Tx, repository_id: Option<i64>, digests: &[String]) -> Result<Output, RegistryError> {
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
        let known = match (repository_id, text.parse()) {
            (Some(id), Ok(digest)) => find(tx, id, &digest)?,
            (None, _) | (_, Err(_)) => None,
        };
        output.layers.push(Layer {
            layer_digest,
            layer_availability: known.as_ref().map_or("UNAVAILABLE", |known| known.availability),
            layer_size: known.as_ref().and_then(|known| known.size_bytes),
            media_type: known.and_then(|known| known.media_type).filter(|text| !text.is_empty()),
        });
    }
    Ok(output)
}
