//! The quotas of a registry that can be configured (repositories-images.md 7), and how they are counted.

use oci::{Digest, RepositoryName};
use store::db::Tx;
use store::tables::registry_id::RegistryId;
use store::tables::{image_counts, images, repositories, uploads};

use super::changes::Actor;
use super::errors::RegistryError;
use super::repositories::reference;
use crate::app::App;

const MIB: u64 = 1024 * 1024;

/// How much of everything there may be. The defaults are ECR's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Repositories of one registry.
    pub repositories: u64,
    /// Images of one repository.
    pub images_per_repository: u64,
    /// Tags of one image.
    pub tags_per_image: u64,
    /// Bytes of one layer.
    pub layer_bytes: u64,
    /// Parts of one layer upload through the API.
    pub layer_parts: u64,
    /// Uploads of one repository that have begun and not ended; not a quota of ECR's.
    pub open_uploads: u64,
    /// The same of all repositories of one registry: who may create them would otherwise have any number.
    pub open_uploads_per_registry: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self {
            repositories: 100_000,
            images_per_repository: 100_000,
            tags_per_image: 1_000,
            layer_bytes: 52_000 * MIB,
            layer_parts: 4_200,
            open_uploads: 10_000,
            open_uploads_per_registry: 20_000,
        }
    }
}

/// Refuses a repository that was inserted if the registry has more than `quota` of them with it.
///
/// Asked in the transaction that inserts one, whoever asked for it, so creations at once do not go over the quota either.
/// It counts along an index and no further than the quota.
pub fn require_room_for_inserted(tx: &mut dyn Tx, registry: &RegistryId, quota: u64) -> Result<(), RegistryError> {
    if repositories::count_up_to(tx, registry, quota.saturating_add(1))? > quota {
        return Err(RegistryError::TooManyRepositories(registry.clone(), quota));
    }
    Ok(())
}

/// Refuses if the repository has as many uploads open as it may have, or its registry has.
///
/// As with images: asked before the transaction that begins one, since on PostgreSQL those that count and insert the same
/// rows would keep running into each other. It counts along an index and no further than the quota.
pub async fn require_room_for_upload(
    app: &App,
    registry: &RegistryId,
    name: &RepositoryName,
    actor: &Actor,
) -> Result<(), RegistryError> {
    let (registry, name, quota) = (registry.clone(), name.clone(), app.quotas.open_uploads);
    // What a cache brings in has its end with the pull that asks for it, which no push may keep from its layers.
    let registry_quota =
        if *actor == Actor::PullThroughCache { u64::MAX } else { app.quotas.open_uploads_per_registry };
    app.db
        .read_point(move |tx| {
            // Before a push creates its repository.
            if uploads::reach(tx, &registry, registry_quota)? {
                return Err(RegistryError::TooManyUploadsOfRegistry(registry.clone(), registry_quota));
            }
            // A repository that is not there has none, and may be made by the push.
            let Some(repository) = repositories::find(tx, &registry, &name)? else { return Ok(()) };
            if uploads::count_up_to(tx, repository.id, quota)? < quota {
                return Ok(());
            }
            Err(RegistryError::TooManyUploads(reference(&repository), quota))
        })
        .await
}

/// Refuses if the repository has as many images as it may have and none of this digest.
///
/// Asked before the transaction that pushes, so that pushes at once do not get in each other's way; they may together go
/// over the quota by as many as there are at once. It reads at most 64 rows, however many images there are.
pub async fn require_room_for_image(
    app: &App,
    registry: &RegistryId,
    name: &RepositoryName,
    digest: Digest,
) -> Result<(), RegistryError> {
    let (registry, name, quota) = (registry.clone(), name.clone(), app.quotas.images_per_repository);
    app.db.read_point(move |tx| check_images(tx, &registry, &name, &digest, quota)).await
}

fn check_images(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    name: &RepositoryName,
    digest: &Digest,
    quota: u64,
) -> Result<(), RegistryError> {
    // The push itself tells of a repository that is not there.
    let Some(repository) = repositories::find(tx, registry, name)? else { return Ok(()) };
    if image_counts::of_repository(tx, repository.id)? < quota || images::find(tx, repository.id, digest)?.is_some() {
        return Ok(());
    }
    Err(RegistryError::TooManyImages(reference(&repository), quota))
}
