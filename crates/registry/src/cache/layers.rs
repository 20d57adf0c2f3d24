//! Layers that others than pulling clients need: a push may name some that are still upstream.

use std::sync::Arc;

use oci::Digest;
use runtime::boxed;
use store::tables::repositories::RepositoryRef;

use super::blobs::{self, Found};
use crate::Registry;
use crate::images::errors::RegistryError;

/// Fetches the layers that a push lacks, if that is why it failed and they are still upstream: what is pushed depends on no
/// upstream. The push may be tried once more then; else it has failed.
#[boxed]
pub async fn fetch_missing(app: &Arc<Registry>, failure: RegistryError) -> Result<(), RegistryError> {
    match failure {
        RegistryError::LayersNotFound(place, digests) => {
            if fetch_all(app, &place, &digests).await? {
                Ok(())
            } else {
                Err(RegistryError::LayersNotFound(place, digests))
            }
        }
        failure => Err(failure),
    }
}

/// Fetches layers that are still upstream; `false` if one of them is not to be had.
async fn fetch_all(app: &Arc<Registry>, place: &RepositoryRef, digests: &[Digest]) -> Result<bool, RegistryError> {
    for digest in digests {
        match blobs::find(app, &place.registry, &place.name, *digest).await {
            // Why it did not come is in the log; to the client the layer is one to upload.
            Ok(Found::Awaited(blob)) if app.cache.blobs.complete(app, &blob).await.is_err() => return Ok(false),
            Ok(Found::Here(_) | Found::Awaited(_)) => {}
            // A repository that the push would have created is not there, as the push failed.
            Err(RegistryError::LayerNotFound(..) | RegistryError::RepositoryNotFound(_)) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}
