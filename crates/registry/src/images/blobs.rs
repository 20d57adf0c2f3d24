//! Blobs of a repository: finding, reading and mounting them.

use oci::{Digest, RepositoryName};
use runtime::boxed;
use store::blob::{BlobReader, Encoding};
use store::tables::blobs::StoredBlob;
use store::tables::creation_templates::Scenario;
use store::tables::registry_id::RegistryId;
use store::tables::repositories::{Repository, RepositoryRef};
use store::tables::repository_blobs::{self, RepositoryBlob};

use super::changes::Cause;
use super::creation::{IfAbsent, require_for_push};
use super::encryption::{self, Use};
use super::errors::RegistryError;
use super::repositories::require;
use super::settings;
use crate::Registry;

/// The blob, or the error that names it.
#[boxed]
pub async fn find(
    app: &Registry,
    registry: &RegistryId,
    name: &RepositoryName,
    digest: Digest,
) -> Result<RepositoryBlob, RegistryError> {
    look_up(app, registry, name, digest).await.map(|(_, blob)| blob)
}

async fn look_up(
    app: &Registry,
    registry: &RegistryId,
    name: &RepositoryName,
    digest: Digest,
) -> Result<(Repository, RepositoryBlob), RegistryError> {
    let place = RepositoryRef { registry: registry.clone(), name: name.clone() };
    app.db
        .read_point(move |tx| {
            let repository = require(tx, &place)?;
            let blob = repository_blobs::find(tx, repository.id, &digest)?
                .ok_or_else(|| RegistryError::LayerNotFound(place.clone(), digest))?;
            Ok((repository, blob))
        })
        .await
}

/// As [`find`], for reading: a blob that only archived images name is out of reach (reference/repositories-images.md 4).
#[boxed]
pub async fn find_readable(
    app: &Registry,
    registry: &RegistryId,
    name: &RepositoryName,
    digest: Digest,
) -> Result<RepositoryBlob, RegistryError> {
    let (repository, blob) = look_up(app, registry, name, digest).await?;
    encryption::require(app, &repository, Use::Pull).await?;
    if blob.is_archived() {
        return Err(RegistryError::LayerArchived(
            RepositoryRef { registry: registry.clone(), name: name.clone() },
            digest,
        ));
    }
    Ok(blob)
}

/// Opens a blob's bytes for reading, wherever they are. Whether they are there may show only with
/// [`BlobStream::begin`](store::blob::BlobStream::begin).
#[boxed]
pub async fn open(app: &Registry, blob: &StoredBlob) -> Result<BlobReader, RegistryError> {
    let protection = encryption::protection_of(app, &blob.data_key, blob.object).await?;
    if let Some(sealed) = &blob.small {
        return Ok(BlobReader::of_small(blob.object, &protection, sealed.clone(), blob.size_bytes)?);
    }
    let stored = (blob.encoding, blob.stored_bytes);
    Ok(app.tier(blob.tier).of_scope(&blob.scope).open_encoded(blob.object, protection, stored, blob.size_bytes)?)
}

/// A URL by which a client reads a blob from the bucket itself, for a short time; none if its object is not the content
/// as it is, or no such URLs are given out. Whoever gets it must have been allowed to read the blob.
#[boxed]
pub async fn presigned_url(app: &Registry, blob: &StoredBlob) -> Result<Option<String>, RegistryError> {
    if !blob.is_plain() || blob.encoding != Encoding::Identity {
        return Ok(None);
    }
    Ok(app.tier(blob.tier).of_scope(&blob.scope).presigned_url(blob.object).await?)
}

/// Shows a blob of the repository `from`, from which the caller may pull, in the repository `to` as well. `false` if that
/// is switched off, the blob is not there, or the two are encrypted under different keys: then the client uploads
/// (reference/repositories-images.md 3).
#[boxed]
pub async fn mount(
    app: &Registry,
    registry: &RegistryId,
    from: RepositoryName,
    to: RepositoryName,
    digest: Digest,
    if_absent: IfAbsent,
    cause: &Cause,
) -> Result<bool, RegistryError> {
    let encryption =
        encryption::for_push(app, &registry.repository(&to), if_absent != IfAbsent::Refuse, Scenario::CreateOnPush)
            .await?;
    let registry = registry.clone();
    let cause = cause.clone();
    app.db
        .write(move |tx| {
            let target = require_for_push(tx, &registry.repository(&to), if_absent, &encryption, &cause)?;
            if !settings::is_blob_mounting_enabled(tx, &registry)? {
                return Ok(false);
            }
            let Some(source) = store::tables::repositories::find(tx, &registry.repository(&from))? else {
                return Ok(false);
            };
            let scope = super::uploads::blob_scope(&target);
            Ok(repository_blobs::share(tx, source.id, target.id, &scope, &digest, cause.at_ms)?)
        })
        .await
}
