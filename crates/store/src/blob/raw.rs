//! Objects as they are stored, mostly encrypted, for copying them from one store to another without their keys.

use std::fs::File;

use bytes::Bytes;

use super::files::read_chunk;
use super::object_id::ObjectId;
use super::s3::{RawStream, next};
use super::{BlobStore, blocking};
use crate::error::StoreError;

/// Bytes of a file that are in memory at a time.
const CHUNK: usize = 1024 * 1024;

/// The stored bytes of an object, in order.
pub struct RawObject {
    source: Source,
    /// The whole length.
    pub bytes: u64,
}

enum Source {
    /// Away while it is read.
    File(Option<File>),
    Bucket(RawStream),
}

impl RawObject {
    /// The next bytes; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        match &mut self.source {
            Source::Bucket(stream) => next(stream).await,
            Source::File(file) => {
                let Some(mut open) = file.take() else { return Ok(None) };
                let (open, chunk) = blocking(move || {
                    let chunk = read_chunk(&mut open, CHUNK)?;
                    Ok((open, chunk))
                })
                .await?;
                *file = Some(open);
                Ok((!chunk.is_empty()).then(|| chunk.into()))
            }
        }
    }
}

impl BlobStore {
    /// The length of an object as stored; none if it is not there.
    pub async fn raw_bytes(&self, object: ObjectId) -> Result<Option<u64>, StoreError> {
        match self {
            Self::Files(store) => {
                let store = store.clone();
                blocking(move || store.raw_bytes(object)).await
            }
            Self::S3(store) => store.raw_bytes(object).await,
        }
    }

    /// Opens an object as it is stored; none if it is not there.
    pub async fn read_raw(&self, object: ObjectId) -> Result<Option<RawObject>, StoreError> {
        match self {
            Self::Files(store) => {
                let store = store.clone();
                let found = blocking(move || store.open_raw(object)).await?;
                Ok(found.map(|(file, bytes)| RawObject { source: Source::File(Some(file)), bytes }))
            }
            Self::S3(store) => {
                let found = store.open_raw(object).await?;
                Ok(found.map(|(stream, bytes)| RawObject { source: Source::Bucket(stream), bytes }))
            }
        }
    }

    /// Stores an object's bytes as they were stored elsewhere, under the same name. It is there as a whole or not at all,
    /// and durable when this returns.
    pub async fn write_raw(&self, object: ObjectId, mut source: RawObject) -> Result<(), StoreError> {
        let store = match self {
            Self::S3(store) => return store.write_raw(object, source).await,
            Self::Files(store) => store.clone(),
        };
        let mut file = blocking(move || store.begin_raw(object)).await?;
        while let Some(bytes) = source.next().await? {
            file = blocking(move || {
                file.write(&bytes)?;
                Ok(file)
            })
            .await?;
        }
        blocking(move || file.finish()).await
    }
}
