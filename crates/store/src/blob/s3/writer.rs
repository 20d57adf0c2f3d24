//! Writing an object to a bucket: what arrives is sealed into a file without a name, and sent from there in parts.
//!
//! Nothing that a session sends can change what another one has acknowledged: part numbers and the objects for what is
//! too short for a part are each given out once, and an object is completed only by who may write it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::TryStreamExt as _;
use oci::{Algorithm, Digest};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinHandle;

use super::S3Store;
use super::multipart::Completion;
use super::parts::{self, Parts};
use super::stream::S3Object;
use crate::blob::blocking;
use crate::blob::follower::{Follower, Leader};
use crate::blob::object_id::ObjectId;
use crate::blob::protection::Protection;
use crate::blob::reader::{BlobReader, Object, damaged};
use crate::blob::sealing::Sealing;
use crate::blob::segment::{self, Form};
use crate::blob::session::SharedSession;
use crate::blob::tier::Encoding;
use crate::blob::upload::{SharedParts, UploadState};
use crate::blob::writer::{BATCH, FinishedObject};
use crate::error::{ObjectDamage, StoreError, StoreErrorKind};

/// See [`UploadWriter`](crate::blob::UploadWriter).
pub(in crate::blob) struct S3Writer {
    store: S3Store,
    session: SharedSession,
    protection: Protection,
    buffer: BytesMut,
    follower: Follower,
    /// Away while a batch is sealed, and after a failure.
    sink: Option<Sink>,
    running: Option<JoinHandle<Result<Sink, StoreError>>>,
    /// Made with the first batch.
    parts: Option<Parts>,
}

/// The blocking half.
struct Sink {
    sealing: Sealing,
    /// Segments at their places; made with the first batch.
    spool: Option<Arc<File>>,
    leader: Leader,
}

impl S3Writer {
    pub fn new(store: S3Store, state: UploadState, protection: Protection, session: SharedSession) -> Self {
        let (leader, follower) = Leader::new(state.object);
        let sink = Sink { sealing: Sealing::new(state, &protection), spool: None, leader };
        let buffer = BytesMut::new();
        Self { store, session, protection, buffer, follower, sink: Some(sink), running: None, parts: None }
    }

    /// See [`UploadWriter::follow`](crate::blob::UploadWriter::follow).
    pub fn follow(&self) -> Follower {
        self.follower.clone()
    }

    pub async fn write(&mut self, data: Bytes) -> Result<(), StoreError> {
        self.buffer.extend_from_slice(&data);
        if self.buffer.len() >= BATCH {
            self.hand_over().await?;
        }
        Ok(())
    }

    /// Lets a blocking thread seal what has come, and sends what it has sealed before.
    async fn hand_over(&mut self) -> Result<(), StoreError> {
        let batch = self.buffer.split().freeze();
        let mut sink = self.idle_sink().await?;
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => self.parts.insert(prepare(&self.store, &self.session, &mut sink).await?),
        };
        parts.send_whole(sink.sealing.sealed_bytes()).await?;
        self.running = Some(tokio::task::spawn_blocking(move || {
            sink.absorb(&batch)?;
            Ok(sink)
        }));
        Ok(())
    }

    async fn idle_sink(&mut self) -> Result<Sink, StoreError> {
        match (self.running.take(), self.sink.take()) {
            (Some(running), _) => running.await.unwrap_or_else(|error| {
                Err(StoreError::new(StoreErrorKind::Other, "writing a blob ended early").with_source(error))
            }),
            (None, Some(sink)) => Ok(sink),
            (None, None) => Err(StoreError::new(StoreErrorKind::Other, "a write to this blob has failed before")),
        }
    }

    /// Seals all that has come.
    async fn absorb_all(&mut self) -> Result<(Sink, Parts), StoreError> {
        self.hand_over().await?;
        let sink = self.idle_sink().await?;
        let parts = self
            .parts
            .take()
            .ok_or_else(|| StoreError::new(StoreErrorKind::Other, "a blob was handed over without its parts"))?;
        Ok((sink, parts))
    }

    pub async fn checkpoint(mut self) -> Result<UploadState, StoreError> {
        // Nothing can have been sealed, so all that is stored stays as it is.
        if self.buffer.is_empty() && self.parts.is_none() {
            return Ok(self.idle_sink().await?.sealing.state);
        }
        let before = self.sink.as_ref().map(|sink| sink.sealing.sealed_bytes());
        let (sink, mut parts) = self.absorb_all().await?;
        let sealed_bytes = sink.sealing.sealed_bytes();
        let mut state = sink.sealing.state;
        if before == Some(sealed_bytes) {
            return Ok(state);
        }
        parts.send_whole(sealed_bytes).await?;
        let mut rest_bytes = sealed_bytes - parts.sent_bytes();
        if parts.is_enough(rest_bytes) {
            parts.send(rest_bytes).await?;
            rest_bytes = 0;
        }
        let (mut rest, mut rest_sha256) = (None, None);
        if rest_bytes > 0 {
            let spool = sink.spool.ok_or_else(no_spool)?;
            let content = parts::read(spool, parts.sent_bytes(), rest_bytes).await?;
            if state.form == Form::Plain {
                rest_sha256 = Some(Sha256::digest(&content).into());
            }
            self.store.put(self.session.spare, content).await?;
            rest = Some(self.session.spare);
        }
        parts.settle().await?;
        state.shared = Some(SharedParts { rest, rest_sha256, ..parts.known() });
        Ok(state)
    }

    /// See [`UploadWriter::finish_small`](crate::blob::UploadWriter::finish_small).
    pub fn finish_small(mut self: Box<Self>) -> Result<FinishedObject, Box<Self>> {
        let is_begun = self.parts.is_some() || self.session.multipart.is_some();
        match self.sink.take_if(|sink| !is_begun && sink.sealing.is_small_with(self.buffer.len())) {
            Some(sink) => Ok(sink.sealing.end_small(&self.buffer, &sink.leader)),
            None => Err(self),
        }
    }

    pub async fn finish(mut self) -> Result<FinishedObject, StoreError> {
        let (sink, mut parts) = self.absorb_all().await?;
        let sink = blocking(move || {
            let mut sink = sink;
            let offset = sink.sealing.end();
            sink.spool(offset)?;
            Ok(sink)
        })
        .await?;
        let Sink { sealing, spool, leader: _leader } = sink;
        let spool = spool.ok_or_else(no_spool)?;
        let size_bytes = sealing.state.received;
        let stored_bytes = self.protection.form().stored_bytes(size_bytes);
        let sha256 = Digest::from_sha256(sealing.sha256());
        let mut object = sealing.state.object;
        if parts.is_multipart() || !parts::is_short(stored_bytes) {
            parts.send_whole(stored_bytes).await?;
            if parts.sent_bytes() < stored_bytes {
                parts.send(stored_bytes - parts.sent_bytes()).await?;
            }
            parts.settle().await?;
            self.complete(&parts, object, size_bytes, &sha256).await?;
        } else {
            let content = parts::read(spool, 0, stored_bytes).await?;
            let spare = self.session.spare;
            let content = if spare == object { content } else { self.renamed(content, object, size_bytes).await? };
            self.store.put(spare, content).await?;
            object = spare;
        }
        Ok(FinishedObject { object, size_bytes, sha256, small: None })
    }

    /// A short object's content, as that of the spare object, which what is sealed is sealed anew for: another session
    /// may be writing what was begun.
    async fn renamed(&self, content: Bytes, from: ObjectId, size_bytes: u64) -> Result<Bytes, StoreError> {
        let (protection, to) = (self.protection.clone(), self.session.spare);
        if protection.form() == Form::Plain {
            return Ok(content);
        }
        blocking(move || {
            let mut plaintext = vec![0; content.len()];
            let total = segment::count(size_bytes);
            let filled = protection
                .opener()
                .open_run(from, 0, total, &content, &mut plaintext)
                .map_err(|number| damaged(from, ObjectDamage::Altered, &format!("segment {number} does not open")))?;
            Ok(segment::seal_all(protection.sealer(to), &plaintext[..filled]).into())
        })
        .await
    }

    /// Makes the object of its parts.
    async fn complete(
        &self,
        parts: &Parts,
        object: ObjectId,
        size_bytes: u64,
        sha256: &Digest,
    ) -> Result<(), StoreError> {
        let SharedSession { ledger, multipart, .. } = parts.session();
        let multipart = multipart.as_deref().unwrap_or_default();
        ledger.reserve(multipart, 0).await?;
        let key = self.store.key(object);
        match self.store.bucket.requests.complete(key.as_ref(), multipart, parts.settled()).await? {
            Completion::Done => Ok(()),
            // By an attempt whose answer was lost, which is what the content then shows, or by somebody else.
            Completion::Gone => {
                let stored = S3Object::new(self.store.clone(), object, &self.protection, size_bytes);
                let reader = BlobReader::new(Object::S3(Arc::new(stored)), Encoding::Identity, size_bytes);
                match blocking(move || reader.hash(Algorithm::Sha256)).await {
                    Ok(found) if found == *sha256 => Ok(()),
                    Err(error) if error.kind() != StoreErrorKind::Corrupt => Err(error),
                    Ok(_) | Err(_) => Err(StoreError::new(
                        StoreErrorKind::Unavailable,
                        format!("the multipart upload of object {object} was ended by somebody else"),
                    )),
                }
            }
        }
    }
}

fn no_spool() -> StoreError {
    StoreError::new(StoreErrorKind::Other, "a blob has no spool file")
}

/// Makes the spool file, and brings back the segments that make no part yet.
async fn prepare(store: &S3Store, session: &SharedSession, sink: &mut Sink) -> Result<Parts, StoreError> {
    let state = &sink.sealing.state;
    let object = state.object;
    let known = match &state.shared {
        Some(known) => known.clone(),
        None if state.segments == 0 => SharedParts::default(),
        None => {
            let context = format!("object {object} was begun in a folder, not in a bucket");
            return Err(StoreError::new(StoreErrorKind::Corrupt, context));
        }
    };
    let folder = store.spool().to_owned();
    let fail = |error| StoreError::io("cannot make a spool file", error);
    let file = Arc::new(blocking(move || tempfile::tempfile_in(folder).map_err(fail)).await?);
    if let Some(rest) = known.rest {
        let mut offset = known.sent_bytes;
        let mut hash = Sha256::new();
        let length = sink.sealing.sealed_bytes() - known.sent_bytes;
        let mut content = store.get(rest, 0..length, length).await?;
        while let Some(bytes) =
            content.try_next().await.map_err(|error| super::failed(format!("cannot read object {rest}"), error))?
        {
            let spool = Arc::clone(&file);
            let at = offset;
            offset += bytes.len() as u64;
            hash.update(&bytes);
            blocking(move || spool.write_all_at(&bytes, at).map_err(|error| StoreError::io("cannot spool", error)))
                .await?;
        }
        if offset != sink.sealing.sealed_bytes() {
            return Err(damaged(rest, ObjectDamage::WrongLength, "it is shorter than it was"));
        }
        let found: [u8; 32] = hash.finalize().into();
        if known.rest_sha256.is_some_and(|known| known != found) {
            return Err(damaged(rest, ObjectDamage::Altered, "it holds other bytes than it did"));
        }
    }
    sink.spool = Some(Arc::clone(&file));
    Ok(Parts::new(store.clone(), object, session.clone(), file, sink.leader.is_followed(), &known))
}

impl Sink {
    fn absorb(&mut self, data: &[u8]) -> Result<(), StoreError> {
        let offset = self.sealing.absorb(data);
        self.spool(offset)?;
        self.sealing.forget_sealed();
        self.leader.advance(self.sealing.readable());
        Ok(())
    }

    /// Keeps what was sealed until it is sent.
    fn spool(&self, offset: u64) -> Result<(), StoreError> {
        let spool = self.spool.as_ref().ok_or_else(no_spool)?;
        let fail = |error| StoreError::io(format!("cannot write object {}", self.sealing.state.object), error);
        spool.write_all_at(&self.sealing.sealed, offset).map_err(fail)?;
        if self.leader.is_followed() {
            self.leader.publish(|| spool.try_clone()).map_err(fail)?;
        }
        Ok(())
    }
}
