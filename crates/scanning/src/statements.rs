//! Statements on images that have the form of images: attestations and signatures, with JSON in place of layers of files.

use std::io::{self, Read as _};
use std::sync::Arc;

use registry::images::blobs;
use registry::images::errors::RegistryError;
use registry::images::repositories::reference;
use registry::layers;
use serde::de::IgnoredAny;
use store::error::{StoreError, StoreErrorKind};
use store::tables::repositories::Repository;

use crate::context::Scanning;
use crate::image_layers::ImageLayer;

/// A layer that is larger than this holds no statements: the largest inventories of images have some tens of millions of bytes.
const MOST_STATEMENT_BYTES: u64 = 256 << 20;
/// Whether the layers of an image, which are of kinds of their own, hold statements: JSON, which is no archive of files whatever
/// takes it for one.
pub(crate) async fn are_statements(
    app: &Arc<Scanning>,
    repository: &Repository,
    layers: &[ImageLayer],
) -> Result<bool, RegistryError> {
    for layer in layers {
        let found = layers::find(app, &reference(repository), layer.digest).await?.for_the_server();
        if found.location().size_bytes().is_some_and(|bytes| bytes > MOST_STATEMENT_BYTES) {
            return Ok(false);
        }
        let stored = found.stored(&app.registry).await.map_err(|failure| {
            RegistryError::Store(StoreError::new(StoreErrorKind::Unavailable, failure.to_string()))
        })?;
        let reader = blobs::open(app, &stored.stored).await?.blocking();
        let is_json = move || {
            let reader = io::BufReader::new(reader.take(MOST_STATEMENT_BYTES));
            match serde_json::from_reader::<_, IgnoredAny>(reader) {
                Ok(_) => Ok(true),
                Err(error) if error.is_io() => Err(StoreError::io("a layer cannot be read", error.into())),
                Err(_) => Ok(false),
            }
        };
        if !runtime::tasks::blocking("reading statements", is_json).await?? {
            return Ok(false);
        }
    }
    Ok(true)
}
