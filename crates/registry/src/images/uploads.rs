//! Layer uploads: begun, filled part by part, completed to a blob or abandoned.
//!
//! A part is acknowledged once its bytes and then the upload's state are durable; an upload goes on after a restart
//! at the last acknowledged byte. Of several requests that write one at once the last has its way (`upload_locks`).

use std::sync::Arc;

use bytes::Bytes;
use oci::{Algorithm, Digest};
use runtime::boxed;
use store::blob::{
    BlobReader, FinishedObject, Follower, ObjectId, SharedSession, UploadState, UploadWriter, open_small, seal_small,
};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::blobs::{self, BlobScope, NewBlob};
use store::tables::creation_templates::Scenario;
use store::tables::removed_objects::{self, RemovedObject};
use store::tables::repositories::{Repository, RepositoryRef};
use store::tables::repository_blobs;
use store::tables::uploads::{self, Upload};
use uuid::Uuid;

use super::before_push;
use super::changes::Cause;
use super::creation::{IfAbsent, require_for_push};
use super::encryption::{self, NewObject, Use};
use super::errors::RegistryError;
use super::part_ledger::UploadParts;
use super::quotas::UploadRoom;
use super::read_caches::FoundRepository;
use super::repositories::{not_found, read_along, reference, require};
use super::storage_class;
pub use super::upload_locks::UploadLocks;
use super::upload_locks::{Receiver, UploadLock};
use crate::Registry;

/// reference/repositories-images.md 3: every part of an API upload but the last.
pub const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;
/// What is left of a session's time must be enough for a transaction that waits for its turn.
const SPARE_MARGIN_MS: i64 = 60 * 60 * 1000;
/// What the states of uploads are sealed for; their context is the upload's id.
pub const STATE_PURPOSE: &str = "layer upload state";

/// Where copies of this repository's blobs are shared.
pub fn blob_scope(repository: &Repository) -> BlobScope {
    BlobScope { region: repository.spec.registry.region.to_string(), encryption: repository.encryption_scope() }
}

fn seal_state(app: &Registry, id: Uuid, state: &UploadState) -> Vec<u8> {
    seal_small(&app.key_ring, STATE_PURPOSE, id.as_bytes(), &state.to_bytes())
}

/// Begins an upload.
#[boxed]
pub async fn begin(
    app: &Registry,
    place: &RepositoryRef,
    if_absent: IfAbsent,
    cause: &Cause,
) -> Result<Upload, RegistryError> {
    app.require_room()?;
    let (place, cause) = (place.clone(), cause.clone());
    let room = UploadRoom::of(app, &place.registry, &cause.actor);
    let may_create = if_absent != IfAbsent::Refuse;
    let asked = room.clone();
    let look = move |tx: &mut dyn Tx, repository: Option<&Repository>| asked.is_full(tx, repository);
    let before = before_push::read(app, &place, may_create, Scenario::CreateOnPush, look).await?;
    if before.rest {
        room.make(app, &place).await?;
    }
    let encryption = before.target.encryption(app, &place).await?;
    let NewObject { state, data_key, .. } = encryption.begin_object(app, &app.blobs, ObjectId::random())?;
    let id = runtime::random::uuid();
    let upload = Upload {
        id,
        repository_id: 0,
        object: state.object,
        data_key,
        sealed_state: seal_state(app, id, &state),
        received_bytes: 0,
        part_count: 0,
        last_part_bytes: 0,
        has_short_part: false,
        updated_at_ms: cause.at_ms,
        epoch: 0,
        next_part: 1,
        rest: None,
        multipart: None,
    };
    app.db
        .write(move |tx| {
            let repository = require_for_push(tx, &place, if_absent, &encryption, &cause)?;
            let upload = Upload { repository_id: repository.id, ..upload.clone() };
            uploads::insert(tx, &upload)?;
            Ok(upload)
        })
        .await
}

/// The upload and its repository, or the error that names what is missing.
#[boxed]
pub async fn find(
    app: &Registry,
    place: &RepositoryRef,
    id: Uuid,
) -> Result<(Arc<FoundRepository>, Upload), RegistryError> {
    let asked = place.clone();
    let look = move |tx: &mut dyn Tx, repository: Option<&Arc<FoundRepository>>| {
        let repository = repository.ok_or_else(|| not_found(&asked))?;
        let upload = uploads::find(tx, repository.id, id)?
            .ok_or_else(|| RegistryError::UploadNotFound(asked.clone(), id.to_string()))?;
        Ok((Arc::clone(repository), upload))
    };
    Ok(read_along(app, place, look).await?.1)
}

/// The right to write an upload, taken from whoever has it. Only who may see the upload disturbs another one.
async fn take_over(app: &Registry, place: &RepositoryRef, id: Uuid) -> Result<UploadLock, RegistryError> {
    if let Some(lock) = app.upload_locks.acquire_free(id) {
        return Ok(lock);
    }
    find(app, place, id).await?;
    Ok(app.upload_locks.acquire(id).await)
}

/// Ends an upload; its bytes become garbage.
#[boxed]
pub async fn cancel(app: &Registry, place: &RepositoryRef, id: Uuid) -> Result<(), RegistryError> {
    let lock = take_over(app, place, id).await?;
    find(app, place, id).await?;
    let (place, now_ms) = (place.clone(), app.now_ms());
    app.db
        .write(move |tx| {
            let _held = &lock;
            if uploads::abandon(tx, id, None, now_ms)? {
                Ok(())
            } else {
                Err(RegistryError::UploadNotFound(place.clone(), id.to_string()))
            }
        })
        .await
}

/// An upload that this request writes to. Dropped before [`checkpoint`](Self::checkpoint) or
/// [`complete`](Self::complete), it leaves the upload as it was.
pub struct UploadSession {
    repository: Arc<FoundRepository>,
    upload: Upload,
    writer: UploadWriter,
    written: u64,
    max_bytes: u64,
    /// The session's object in a store that nodes share.
    spare: Option<ObjectId>,
    lock: Arc<UploadLock>,
}

/// The upload for a session that writes it, which takes the right to do so from any other node, and the session's
/// object if the store is shared.
async fn claim(
    app: &Registry,
    place: &RepositoryRef,
    id: Uuid,
    lock: &Arc<UploadLock>,
) -> Result<(Arc<FoundRepository>, Upload, Option<ObjectId>), RegistryError> {
    if !app.blobs.is_shared() {
        return find(app, place, id).await.map(|(repository, upload)| (repository, upload, None));
    }
    let (place, spare) = (place.clone(), ObjectId::random());
    // An upload that does not grow for the same time is abandoned, whatever its session does.
    let until_ms = app.now_ms() + app.limits.upload_expiry_ms + SPARE_MARGIN_MS;
    let lock = Arc::clone(lock);
    app.db
        .write(move |tx| {
            // Held until this has happened, also when nobody waits for it any more.
            let _held = &lock;
            let repository = require(tx, &place)?;
            let spare_object = RemovedObject::standard(spare, blob_scope(&repository));
            let upload = uploads::claim(tx, repository.id, id, &spare_object, until_ms)?
                .ok_or_else(|| RegistryError::UploadNotFound(place.clone(), id.to_string()))?;
            Ok((Arc::new(FoundRepository(repository)), upload, Some(spare)))
        })
        .await
}

/// Opens an upload for a request that waits for its client's bytes: another one that comes meanwhile overtakes it.
#[boxed]
pub async fn open(app: &Registry, place: &RepositoryRef, id: Uuid) -> Result<UploadSession, RegistryError> {
    app.require_room()?;
    let lock = take_over(app, place, id).await?;
    let session = open_with(app, place, id, lock).await?;
    session.begin_receiving();
    Ok(session)
}

/// Opens an upload as [`open`] does, but overtakes none but `seen`: another one that receives is returned instead. Only who
/// sees then that its client is still there may come again, and overtake it: a request whose client has gone may come to
/// its turn after the one that the client sent instead.
#[boxed]
pub async fn open_from(
    app: &Registry,
    place: &RepositoryRef,
    id: Uuid,
    seen: Option<&Receiver>,
) -> Result<Result<UploadSession, Receiver>, RegistryError> {
    app.require_room()?;
    let lock = match app.upload_locks.acquire_free(id) {
        Some(lock) => lock,
        None => {
            find(app, place, id).await?;
            match app.upload_locks.acquire_from(id, seen).await {
                Ok(lock) => lock,
                Err(receiver) => return Ok(Err(receiver)),
            }
        }
    };
    let session = open_with(app, place, id, lock).await?;
    session.begin_receiving();
    Ok(Ok(session))
}

/// Opens an upload for a request that has its bytes: another one that comes meanwhile waits.
#[boxed]
pub async fn open_received(app: &Registry, place: &RepositoryRef, id: Uuid) -> Result<UploadSession, RegistryError> {
    app.require_room()?;
    let lock = take_over(app, place, id).await?;
    let session = open_with(app, place, id, lock).await?;
    session.lock.begin_storing()?;
    Ok(session)
}

async fn open_with(
    app: &Registry,
    place: &RepositoryRef,
    id: Uuid,
    lock: UploadLock,
) -> Result<UploadSession, RegistryError> {
    let lock = Arc::new(lock);
    let (repository, upload, spare) = claim(app, place, id, &lock).await?;
    let received = open_small(&app.key_ring, STATE_PURPOSE, id.as_bytes(), &upload.sealed_state)
        .and_then(|bytes| UploadState::from_bytes(&bytes))
        .map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, format!("state of upload {id} cannot be read")).with_source(error)
        })?;
    encryption::require(app, &repository, Use::Push).await?;
    let protection = encryption::protection_of(app, &upload.data_key, upload.object).await?;
    let session = spare.map(|spare| SharedSession {
        spare,
        multipart: upload.multipart.clone(),
        ledger: Arc::new(UploadParts { db: app.db.clone(), upload: id, epoch: upload.epoch }),
    });
    let writer = app.blobs.of_scope(&blob_scope(&repository)).writer(received, protection, session)?;
    let max_bytes = app.quotas.layer_bytes;
    Ok(UploadSession { repository, upload, writer, written: 0, max_bytes, spare, lock })
}

impl UploadSession {
    /// Bytes received so far, those of this request included.
    pub const fn received(&self) -> u64 {
        self.upload.received_bytes + self.written
    }

    /// Lets others on this node read the object while it comes; see [`UploadWriter::follow`].
    pub fn follow(&self) -> Follower {
        self.writer.follow()
    }

    /// The upload's row as it was when this request opened it.
    pub const fn upload(&self) -> &Upload {
        &self.upload
    }

    /// An error for bytes that do not belong where they came.
    pub fn out_of_order(&self) -> RegistryError {
        RegistryError::UploadOutOfOrder {
            repository: reference(&self.repository),
            upload: self.upload.id,
            received: self.upload.received_bytes,
        }
    }

    /// Refuses what would make the layer longer than layers may be; for bodies that announce their length, before it comes.
    pub fn require_room(&self, bytes: u64) -> Result<(), RegistryError> {
        let total = self.received().saturating_add(bytes);
        if total > self.max_bytes { Err(RegistryError::LayerTooLarge(self.max_bytes)) } else { Ok(()) }
    }

    fn begin_receiving(&self) {
        self.lock.begin_receiving(self.writer.fence());
    }

    /// Returns when another request writes the upload: all that this one can do then is end.
    pub fn overtaken(&self) -> impl Future<Output = ()> + use<> {
        self.lock.overtaken()
    }

    /// Takes the next bytes.
    pub async fn write(&mut self, data: Bytes) -> Result<(), RegistryError> {
        self.lock.check()?;
        self.lock.note_received();
        self.require_room(data.len() as u64)?;
        self.written += data.len() as u64;
        self.writer.write(data).await?;
        Ok(())
    }

    /// Makes what was written durable as one part, and returns the bytes received in all.
    #[boxed]
    pub async fn checkpoint(self, app: &Registry) -> Result<u64, RegistryError> {
        let Self { repository, mut upload, writer, written, spare, lock, .. } = self;
        lock.begin_storing()?;
        let (from_bytes, old_rest) = (upload.received_bytes, upload.rest);
        let state = writer.checkpoint().await?;
        upload.received_bytes += written;
        upload.has_short_part |= upload.part_count > 0 && upload.last_part_bytes < MIN_PART_BYTES;
        upload.part_count += 1;
        upload.last_part_bytes = written;
        upload.updated_at_ms = app.now_ms();
        upload.sealed_state = seal_state(app, upload.id, &state);
        upload.next_part = state.next_part();
        upload.rest = state.rest_object();
        let received = upload.received_bytes;
        app.db
            .write(move |tx| {
                // Held until this has happened, also when nobody waits for it any more.
                let _held = &lock;
                if !uploads::advance(tx, &upload, from_bytes)? {
                    return Err(lost(tx, &repository, &upload)?);
                }
                settle_spare(tx, spare, upload.rest == spare, upload.updated_at_ms)?;
                if let Some(old) = old_rest.filter(|old| upload.rest != Some(*old)) {
                    let old = RemovedObject::standard(old, blob_scope(&repository));
                    removed_objects::insert(tx, &old, upload.updated_at_ms)?;
                }
                Ok(())
            })
            .await?;
        Ok(received)
    }

    /// Ends the upload as the blob `claimed` of its repository. Durable when it returns. If the digest is another,
    /// the upload is abandoned: its bytes are of no use.
    #[boxed]
    pub async fn complete(self, app: &Registry, claimed: Digest) -> Result<(), RegistryError> {
        let Self { repository, mut upload, writer, spare, lock, .. } = self;
        lock.begin_storing()?;
        let finished = match writer.finish_small() {
            Ok(finished) => finished,
            Err(writer) => writer.finish().await?,
        };
        let now_ms = app.now_ms();
        if finished.object != upload.object {
            upload.data_key = encryption::rename(app, &upload.data_key, upload.object, finished.object).await?;
            upload.object = finished.object;
        }
        let actual = match claimed.algorithm() {
            Algorithm::Sha256 => finished.sha256,
            Algorithm::Sha512 => {
                let protection = encryption::protection_of(app, &upload.data_key, upload.object).await?;
                let reader = match &finished.small {
                    Some(sealed) => {
                        BlobReader::of_small(upload.object, &protection, sealed.clone(), finished.size_bytes)?
                    }
                    None => {
                        let store = app.blobs.of_scope(&blob_scope(&repository));
                        store.open_reader(upload.object, protection, finished.size_bytes)?
                    }
                };
                reader.digest(Algorithm::Sha512).await?
            }
        };
        if actual != claimed {
            let (id, epoch) = (upload.id, upload.epoch);
            app.db
                .write(move |tx| {
                    let _held = &lock;
                    settle_spare(tx, spare, false, now_ms)?;
                    uploads::abandon(tx, id, Some(epoch), now_ms)?;
                    Ok::<_, RegistryError>(())
                })
                .await?;
            return Err(RegistryError::LayerDigestMismatch { claimed, actual });
        }
        // The key may have been disabled while the bytes came.
        encryption::require(app, &repository, Use::Push).await?;
        app.db
            .write(move |tx| {
                let _held = &lock;
                match spare.filter(|_| finished.small.is_some()) {
                    // Nothing was written to it.
                    Some(unused) => {
                        removed_objects::delete(tx, unused)?;
                    }
                    None => settle_spare(tx, spare, spare == Some(upload.object), now_ms)?,
                }
                store_blob(tx, &repository, &upload, &claimed, &finished, now_ms)
            })
            .await
    }
}

/// Takes a session's object into use, or lets it go.
fn settle_spare(tx: &mut dyn Tx, spare: Option<ObjectId>, is_used: bool, now_ms: i64) -> Result<(), RegistryError> {
    let Some(spare) = spare else { return Ok(()) };
    if !is_used {
        removed_objects::give_up(tx, spare)?;
    } else if !removed_objects::take_into_use(tx, spare, now_ms)? {
        let context = format!("object {spare} took so long that it was given up");
        return Err(StoreError::new(StoreErrorKind::Busy, context).into());
    }
    Ok(())
}

/// Why a session may not store what it has.
fn lost(tx: &mut dyn Tx, repository: &Repository, upload: &Upload) -> Result<RegistryError, RegistryError> {
    let now = uploads::find(tx, repository.id, upload.id)?;
    Ok(if now.is_some_and(|now| now.epoch != upload.epoch) {
        RegistryError::UploadBusy
    } else {
        RegistryError::UploadNotFound(reference(repository), upload.id.to_string())
    })
}

/// Turns a finished upload into a blob, in place of the copy that was there.
fn store_blob(
    tx: &mut dyn Tx,
    repository: &Repository,
    upload: &Upload,
    digest: &Digest,
    finished: &FinishedObject,
    now_ms: i64,
) -> Result<(), RegistryError> {
    let Some((object, stored_key)) = uploads::finish(tx, upload.id, upload.epoch, now_ms)? else {
        return Err(lost(tx, repository, upload)?);
    };
    // The stored key may have been wrapped anew since the upload was read; that of another object was wrapped just now.
    let data_key = if object == upload.object { &stored_key } else { &upload.data_key };
    let new = NewBlob {
        scope: &blob_scope(repository),
        digest,
        size_bytes: finished.size_bytes,
        object: upload.object,
        data_key,
        small: finished.small.as_deref(),
    };
    let blob_id = match blobs::replace_existing(tx, &new, now_ms)? {
        Some(id) => {
            storage_class::blob_is_back(tx, id, now_ms)?;
            id
        }
        None => blobs::insert(tx, &new, now_ms)?,
    };
    if !repository_blobs::insert(tx, repository.id, digest, blob_id, now_ms)? {
        blobs::release(tx, blob_id)?;
        repository_blobs::touch(tx, repository.id, digest, now_ms)?;
    }
    Ok(())
}
