//! What pulls read of the database again and again, kept in memory while it holds.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use oci::Digest;
use store::db::{HeldBytes, ReadCache, Topic};
use store::tables::images::Image;
use store::tables::repositories::{Repository, RepositoryRef};
use store::tables::repository_blobs::{BlobOrigin, RepositoryBlob};

use super::pull::Selector;
use super::shared_manifests::HeldManifest;

const MIB: u64 = 1024 * 1024;

/// The kept reads of one node. On PostgreSQL they stay empty.
pub struct ReadCaches {
    /// Repositories that are asked for by their names.
    pub repositories: ReadCache<RepositoryRef, Arc<FoundRepository>>,
    /// Until when the pull through cache has nothing to do for a pull.
    pub served: ReadCache<(RepositoryRef, Selector), Served>,
    /// Images that are pulled.
    pub images: ReadCache<(RepositoryRef, Selector), Arc<FoundImage>>,
    /// Layers that are pulled.
    pub layers: ReadCache<(RepositoryRef, Digest), Arc<FoundLayer>>,
}

impl Default for ReadCaches {
    fn default() -> Self {
        Self {
            repositories: ReadCache::new(Topic::Repositories, MIB),
            served: ReadCache::new(Topic::Images, MIB),
            images: ReadCache::new(Topic::Images, 8 * MIB),
            layers: ReadCache::new(Topic::Layers, 4 * MIB),
        }
    }
}

/// A repository's row.
#[derive(Debug, PartialEq, Eq)]
pub struct FoundRepository(pub Repository);

impl Deref for FoundRepository {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        &self.0
    }
}

impl HeldBytes for FoundRepository {
    fn held_bytes(&self) -> usize {
        let spec = &self.0.spec;
        spec.name.as_str().len()
            + 100 * spec.tag_mutability_filters.len()
            + spec.kms_key.as_ref().map_or(0, |key| key.as_str().len())
    }
}

/// A pull for which the pull through cache has nothing to do.
#[derive(Clone, Copy)]
pub struct Served {
    /// Whether the image is there because of a rule.
    pub is_hit: bool,
    /// Until then, by the server's clock.
    pub until_ms: i64,
}

impl HeldBytes for Served {
    fn held_bytes(&self) -> usize {
        0
    }
}

/// An active image and its manifest.
pub struct FoundImage {
    /// Where it is; whether its key may be used is asked for every pull.
    pub repository: Repository,
    /// The image.
    pub image: Arc<Image>,
    /// The manifest, exactly as pushed.
    pub manifest: HeldManifest,
}

impl HeldBytes for FoundImage {
    fn held_bytes(&self) -> usize {
        self.manifest.length() + size_of::<Image>()
    }
}

/// A layer that a repository shows.
pub struct FoundLayer {
    /// Where it is; whether its key may be used is asked for every pull.
    pub repository: Arc<FoundRepository>,
    /// The layer.
    pub blob: Arc<RepositoryBlob>,
}

impl HeldBytes for FoundLayer {
    fn held_bytes(&self) -> usize {
        let stored = &self.blob.stored;
        let origin = match &self.blob.origin {
            BlobOrigin::Unknown => 0,
            BlobOrigin::Cached(key) => key.len(),
        };
        self.repository.held_bytes()
            + size_of::<RepositoryBlob>()
            + stored.data_key.len()
            + stored.small.as_ref().map_or(0, Bytes::len)
            + origin
    }
}
