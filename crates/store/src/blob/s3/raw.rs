//! Objects in a bucket as they are stored, for copying them to another store without their keys.

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::{ObjectStoreExt as _, PutPayload};

use super::failure::failed;
use super::{S3Store, is_missing};
use crate::blob::object_id::ObjectId;
use crate::blob::raw::RawObject;
use crate::error::StoreError;

/// Bytes that one part has, and that are in memory at a time. A bucket takes 10,000 parts: 156 GiB.
const PART: usize = 16 * 1024 * 1024;

/// Bytes on their way from a bucket.
pub(in crate::blob) type RawStream = BoxStream<'static, object_store::Result<Bytes>>;

/// The next bytes of a stream.
pub(in crate::blob) async fn next(stream: &mut RawStream) -> Result<Option<Bytes>, StoreError> {
    stream.next().await.transpose().map_err(|error| failed("cannot read an object", error))
}

impl S3Store {
    /// The length of an object; none if it is not there.
    pub(in crate::blob) async fn raw_bytes(&self, object: ObjectId) -> Result<Option<u64>, StoreError> {
        match self.bucket.reading.head(&self.key(object)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(format!("cannot inspect object {object}"), error)),
        }
    }

    /// An object's bytes and its length; none if it is not there.
    pub(in crate::blob) async fn open_raw(&self, object: ObjectId) -> Result<Option<(RawStream, u64)>, StoreError> {
        match self.bucket.reading.get(&self.key(object)).await {
            Ok(found) => {
                let bytes = found.meta.size;
                Ok(Some((found.into_stream(), bytes)))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(format!("cannot read object {object}"), error)),
        }
    }

    /// Stores an object's bytes. It is there as a whole or not at all.
    pub(in crate::blob) async fn write_raw(&self, object: ObjectId, mut source: RawObject) -> Result<(), StoreError> {
        if source.bytes <= PART as u64 {
            let mut content = BytesMut::new();
            while let Some(bytes) = source.next().await? {
                content.extend_from_slice(&bytes);
            }
            return self.put(object, content.freeze()).await;
        }
        let wrong = |error| failed(format!("cannot write object {object}"), error);
        let mut upload = self.bucket.writing.put_multipart(&self.key(object)).await.map_err(wrong)?;
        let sent = async {
            let mut part = BytesMut::new();
            while let Some(bytes) = source.next().await? {
                part.extend_from_slice(&bytes);
                while part.len() >= PART {
                    upload.put_part(PutPayload::from_bytes(part.split_to(PART).freeze())).await.map_err(wrong)?;
                }
            }
            if !part.is_empty() {
                upload.put_part(PutPayload::from_bytes(part.freeze())).await.map_err(wrong)?;
            }
            Ok(())
        };
        let sent: Result<(), StoreError> = sent.await;
        if let Err(error) = sent {
            // What is left of it is found by a check of the store.
            let _ = upload.abort().await;
            return Err(error);
        }
        upload.complete().await.map(drop).map_err(wrong)
    }
}
