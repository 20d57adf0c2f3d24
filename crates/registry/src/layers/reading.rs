//! Reading a layer that may be read: by a URL, as a stream, or on a thread that may wait; fetched from upstream if it is there.

use std::fmt;
use std::sync::Arc;

use runtime::boxed;
use store::blob::{BlobStream, BlockingReader, Encoding};
use store::tables::repository_blobs::RepositoryBlob;
use store::tables::upstream_blobs::BlobSource;

use super::{Layer, Location, find};
use crate::Registry;
use crate::cache::coming::{ComingLayer, ComingStream};
use crate::cache::failure::CacheFailure;
use crate::cache::fetches::Arriving;
use crate::cache::upstream::UpstreamFailure;
use crate::images::blobs;
use crate::images::errors::RegistryError;
use crate::images::repositories::reference;

/// A layer that was found, for somebody who may read it.
pub struct ReadableLayer {
    layer: Layer,
    reader: Reader,
}

/// For whom a layer is read. That a layer which is upstream may be read says nothing of the one that is here when it was
/// waited for: that is decided anew.
pub(super) enum Reader {
    /// The server itself.
    Server,
    /// Whoever may read the layers of the repository.
    Client,
    /// Nobody in particular, who is shown what came from there and nothing else.
    Nobody(BlobSource),
}

/// Why the bytes of a layer that may be read cannot be had.
#[derive(Debug)]
pub enum Unread {
    /// It is upstream, and does not come.
    NotFetched(CacheFailure),
    /// It is stored, and cannot be opened.
    NotOpened(RegistryError),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFetched(failure) => write!(f, "{failure}"),
            Self::NotOpened(error) => write!(f, "{error}"),
        }
    }
}

/// A layer whose bytes are here, or have begun to come.
pub enum OpenLayer {
    /// They are stored.
    Stored(Arc<RepositoryBlob>),
    /// They are being fetched.
    Coming(ComingLayer),
}

/// Bytes of a layer, in order.
pub enum LayerStream {
    /// As they are stored.
    Stored(Box<BlobStream>),
    /// As they come from upstream.
    Coming(Box<ComingStream>),
}

impl ReadableLayer {
    pub(super) const fn new(layer: Layer, reader: Reader) -> Self {
        Self { layer, reader }
    }

    /// Where it is.
    pub const fn location(&self) -> &Location {
        &self.layer.location
    }

    /// A URL by which a client reads it from the bucket itself, for a short time; none if it is upstream, its object is not the
    /// content as it is, or no such URLs are given out.
    #[boxed]
    pub async fn url(&self, app: &Registry) -> Result<Option<String>, RegistryError> {
        let (Location::Here(blob) | Location::Archived(blob)) = self.location() else { return Ok(None) };
        let stored = &blob.stored;
        if !stored.is_plain() || stored.encoding != Encoding::Identity {
            return Ok(None);
        }
        Ok(app.tier(stored.tier).of_scope(&stored.scope).presigned_url(stored.object).await?)
    }

    /// Has it fetched if it is upstream, and returns when its bytes can be read as they come. The fetch goes on when nobody
    /// reads.
    #[boxed]
    pub async fn open(&self, app: &Arc<Registry>) -> Result<OpenLayer, CacheFailure> {
        match self.location() {
            Location::Here(blob) | Location::Archived(blob) => Ok(OpenLayer::Stored(Arc::clone(blob))),
            Location::Upstream(layer) | Location::ArchivedUpstream(layer) => {
                match app.cache.fetches.begin(app, layer).await? {
                    Arriving::Coming(layer) => Ok(OpenLayer::Coming(layer)),
                    Arriving::Stored => self.that_came(app).await.map(OpenLayer::Stored),
                }
            }
        }
    }

    /// Its row, once its bytes are stored here.
    #[boxed]
    pub async fn stored(&self, app: &Arc<Registry>) -> Result<Arc<RepositoryBlob>, CacheFailure> {
        match self.location() {
            Location::Here(blob) | Location::Archived(blob) => Ok(Arc::clone(blob)),
            Location::Upstream(layer) | Location::ArchivedUpstream(layer) => {
                app.cache.fetches.complete(app, layer).await?;
                self.that_came(app).await
            }
        }
    }

    /// Its whole content, for a blocking thread of the runtime.
    #[boxed]
    pub async fn blocking(&self, app: &Arc<Registry>) -> Result<BlockingReader, Unread> {
        let blob = self.stored(app).await.map_err(Unread::NotFetched)?;
        Ok(blobs::open(app, &blob.stored).await.map_err(Unread::NotOpened)?.blocking())
    }

    /// The row of a layer that was fetched, or has come otherwise, if it may be read as it is now.
    async fn that_came(&self, app: &Registry) -> Result<Arc<RepositoryBlob>, CacheFailure> {
        let Layer { repository, digest, .. } = &self.layer;
        let found = find(app, &reference(repository), *digest).await?;
        let (Location::Here(blob) | Location::Archived(blob)) = &found.location else {
            return Err(UpstreamFailure::NotFound.into());
        };
        match &self.reader {
            Reader::Server => {}
            Reader::Client => found.require_readable(app).await?,
            Reader::Nobody(source) => {
                if blob.is_archived() || !blob.origin.is_from(source) {
                    return Err(UpstreamFailure::NotFound.into());
                }
                found.require_readable(app).await?;
            }
        }
        Ok(Arc::clone(blob))
    }
}

impl OpenLayer {
    /// Its length.
    pub fn size_bytes(&self) -> u64 {
        match self {
            Self::Stored(blob) => blob.stored.size_bytes,
            Self::Coming(layer) => layer.size_bytes,
        }
    }

    /// The bytes from `first` to `last`, both included. Whether those that are stored are there shows with
    /// [`BlobStream::begin`].
    #[boxed]
    pub async fn stream(self, app: &Arc<Registry>, first: u64, last: u64) -> Result<LayerStream, RegistryError> {
        Ok(match self {
            Self::Stored(blob) => {
                LayerStream::Stored(Box::new(blobs::open(app, &blob.stored).await?.stream(first, last)))
            }
            Self::Coming(layer) => LayerStream::Coming(Box::new(layer.stream(Arc::clone(app), first, last))),
        })
    }
}
