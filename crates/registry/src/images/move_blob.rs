//! Moves a blob between the standard and the archive store, as the images that name it need it.
//!
//! A copy is noted as removed in advance, written and synced, and then taken into use in the transaction that notes the
//! old object as removed. Whenever this is cut off, one of the two is whole and in use, and the other one goes.

use std::sync::Arc;

use oci::Digest;
use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use store::blob::{Encoding, ObjectId, Tier};
use store::error::StoreError;
use store::tables::blobs::{self, StoredBlob};
use store::tables::removed_objects::{self, RemovedObject};

use super::encryption::{self, NewObject};
use super::errors::RegistryError;
use super::part_ledger::CopyParts;
use super::{blobs as layers, storage_class};
use crate::Registry;

/// A copy that is not in use after so long is given up: the longest layer takes that time at 1 MiB a second.
const COPY_EXPIRY_MS: i64 = 24 * 60 * 60 * 1000;
/// What is left of that time must be enough for a transaction that waits for its turn.
const MARGIN_MS: i64 = 60 * 60 * 1000;

/// The job, of one blob. Where it is to go follows from where it is needed when this runs.
#[derive(Debug, Serialize, Deserialize)]
pub struct MoveBlob {
    /// Its row.
    pub blob_id: i64,
}

/// A move that was found to be due.
struct Move {
    from: StoredBlob,
    digest: Digest,
    to: Tier,
}

impl Job for MoveBlob {
    const KIND: &'static str = "move_blob";

    fn key(&self) -> String {
        self.blob_id.to_string()
    }
}

impl Handle<Registry> for MoveBlob {
    // Each has up to a processor of its own and a disk to share.
    const AT_ONCE: usize = 2;

    async fn run(self, app: Arc<Registry>, _: Attempt) -> Result<(), JobError> {
        let object = ObjectId::random();
        let Some(Move { from, digest, to }) = self.begin(&app, object).await? else { return Ok(()) };
        let written = async {
            let source = layers::open(&app, &from).await?;
            let encoding = match to {
                Tier::Standard => Encoding::Identity,
                Tier::Archive => source.archive_encoding().await?,
            };
            let ledger = Arc::new(CopyParts::new(app.db.clone(), object, app.now_ms()));
            let store = app.tier(to).of_scope(&from.scope);
            let NewObject { state, protection, data_key } =
                encryption::of_scope(&app, &from.scope).await?.begin_object(&app, &store, object)?;
            let stored_bytes = store.copy(source, &digest, state, protection, encoding, ledger).await?;
            Ok::<_, RegistryError>((encoding, stored_bytes, data_key))
        };
        let is_in_use = match written.await {
            Ok((encoding, stored_bytes, data_key)) => {
                let copy =
                    StoredBlob { object, data_key, tier: to, encoding, stored_bytes, small: None, ..from.clone() };
                self.take_into_use(&app, from, copy).await.map_err(RegistryError::from)
            }
            Err(error) => Err(error),
        };
        match is_in_use {
            Ok(true) => Ok(()),
            Ok(false) => Ok(self.give_up(&app).await?),
            Err(error) => {
                self.give_up(&app).await?;
                Err(match error {
                    RegistryError::Store(error) => error.into(),
                    other => JobError::Failed(other.to_string()),
                })
            }
        }
    }
}

impl MoveBlob {
    /// Finds out whether the blob must move, and if so notes the object that it will be in.
    async fn begin(&self, app: &Registry, object: ObjectId) -> Result<Option<Move>, StoreError> {
        let (blob_id, until_ms) = (self.blob_id, app.now_ms() + COPY_EXPIRY_MS);
        app.db
            .write(move |tx| {
                removed_objects::give_up_copies(tx, blob_id)?;
                let Some((from, digest)) = blobs::find(tx, blob_id)? else { return Ok(None) };
                match blobs::wanted_tier(tx, blob_id)? {
                    Some(to) if to != from.tier => {
                        let copy = RemovedObject { object, tier: to, scope: from.scope.clone(), multipart: None };
                        removed_objects::insert_copy(tx, &copy, blob_id, until_ms)?;
                        Ok(Some(Move { from, digest, to }))
                    }
                    _ => Ok(None),
                }
            })
            .await
    }

    /// Switches to the copy; `false` if it is not to be used: the blob is needed elsewhere by now, has other bytes, or
    /// another node has given this copy up.
    async fn take_into_use(&self, app: &Registry, from: StoredBlob, copy: StoredBlob) -> Result<bool, StoreError> {
        let (blob_id, now_ms) = (self.blob_id, app.now_ms());
        app.db
            .write(move |tx| {
                let is_there = blobs::find(tx, blob_id)?.is_some_and(|(stored, _)| stored.object == from.object);
                if !is_there
                    || blobs::wanted_tier(tx, blob_id)? != Some(copy.tier)
                    || !removed_objects::take_into_use(tx, copy.object, now_ms + MARGIN_MS)?
                {
                    return Ok(false);
                }
                blobs::move_to(tx, &from, &copy, now_ms)?;
                if copy.tier == Tier::Standard {
                    storage_class::blob_is_back(tx, blob_id, now_ms)?;
                }
                Ok(true)
            })
            .await
    }

    /// Lets the garbage collection have what was written.
    async fn give_up(&self, app: &Registry) -> Result<(), StoreError> {
        let blob_id = self.blob_id;
        app.db.write(move |tx| removed_objects::give_up_copies(tx, blob_id)).await
    }
}
