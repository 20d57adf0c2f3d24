//! The receiving side: what a destination does for an image that comes to it, from a registry of this server or from
//! another Wharf. Every step may be done again.

use std::sync::Arc;

use access::action::Action;
use access::auth::arrival::Arrival;
use access::auth::tag_rights::{TagRights, Undone};
use bytes::Bytes;
use oci::{Digest, MediaType, Tag};
use runtime::boxed;
use store::db::Tx;
use store::error::StoreError;
use store::tables::creation_templates::Scenario;
use store::tables::repositories::{self, Repository, RepositoryRef};
use store::tables::{image_tags, images, repository_blobs};

use super::authority;
use super::failure::ReplicationFailure;
use super::readable::Bringer;
use crate::Registry;
use crate::images::before_push::{self, Target};
use crate::images::changes::{Actor, Cause};
use crate::images::creation::{self, Creation, IfAbsent};
use crate::images::delete::{self, Deletion};
use crate::images::encryption::Encryption;
use crate::images::errors::RegistryError;
use crate::images::pull::Selector;
use crate::images::push::{self, Push, PushProtocol};
use crate::images::repositories::not_found;
use crate::images::uploads::{self, UploadSession, blob_scope};

/// What a registry must let a source do that brings images or takes them away.
const ACTION: Action = Action::EcrReplicateImage;

/// Why a destination does not take something.
#[derive(Debug)]
pub enum ReceiveError {
    /// Its registry policy does not allow it; with ECR's text.
    Denied(String),
    /// It cannot be stored as it is, or storage failed.
    Registry(RegistryError),
}

impl From<RegistryError> for ReceiveError {
    fn from(error: RegistryError) -> Self {
        Self::Registry(error)
    }
}

impl From<StoreError> for ReceiveError {
    fn from(error: StoreError) -> Self {
        Self::Registry(error.into())
    }
}

impl From<ReceiveError> for ReplicationFailure {
    fn from(error: ReceiveError) -> Self {
        match error {
            ReceiveError::Denied(reason) => Self::refused("AccessDenied", reason),
            ReceiveError::Registry(error) => error.into(),
        }
    }
}

/// Makes the destination ready: decides whether the source may, creates the repository if it is not there, and shows
/// in it what whoever brings the image may read elsewhere in this server. The layers that are still needed: a digest alone
/// gives nobody what is stored for others, nor the knowledge that it is.
#[boxed]
pub async fn prepare(
    app: &Registry,
    arrival: &Arrival,
    layers: Vec<Digest>,
    bringer: &Bringer<'_>,
) -> Result<Vec<Digest>, ReceiveError> {
    require(app, arrival, ACTION)?;
    let place = place_of(arrival);
    let target = before_push::read(app, &place, true, Scenario::Replication, |_, _| Ok(())).await?.target;
    if matches!(target, Target::Absent(_)) {
        require(app, arrival, Action::EcrCreateRepository)?;
        tracing::debug!(source = %arrival.origin.account(), repository = %place.name, "replication creates {}", place.name);
    }
    let encryption = target.encryption(app, &place).await.map_err(|error| veiled(arrival, error))?;
    let readable = bringer.readable(app, arrival, &layers).await?;
    let (arrival, cause, quota) = (arrival.clone(), Cause::now(app, Actor::Replication), app.quotas.repositories);
    app.db
        .write(move |tx| {
            let repository = find_or_create(tx, &arrival, &encryption, quota, &cause);
            let repository = repository.map_err(|error| veiled(&arrival, error))?;
            let mut missing = Vec::new();
            for digest in &layers {
                let from = readable.get(digest).map_or(&[][..], Vec::as_slice);
                if !show(tx, &repository, digest, from, cause.at_ms)? {
                    missing.push(*digest);
                }
            }
            Ok::<_, ReceiveError>(missing)
        })
        .await
}

/// Shows a layer in a repository as one of `from` does, unless it is there; `false` if it is in none of them. One of an
/// archived image is not there: as for a push, its bytes come again.
fn show(
    tx: &mut dyn Tx,
    repository: &Repository,
    digest: &Digest,
    from: &[i64],
    now_ms: i64,
) -> Result<bool, StoreError> {
    if repository_blobs::find(tx, repository.id, digest)?.is_some_and(|blob| !blob.is_archived()) {
        repository_blobs::touch(tx, repository.id, digest, now_ms)?;
        return Ok(true);
    }
    let scope = blob_scope(repository);
    for from in from {
        if repository_blobs::share(tx, *from, repository.id, &scope, digest, now_ms)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where an arrival goes.
pub fn place_of(arrival: &Arrival) -> RepositoryRef {
    arrival.registry.repository(&arrival.repository)
}

/// As it is, but for what it says of a KMS key of the destination's, whose owner has not told the source of it.
fn veiled(arrival: &Arrival, error: RegistryError) -> ReceiveError {
    let error = match error {
        RegistryError::Kms(error) if arrival.origin.account() != arrival.registry.account => {
            RegistryError::VeiledKms(error.code(), place_of(arrival))
        }
        other => other,
    };
    ReceiveError::Registry(error)
}

fn require(app: &Registry, arrival: &Arrival, action: Action) -> Result<(), ReceiveError> {
    authority::require(app, arrival.origin.account(), &arrival.registry, &arrival.repository, action, None)
        .map_err(ReceiveError::Denied)
}

/// Whether the registry lets the source bring or take each of these tags.
fn require_tags<'t>(
    app: &Registry,
    arrival: &Arrival,
    tags: impl IntoIterator<Item = &'t str>,
) -> Result<(), ReceiveError> {
    if !authority::reads_image_tag(app, &arrival.registry) {
        return Ok(());
    }
    let Arrival { origin, registry, repository } = arrival;
    tags.into_iter()
        .try_for_each(|tag| authority::require(app, origin.account(), registry, repository, ACTION, Some(tag)))
        .map_err(ReceiveError::Denied)
}

fn find_or_create(
    tx: &mut dyn Tx,
    arrival: &Arrival,
    encryption: &Encryption,
    quota: u64,
    cause: &Cause,
) -> Result<Repository, RegistryError> {
    let place = place_of(arrival);
    match creation::create_automatically(tx, &place, Scenario::Replication, encryption, quota, cause)? {
        Creation::Existing(repository) | Creation::Created(repository) => Ok(repository),
        Creation::NotCovered => Err(not_found(&place)),
    }
}

/// Refuses unless the registry lets the source bring images there.
pub fn require_source(app: &Registry, arrival: &Arrival) -> Result<(), ReceiveError> {
    require(app, arrival, ACTION)
}

/// Begins to receive a layer, if the source still may. Complete it with [`UploadSession::complete`]; dropped, it is
/// abandoned after a while.
#[boxed]
pub async fn begin_layer(app: &Registry, arrival: &Arrival) -> Result<UploadSession, ReceiveError> {
    require(app, arrival, ACTION)?;
    let cause = Cause::now(app, Actor::Replication);
    let begun = async {
        let place = place_of(arrival);
        let upload = uploads::begin(app, &place, IfAbsent::Refuse, &cause).await?;
        uploads::open(app, &place, upload.id).await
    };
    begun.await.map_err(|error| veiled(arrival, error))
}

/// An image that comes with its tags.
#[derive(Clone, Debug)]
pub struct ArrivingImage {
    /// Its digest.
    pub digest: Digest,
    /// Its manifest's media type.
    pub media_type: MediaType,
    /// Its manifest, byte for byte.
    pub manifest: Bytes,
    /// Its tags. Those that an immutable one stands for already are left out.
    pub tags: Vec<Tag>,
}

/// Stores an image whose layers and children are there, and moves its tags to it.
#[boxed]
pub async fn put_image(app: &Registry, arrival: &Arrival, image: ArrivingImage) -> Result<(), ReceiveError> {
    require(app, arrival, ACTION)?;
    require_tags(app, arrival, image.tags.iter().map(Tag::as_str))?;
    let push = Push {
        protocol: PushProtocol::Replication,
        repository: place_of(arrival),
        tags: image.tags,
        digest: Some(image.digest),
        media_type: Some(image.media_type),
        replicated_from: Some(arrival.origin.key()),
        manifest: image.manifest,
        cause: Cause::now(app, Actor::Replication),
    };
    push::put_image(app, Arc::new(push), IfAbsent::Refuse).await.map_err(|error| veiled(arrival, error))?;
    Ok(())
}

/// Takes tags from an image, where they are on it, and the image itself if it `is_gone` at the source, as far as replication
/// from there alone has brought them. What is not there is fine, and so is what stays.
#[boxed]
pub async fn remove(
    app: &Registry,
    arrival: &Arrival,
    digest: Digest,
    tags: Vec<Tag>,
    is_gone: bool,
) -> Result<(), ReceiveError> {
    require_removal(app, arrival, &digest, &tags, is_gone).await?;
    let deletion = deletion(app);
    let arrival = arrival.clone();
    app.db.write(move |tx| take_away(tx, &arrival, digest, &tags, is_gone, &deletion).map(drop)).await
}

/// As [`remove`], for a caller that is asked for every tag that goes.
#[boxed]
pub async fn remove_as(
    app: &Registry,
    arrival: &Arrival,
    digest: Digest,
    tags: Vec<Tag>,
    is_gone: bool,
    rights: &TagRights,
) -> Result<(), Undone<ReceiveError>> {
    require_removal(app, arrival, &digest, &tags, is_gone).await.map_err(Undone::Failed)?;
    let deletion = deletion(app);
    let (arrival, rights) = (arrival.clone(), rights.clone());
    let removed = app.db.write(move |tx| {
        let taken = take_away(tx, &arrival, digest, &tags, is_gone, &deletion).map_err(Undone::Failed)?;
        rights.require(taken)
    });
    removed.await
}

fn deletion(app: &Registry) -> Deletion {
    Deletion::new(app, Cause::now(app, Actor::Replication), "ReplicateImage")
}

async fn require_removal(
    app: &Registry,
    arrival: &Arrival,
    digest: &Digest,
    tags: &[Tag],
    is_gone: bool,
) -> Result<(), ReceiveError> {
    require(app, arrival, ACTION)?;
    if !authority::reads_image_tag(app, &arrival.registry) {
        return Ok(());
    }
    if !is_gone {
        return require_tags(app, arrival, tags.iter().map(Tag::as_str));
    }
    let (place, digest) = (place_of(arrival), *digest);
    let had = app.db.read(move |tx| {
        let Some(repository) = repositories::find(tx, &place)? else { return Ok(Vec::new()) };
        let image = images::find(tx, repository.id, &digest)?;
        image.map_or_else(|| Ok(Vec::new()), |image| image_tags::list_of_image(tx, image.id))
    });
    let had: Result<Vec<String>, StoreError> = had.await;
    require_tags(app, arrival, had?.iter().map(String::as_str))
}

/// Removes what is there and was brought from there, and says which tags went; none for an image that had no tag.
///
/// An immutable tag stays, and its image with it: else the source could put another image in its place.
fn take_away(
    tx: &mut dyn Tx,
    arrival: &Arrival,
    digest: Digest,
    tags: &[Tag],
    is_gone: bool,
    deletion: &Deletion,
) -> Result<Vec<Option<String>>, ReceiveError> {
    let Some(repository) = repositories::find(tx, &place_of(arrival))? else { return Ok(Vec::new()) };
    let Some(image) = images::find(tx, repository.id, &digest)? else { return Ok(Vec::new()) };
    let origin = arrival.origin.key();
    let origin = Some(origin.as_str());
    let had = image_tags::list_of_image(tx, image.id)?;
    // Only valid tags are stored; one that is damaged is left out.
    let had: Vec<Tag> = had.iter().filter_map(|tag| tag.parse().ok()).collect();
    let mut brought = Vec::new();
    for tag in had.iter().filter(|tag| is_gone || tags.contains(tag)) {
        if !repository.is_immutable(tag)
            && image_tags::replicated_from(tx, repository.id, tag.as_str())?.as_deref() == origin
        {
            brought.push(tag);
        }
    }
    if is_gone && brought.len() == had.len() && images::replicated_from(tx, image.id)?.as_deref() == origin {
        // A list that names it here, and not at the source, keeps it; so does what protects it.
        let Ok(deleted) = delete::delete(tx, &repository, &Selector::Digest(digest), deletion)? else {
            return Ok(Vec::new());
        };
        let went: Vec<Option<String>> = deleted.tags.into_iter().map(Some).collect();
        return Ok(if went.is_empty() { vec![None] } else { went });
    }
    let mut taken = Vec::new();
    for tag in brought {
        if let Ok(deleted) = delete::untag(tx, &repository, &image, tag, deletion)? {
            taken.extend(deleted.tags.into_iter().map(Some));
        }
    }
    Ok(taken)
}
