//! The layers of a repository: where each is, whether a client may read it, and reading it. Whatever reads one comes by here.
//!
//! [`find`] says where a layer is, [`Layer::readable`] whether it may be read, and a [`ReadableLayer`] is read in one of three
//! ways: by a URL of the bucket, as a stream, or on a thread that may wait.

pub mod reading;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use access::auth::caller::Caller;
use oci::Digest;
use runtime::boxed;
use store::db::{Topic, Tx};
use store::error::StoreError;
use store::tables::repositories::{Repository, RepositoryRef};
use store::tables::repository_blobs::{self, RepositoryBlob};
use store::tables::upstream_blobs;

use crate::Registry;
use crate::cache::anonymous;
use crate::cache::fetches::UpstreamLayer;
use crate::images::encryption::{self, Use};
use crate::images::errors::RegistryError;
use crate::images::read_caches::{FoundLayer, FoundRepository};
use crate::images::repositories::{not_found, read_along, reference};
use reading::{ReadableLayer, Reader};

/// A layer that a repository has.
pub struct Layer {
    repository: Arc<FoundRepository>,
    digest: Digest,
    /// Where it is.
    pub location: Location,
}

/// Where a layer is.
#[derive(Clone)]
pub enum Location {
    /// Stored here.
    Here(Arc<RepositoryBlob>),
    /// Stored here, and named by archived images alone: out of reach of clients until one of them is restored
    /// (reference/repositories-images.md 4).
    Archived(Arc<RepositoryBlob>),
    /// Still upstream: it comes when it is read.
    Upstream(Box<UpstreamLayer>),
    /// Still upstream, and out of reach of clients as one that is stored here and archived.
    ArchivedUpstream(Box<UpstreamLayer>),
}

impl Location {
    /// Where a layer of a repository is; none if the repository does not have it.
    pub fn find(tx: &mut dyn Tx, repository: &Repository, digest: &Digest) -> Result<Option<Self>, StoreError> {
        // What is stored here may be kept in memory, what is upstream may not: it hangs on the images too.
        if let Some(blob) = Topic::Layers.reading(tx, |tx| repository_blobs::find(tx, repository.id, digest))? {
            return Ok(Some(Self::of_stored(Arc::new(blob))));
        }
        let Some(known) = upstream_blobs::find(tx, repository.id, digest)? else { return Ok(None) };
        let is_archived = upstream_blobs::is_archived(tx, repository.id, digest, &known)?;
        let layer = Box::new(UpstreamLayer::new(repository, *digest, known));
        Ok(Some(if is_archived { Self::ArchivedUpstream(layer) } else { Self::Upstream(layer) }))
    }

    fn of_stored(blob: Arc<RepositoryBlob>) -> Self {
        if blob.is_archived() { Self::Archived(blob) } else { Self::Here(blob) }
    }

    /// Its length, as far as that is known.
    pub fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::Here(blob) | Self::Archived(blob) => Some(blob.stored.size_bytes),
            Self::Upstream(layer) | Self::ArchivedUpstream(layer) => layer.known.size_bytes,
        }
    }

    /// The media type by which images name it.
    pub fn media_type(&self) -> Option<&str> {
        match self {
            Self::Here(blob) | Self::Archived(blob) => blob.media_type.as_deref(),
            Self::Upstream(layer) | Self::ArchivedUpstream(layer) => Some(&layer.known.media_type),
        }
    }

    /// How many images of the repository name it.
    pub fn image_count(&self) -> i64 {
        match self {
            Self::Here(blob) | Self::Archived(blob) => blob.image_count,
            Self::Upstream(layer) | Self::ArchivedUpstream(layer) => layer.known.image_count,
        }
    }
}

/// Finds a layer, or says what is missing.
#[boxed]
pub async fn find(app: &Registry, place: &RepositoryRef, digest: Digest) -> Result<Layer, RegistryError> {
    let cache = &app.read_caches.layers;
    let key = (place.clone(), digest);
    let mark = match cache.find(&app.db, &key) {
        Ok(found) => {
            let location = Location::of_stored(Arc::clone(&found.blob));
            return Ok(Layer { repository: Arc::clone(&found.repository), digest, location });
        }
        Err(mark) => mark,
    };
    let asked = place.clone();
    let look = move |tx: &mut dyn Tx, repository: Option<&Arc<FoundRepository>>| {
        let repository = repository.ok_or_else(|| not_found(&asked))?;
        let location = Location::find(tx, repository, &digest)?
            .ok_or_else(|| RegistryError::LayerNotFound(asked.clone(), digest))?;
        Ok(Layer { repository: Arc::clone(repository), digest, location })
    };
    let (_, layer) = read_along(app, place, look).await?;
    if let Location::Here(blob) | Location::Archived(blob) = &layer.location {
        let found = FoundLayer { repository: Arc::clone(&layer.repository), blob: Arc::clone(blob) };
        cache.insert(mark, key, &Arc::new(found));
    }
    Ok(layer)
}

/// Finds a layer that the caller, who is allowed to read layers of the repository, may read now. Nobody in particular is shown
/// what the cache itself has had from upstream, and nothing else.
#[boxed]
pub async fn readable_by(
    app: &Registry,
    caller: &Caller,
    place: &RepositoryRef,
    digest: Digest,
) -> Result<ReadableLayer, RegistryError> {
    let Some(pull) = caller.anonymous() else { return find(app, place, digest).await?.readable(app).await };
    let absent = || RegistryError::LayerNotFound(pull.place.clone(), digest);
    // Where it is and where it came from are one read: what is pushed after it is not what was decided on.
    let Layer { repository, location, .. } = find(app, &pull.place, digest).await?;
    let shown = match location {
        Location::Here(blob) if blob.origin.is_from(&pull.source) => Location::Here(blob),
        Location::Here(_) | Location::Archived(_) => {
            let layer = anonymous::unproven_layer(app, pull, &repository, digest).await?.ok_or_else(absent)?;
            Location::Upstream(Box::new(layer))
        }
        Location::Upstream(layer) if layer.known.source == pull.source => {
            Location::Upstream(Box::new(layer.from_there()))
        }
        Location::Upstream(_) | Location::ArchivedUpstream(_) => return Err(absent()),
    };
    let layer = Layer { repository, digest, location: shown };
    layer.require_readable(app).await?;
    Ok(ReadableLayer::new(layer, Reader::Nobody(pull.source.clone())))
}

impl Layer {
    /// The layer, if clients may read it now: with the repository's KMS key, and not out of the archive.
    #[boxed]
    pub async fn readable(self, app: &Registry) -> Result<ReadableLayer, RegistryError> {
        self.require_readable(app).await?;
        Ok(ReadableLayer::new(self, Reader::Client))
    }

    /// Refuses a layer that clients may not read now.
    async fn require_readable(&self, app: &Registry) -> Result<(), RegistryError> {
        let archived = || RegistryError::LayerArchived(reference(&self.repository), self.digest);
        match &self.location {
            Location::Here(_) => encryption::require(app, &self.repository, Use::Pull).await.map(drop),
            Location::Archived(_) => {
                encryption::require(app, &self.repository, Use::Pull).await?;
                Err(archived())
            }
            // Whether the key may be used is asked when the layer is stored.
            Location::Upstream(_) => Ok(()),
            Location::ArchivedUpstream(_) => Err(archived()),
        }
    }

    /// The layer as it is, for what the server does by itself: it has decided by the image, or by nothing at all if it mends.
    pub const fn for_the_server(self) -> ReadableLayer {
        ReadableLayer::new(self, Reader::Server)
    }

    /// Refuses, as if it were not there, a layer that is still upstream.
    pub fn require_here(&self) -> Result<(), RegistryError> {
        match &self.location {
            Location::Here(_) | Location::Archived(_) => Ok(()),
            Location::Upstream(_) | Location::ArchivedUpstream(_) => {
                Err(RegistryError::LayerNotFound(reference(&self.repository), self.digest))
            }
        }
    }
}
