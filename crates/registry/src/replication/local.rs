//! Destinations in this server: layers are copied from store to store, or only counted once more, without HTTP.

use std::future::poll_fn;

use access::auth::arrival::Arrival;
use oci::Digest;
use store::error::StoreError;
use store::tables::blobs::StoredBlob;

use super::receive::{self, ReceiveError};
use crate::Registry;
use crate::images::errors::RegistryError;
use crate::images::{blobs, uploads};

/// Copies a layer: it is read, checked, and written under a key of its own. Durable when this returns.
pub async fn copy_layer(
    app: &Registry,
    arrival: &Arrival,
    digest: Digest,
    layer: &StoredBlob,
) -> Result<(), ReceiveError> {
    let mut session = receive::begin_layer(app, arrival).await?;
    let upload = session.upload().id;
    let copied = async {
        if layer.size_bytes > 0 {
            let mut stream = blobs::open(app, layer).await?.stream(0, layer.size_bytes - 1);
            while let Some(bytes) = poll_fn(|cx| stream.poll_next(cx)).await {
                session.write(bytes?).await?;
            }
        }
        session.complete(app, digest).await
    };
    let result: Result<(), RegistryError> = copied.await;
    if result.is_err() {
        // What was written goes at once; if not, it does when the upload is stale.
        let cancelled = uploads::cancel(app, &receive::place_of(arrival), upload).await;
        if let Err(RegistryError::Store(error)) = cancelled {
            log_leftover(&error);
        }
    }
    Ok(result?)
}

fn log_leftover(error: &StoreError) {
    tracing::warn!("a copy that failed was not cleared away yet: {error}", error = runtime::with_causes(&error));
}
