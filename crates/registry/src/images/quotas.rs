//! The quotas of a registry that can be configured (reference/repositories-images.md 7), and how they are counted.

use std::sync::Arc;

use access::auth::iam_quotas::IamQuotas;
use oci::Digest;
use store::db::Tx;
use store::tables::registry_id::RegistryId;
use store::tables::registry_kind::{RegistryKind, RegistryQuotas};
use store::tables::repositories::{Repository, RepositoryRef};
use store::tables::{image_counts, images, repositories, uploads};

use super::changes::Actor;
use super::errors::RegistryError;
use super::repositories::reference;
use crate::Registry;

const MIB: u64 = 1024 * 1024;
/// How long an upload that nobody has written to is left alone: clients write at once.
const UNUSED_AFTER_MS: i64 = 5 * 60 * 1000;
/// How many of them end at once, so that those who come next need not look for one.
const ENDED_AT_ONCE: usize = 16;
/// Among how many of them those that nobody is writing to are looked for.
const LOOKED_AT: usize = 256;

/// How much of everything there may be. The defaults are ECR's and IAM's.
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
    /// Robot tokens of one account, in all of its registries; not a quota of ECR's. Every node holds all of them in memory.
    pub robot_tokens: u64,
    /// Whether an image may be scanned once a day by hand: a quota of ECR's that is on with its rates.
    pub one_scan_a_day: bool,
    /// Of accounts' identities.
    pub iam: IamQuotas,
}

impl Default for Quotas {
    fn default() -> Self {
        let RegistryQuotas { repositories, images_per_repository, tags_per_image } = RegistryKind::PRIVATE_QUOTAS;
        Self {
            repositories,
            images_per_repository,
            tags_per_image,
            layer_bytes: 52_000 * MIB,
            layer_parts: 4_200,
            open_uploads: 10_000,
            open_uploads_per_registry: 20_000,
            robot_tokens: 1_000,
            one_scan_a_day: false,
            iam: IamQuotas::default(),
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

/// Room for one more upload: a repository may have so many open, and its registry. A repository may have half of what its
/// registry may, so that none shuts all others out; and in a registry that is full, uploads that were begun and never
/// written to make room: who may begin uploads of some repositories would else keep everybody from pushing to any.
///
/// As with images: asked before the transaction that begins one, since on PostgreSQL those that count and insert the same
/// rows would keep running into each other. It counts along an index and no further than the quota.
#[derive(Clone)]
pub struct UploadRoom {
    registry: RegistryId,
    of_registry: u64,
    of_repository: u64,
}

impl UploadRoom {
    /// For an upload of whoever begins it.
    pub fn of(app: &Registry, registry: &RegistryId, actor: &Actor) -> Self {
        // What a cache brings in has its end with the pull that asks for it, which no push may keep from its layers.
        let of_registry =
            if *actor == Actor::PullThroughCache { u64::MAX } else { app.quotas.open_uploads_per_registry };
        let of_repository = app.quotas.open_uploads.min(of_registry.div_ceil(2));
        Self { registry: registry.clone(), of_registry, of_repository }
    }

    /// Whether the registry has as many uploads open as it may have; refuses if it has not, and the repository has.
    pub fn is_full(&self, tx: &mut dyn Tx, repository: Option<&Repository>) -> Result<bool, RegistryError> {
        // Before a push creates its repository.
        if uploads::reach(tx, &self.registry, self.of_registry)? {
            return Ok(true);
        }
        // A repository that is not there has none, and may be made by the push.
        let Some(repository) = repository else { return Ok(false) };
        if uploads::count_up_to(tx, repository.id, self.of_repository)? < self.of_repository {
            return Ok(false);
        }
        Err(RegistryError::TooManyUploads(reference(repository), self.of_repository))
    }

    /// Makes room in a registry that is full, or refuses.
    pub async fn make(&self, app: &Registry, place: &RepositoryRef) -> Result<(), RegistryError> {
        let (room, asked) = (self.clone(), place.clone());
        if make_room_for_upload(app, &self.registry).await?
            && !app
                .db
                .read_point(move |tx| {
                    let repository = repositories::find(tx, &asked)?;
                    room.is_full(tx, repository.as_ref())
                })
                .await?
        {
            return Ok(());
        }
        Err(RegistryError::TooManyUploadsOfRegistry(self.registry.clone(), self.of_registry))
    }
}

/// Ends uploads of a registry that were begun a while ago and never written to, of the repository that has the most; says
/// whether there were any.
async fn make_room_for_upload(app: &Registry, registry: &RegistryId) -> Result<bool, RegistryError> {
    let (full, now_ms) = (registry.clone(), app.now_ms());
    let unused = app.db.read_point(move |tx| {
        uploads::unused_of_fullest(tx, &full, now_ms - UNUSED_AFTER_MS, LOOKED_AT).map_err(RegistryError::from)
    });
    // What is being written to has no bytes that are stored until a part has ended, however long that takes.
    let idle = unused.await?.into_iter().filter_map(|id| Some((id, app.upload_locks.acquire_free(id)?)));
    let idle: Arc<[_]> = idle.take(ENDED_AT_ONCE).collect();
    if idle.is_empty() {
        return Ok(false);
    }
    app.db
        .write(move |tx| {
            let mut ended = 0_usize;
            for (id, _held) in &*idle {
                ended += usize::from(uploads::abandon_unused(tx, *id, now_ms)?);
            }
            Ok(ended > 0)
        })
        .await
}

/// Refuses if the repository has as many images as it may have and none of this digest.
///
/// Asked before the transaction that pushes, so that pushes at once do not get in each other's way; they may together go
/// over the quota by as many as there are at once. It reads at most 64 rows, however many images there are.
pub fn require_room_for_image(
    tx: &mut dyn Tx,
    repository: Option<&Repository>,
    digest: &Digest,
    quota: u64,
) -> Result<(), RegistryError> {
    // The push itself tells of a repository that is not there.
    let Some(repository) = repository else { return Ok(()) };
    if image_counts::of_repository(tx, repository.id)? < quota || images::find(tx, repository.id, digest)?.is_some() {
        return Ok(());
    }
    Err(RegistryError::TooManyImages(reference(repository), quota))
}
