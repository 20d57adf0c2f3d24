//! Blobs, whichever repositories show them: opening their objects, and mounting them elsewhere. Which of them a repository
//! has, and who may read them there, is [`layers`](crate::layers)'s.

use oci::{Digest, RepositoryName};
use runtime::boxed;
use store::blob::BlobReader;
use store::tables::blobs::StoredBlob;
use store::tables::creation_templates::Scenario;
use store::tables::repositories::{self, RepositoryRef};
use store::tables::repository_blobs;

use super::changes::Cause;
use super::creation::{IfAbsent, require_for_push};
use super::errors::RegistryError;
use super::{before_push, encryption, settings};
use crate::Registry;

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

/// Shows a blob of the repository `from`, from which the caller may pull, in the repository `to` of the same registry as
/// well. `false` if that is switched off, the blob is not there, or the two are encrypted under different keys: then the
/// client uploads (reference/repositories-images.md 3).
#[boxed]
pub async fn mount(
    app: &Registry,
    from: &RepositoryName,
    to: &RepositoryRef,
    digest: Digest,
    if_absent: IfAbsent,
    cause: &Cause,
) -> Result<bool, RegistryError> {
    let may_create = if_absent != IfAbsent::Refuse;
    let encryption = before_push::encryption(app, to, may_create, Scenario::CreateOnPush).await?;
    let (from, to, cause) = (to.registry.repository(from), to.clone(), cause.clone());
    app.db
        .write(move |tx| {
            let target = require_for_push(tx, &to, if_absent, &encryption, &cause)?;
            if !settings::is_blob_mounting_enabled(tx, &to.registry)? {
                return Ok(false);
            }
            let Some(source) = repositories::find(tx, &from)? else { return Ok(false) };
            let scope = super::uploads::blob_scope(&target);
            Ok(repository_blobs::share(tx, source.id, target.id, &scope, &digest, cause.at_ms)?)
        })
        .await
}
