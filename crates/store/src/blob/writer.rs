//! Writing an object to whichever store it goes to.

use bytes::Bytes;
use oci::Digest;

use super::fence::Fence;
use super::files::FileWriter;
use super::follower::Follower;
use super::object_id::ObjectId;
use super::s3::S3Writer;
use super::upload::UploadState;
use crate::error::StoreError;

/// Bytes that are handed to the blocking threads at a time.
pub(super) const BATCH: usize = 256 * 1024;

/// A finished object.
#[derive(Clone, Debug)]
pub struct FinishedObject {
    /// The object: the one that was begun, or in a shared store the session's
    /// [spare](super::SharedSession::spare). Its key, if it has one, is the same, wrapped for the other name.
    pub object: ObjectId,
    /// Plaintext length.
    pub size_bytes: u64,
    /// Digest of the plaintext.
    pub sha256: Digest,
    /// The sealed bytes of an object that is in no store, but to be kept [with its row](UploadWriter::finish_small).
    pub small: Option<Bytes>,
}

/// Takes the bytes of an object. Dropped before [`checkpoint`](Self::checkpoint) or [`finish`](Self::finish), it
/// leaves the acknowledged state as it was; another writer may follow at once.
pub struct UploadWriter(pub(super) Kind);

pub(super) enum Kind {
    File(Box<FileWriter>),
    S3(Box<S3Writer>),
}

impl UploadWriter {
    /// Lets others on this node read the object while it is written. Call it before the first byte of an object.
    pub fn follow(&self) -> Follower {
        let follower = match &self.0 {
            Kind::File(writer) => writer.follow(),
            Kind::S3(writer) => writer.follow(),
        };
        follower.begin();
        follower
    }

    /// What keeps this writer from its object, for whoever lets another one follow while this is not dropped; none where each
    /// session has an object of its own.
    pub fn fence(&self) -> Option<Fence> {
        match &self.0 {
            Kind::File(writer) => Some(writer.fence()),
            Kind::S3(_) => None,
        }
    }

    /// Takes the next bytes. Waits while two batches are on their way, so memory stays bounded.
    pub async fn write(&mut self, data: Bytes) -> Result<(), StoreError> {
        match &mut self.0 {
            Kind::File(writer) => writer.write(data).await,
            Kind::S3(writer) => writer.write(data).await,
        }
    }

    /// Makes what was written durable, and returns the state to store.
    pub async fn checkpoint(self) -> Result<UploadState, StoreError> {
        match self.0 {
            Kind::File(writer) => writer.checkpoint().await,
            Kind::S3(writer) => writer.checkpoint().await,
        }
    }

    /// Ends an object that is [small](super::MAX_SMALL_BYTES), sealed, and not stored in part, without storing it: its row
    /// is to hold it. Gives the writer back for any other.
    pub fn finish_small(self) -> Result<FinishedObject, Self> {
        match self.0 {
            Kind::File(writer) => writer.finish_small().map_err(|writer| Self(Kind::File(writer))),
            Kind::S3(writer) => writer.finish_small().map_err(|writer| Self(Kind::S3(writer))),
        }
    }

    /// Ends the object. It is durable when this returns.
    pub async fn finish(self) -> Result<FinishedObject, StoreError> {
        match self.0 {
            Kind::File(writer) => writer.finish().await,
            Kind::S3(writer) => writer.finish().await,
        }
    }
}
