//! Sending what was received as the parts of a multipart upload, while more is received.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::Bytes;
use rustix::fs::{FallocateFlags, fallocate};
use tokio::task::JoinSet;

use super::S3Store;
use crate::blob::blocking;
use crate::blob::object_id::ObjectId;
use crate::blob::segment::SEALED_SEGMENT;
use crate::blob::session::SharedSession;
use crate::blob::upload::{Part, SharedParts};
use crate::error::{StoreError, StoreErrorKind};

/// S3's least length of a part that is not the last.
pub(super) const MIN_PART: u64 = 5 * 1024 * 1024;
/// Bytes of a part: 8 MiB of content, and 16 MiB for the parts of a layer that has many. So a layer of 52,000 MiB takes
/// less than 5,000 of the 10,000 numbers, and sessions that end without an acknowledgement may lose the others.
const PART: u64 = 128 * SEALED_SEGMENT as u64;
const LONG_PART: u64 = 2 * PART;
const LONG_PARTS_FROM: u32 = 3_000;
/// S3's largest part number.
const MAX_NUMBER: u32 = 10_000;
/// What is shorter than a part is sent as one only below this number.
const SHORT_PARTS_UNTIL: u32 = 7_000;
/// Numbers that are asked for at a time.
const RESERVE: u32 = 16;
/// Parts of one upload that are sent at a time.
const IN_FLIGHT: usize = 2;

/// The parts of an object, and the file that their bytes are in until they are sent.
pub(super) struct Parts {
    store: S3Store,
    object: ObjectId,
    session: SharedSession,
    spool: Arc<File>,
    numbers: Range<u32>,
    in_flight: JoinSet<Result<Part, StoreError>>,
    /// Whether what was sent stays in the spool file, for others to read.
    keeps_spool: bool,
    sent: Vec<Part>,
    /// Sealed bytes that are in parts.
    sent_bytes: u64,
}

impl Parts {
    pub fn new(
        store: S3Store,
        object: ObjectId,
        session: SharedSession,
        spool: Arc<File>,
        keeps_spool: bool,
        known: &SharedParts,
    ) -> Self {
        Self {
            store,
            object,
            session,
            spool,
            numbers: 0..0,
            in_flight: JoinSet::new(),
            keeps_spool,
            sent: known.parts.clone(),
            sent_bytes: known.sent_bytes,
        }
    }

    /// Sealed bytes that are in parts, or on their way.
    pub const fn sent_bytes(&self) -> u64 {
        self.sent_bytes
    }

    /// Whether the object is the product of a multipart upload: once that is begun, nothing else may make it.
    pub const fn is_multipart(&self) -> bool {
        self.session.multipart.is_some()
    }

    /// Sends every whole part of the bytes up to `until`. Waits while enough parts are on their way.
    pub async fn send_whole(&mut self, until: u64) -> Result<(), StoreError> {
        loop {
            let length = if self.next_number() < LONG_PARTS_FROM { PART } else { LONG_PART };
            if until - self.sent_bytes < length {
                return Ok(());
            }
            self.send(length).await?;
        }
    }

    /// Whether so many bytes may be a part in the middle of the object.
    pub fn is_enough(&self, bytes: u64) -> bool {
        bytes >= MIN_PART && self.next_number() < SHORT_PARTS_UNTIL
    }

    fn next_number(&self) -> u32 {
        if self.numbers.is_empty() { self.sent.last().map_or(1, |part| part.number + 1) } else { self.numbers.start }
    }

    /// Sends the next `length` bytes as a part.
    pub async fn send(&mut self, length: u64) -> Result<(), StoreError> {
        let multipart = self.multipart().await?;
        if self.numbers.is_empty() {
            let first = self.session.ledger.reserve(&multipart, RESERVE).await?;
            self.numbers = first..first + RESERVE;
        }
        let number = self.numbers.start;
        if number > MAX_NUMBER {
            let context = format!("object {} has more parts than a bucket takes", self.object);
            return Err(StoreError::new(StoreErrorKind::Other, context));
        }
        self.numbers.start += 1;
        while self.in_flight.len() >= IN_FLIGHT {
            self.land().await?;
        }
        let (store, object, spool) = (self.store.clone(), self.object, Arc::clone(&self.spool));
        let (offset, keeps_spool) = (self.sent_bytes, self.keeps_spool);
        self.sent_bytes += length;
        self.in_flight.spawn(async move {
            // Never closed.
            let _room = store.bucket.parts.acquire().await;
            let content = read(Arc::clone(&spool), offset, length).await?;
            let part = store.put_part(object, &multipart, number, content).await?;
            if !keeps_spool {
                forget(spool, offset, length).await?;
            }
            Ok(part)
        });
        Ok(())
    }

    /// The multipart upload's id; remembered outside of the bucket before it has a part.
    async fn multipart(&mut self) -> Result<String, StoreError> {
        if let Some(id) = &self.session.multipart {
            return Ok(id.clone());
        }
        let (store, object, ledger) = (self.store.clone(), self.object, Arc::clone(&self.session.ledger));
        // In a task of its own, which ends also if nobody waits for it any more: what is begun and not remembered would
        // stay in the bucket.
        let begun = tokio::spawn(async move {
            let id = store.begin_multipart(object).await?;
            match ledger.reserve(&id, RESERVE).await {
                Ok(first) => Ok((id, first)),
                Err(error) => {
                    // Nobody else knows of it.
                    let ended = store.abort_multipart(&store.key(object), &id).await;
                    if let Err(error) = ended {
                        tracing::warn!(%error, %object, "a multipart upload of object {object} is left over");
                    }
                    Err(error)
                }
            }
        });
        let (id, first) = begun.await.map_err(|error| {
            StoreError::new(StoreErrorKind::Other, "beginning a multipart upload ended early").with_source(error)
        })??;
        self.numbers = first..first + RESERVE;
        self.session.multipart = Some(id.clone());
        Ok(id)
    }

    /// Waits for a part to be stored.
    async fn land(&mut self) -> Result<(), StoreError> {
        let Some(landed) = self.in_flight.join_next().await else { return Ok(()) };
        let part = landed.unwrap_or_else(|error| {
            Err(StoreError::new(StoreErrorKind::Other, "sending a part ended early").with_source(error))
        })?;
        self.sent.push(part);
        Ok(())
    }

    /// Waits for all parts to be stored.
    pub async fn settle(&mut self) -> Result<(), StoreError> {
        while !self.in_flight.is_empty() {
            self.land().await?;
        }
        self.sent.sort_by_key(|part| part.number);
        Ok(())
    }

    /// What an upload's state says of the parts, once they have [settled](Self::settle). There is nothing after them.
    pub fn known(&self) -> SharedParts {
        SharedParts { parts: self.sent.clone(), sent_bytes: self.sent_bytes, rest: None, rest_sha256: None }
    }

    /// The id of the multipart upload and the ledger that knows who may complete it.
    pub fn session(&self) -> &SharedSession {
        &self.session
    }

    /// All parts, once they have [settled](Self::settle).
    pub fn settled(&self) -> &[Part] {
        &self.sent
    }
}

/// Reads bytes of the spool file.
pub(super) async fn read(spool: Arc<File>, offset: u64, length: u64) -> Result<Bytes, StoreError> {
    blocking(move || {
        let mut content = vec![0; length as usize];
        spool
            .read_exact_at(&mut content, offset)
            .map_err(|error| StoreError::io("cannot read what was received", error))?;
        Ok(content.into())
    })
    .await
}

/// Gives back the room of what was sent.
async fn forget(spool: Arc<File>, offset: u64, length: u64) -> Result<(), StoreError> {
    blocking(move || {
        // Where a file system cannot do that, the room is given back when the upload ends.
        let _ = fallocate(&*spool, FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE, offset, length);
        Ok(())
    })
    .await
}

/// Whether an object of so many stored bytes is stored at once.
pub(super) const fn is_short(stored_bytes: u64) -> bool {
    stored_bytes <= PART
}
