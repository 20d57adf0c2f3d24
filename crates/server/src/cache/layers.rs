//! Layers that others than pulling clients need: a push may name some that are still upstream.

use std::sync::Arc;

use oci::Digest;

use super::blobs::{self, Found};
use crate::app::App;
use crate::registry::errors::{RegistryError, RepositoryRef};

/// Runs the last step of a push, and once more if all that it lacks are layers that are still upstream and come: what is
/// pushed depends on no upstream.
pub async fn fetching<T, F>(app: &Arc<App>, step: impl Fn() -> F) -> Result<T, RegistryError>
where
    F: Future<Output = Result<T, RegistryError>>,
{
    match step().await {
        Err(RegistryError::LayersNotFound(place, digests)) => {
            if fetch_all(app, &place, &digests).await? {
                step().await
            } else {
                Err(RegistryError::LayersNotFound(place, digests))
            }
        }
        result => result,
    }
}

/// Fetches layers that are still upstream; `false` if one of them is not to be had.
async fn fetch_all(app: &Arc<App>, place: &RepositoryRef, digests: &[Digest]) -> Result<bool, RegistryError> {
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
