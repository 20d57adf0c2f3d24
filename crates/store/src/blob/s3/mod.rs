//! Objects in a bucket that all nodes share.
//!
//! An object is one key, `<prefix><region>/<encryption scope>/<first two hex digits>/<id>`, with the same bytes as in a
//! file. Metadata decides what exists: no claim rests on a condition that the bucket checks.

mod credentials_file;
mod failure;
mod list;
mod multipart;
mod parts;
mod presign;
mod raw;
mod settings;
mod stream;
mod writer;

use std::ops::Range;
use std::path::Path as FilePath;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use object_store::aws::AmazonS3;
use object_store::multipart::MultipartStore as _;
use object_store::path::Path;
use object_store::{
    Error as BucketError, GetOptions, GetRange, MultipartId, ObjectStore as _, ObjectStoreExt as _, PutPayload,
};
use tokio::sync::Semaphore;

pub(super) use list::S3List;
pub(super) use raw::{RawStream, next};
pub use settings::{Redirect, S3Settings, ServerSideEncryption};
pub(super) use stream::{S3Object, S3Stream};
pub(super) use writer::S3Writer;

use super::list::{Listed, ListedKind};
use super::object_id::ObjectId;
use super::reader::damaged;
use super::scope::BlobScope;
use super::upload::Part;
use crate::error::{ObjectDamage, StoreError, StoreErrorKind};
use failure::{chain, failed, remedy};
use multipart::Requests;
use presign::Signer;

/// A bucket, seen from one scope. Cheap to clone.
#[derive(Clone)]
pub struct S3Store {
    bucket: Arc<Bucket>,
    /// What the keys of the scope's objects begin with.
    folder: Arc<str>,
}

struct Bucket {
    settings: S3Settings,
    writing: AmazonS3,
    reading: AmazonS3,
    requests: Requests,
    /// None if no URLs are given out.
    signer: Option<Signer>,
    parts: Arc<Semaphore>,
}

impl S3Store {
    /// Prepares a bucket; no request is made.
    pub(super) fn new(settings: S3Settings) -> Result<Self, StoreError> {
        let (writing, reading) = settings.clients()?;
        let requests = Requests::new(&settings, &writing)?;
        let signer =
            settings.redirect.as_ref().map(|redirect| Signer::new(&settings, redirect, &writing)).transpose()?;
        std::fs::create_dir_all(&settings.spool)
            .map_err(|error| StoreError::io(format!("cannot create {}", settings.spool.display()), error))?;
        let folder = settings.prefix.as_str().into();
        let parts = Arc::new(Semaphore::new(settings.parts_in_flight));
        Ok(Self { bucket: Arc::new(Bucket { settings, writing, reading, requests, signer, parts }), folder })
    }

    /// The same bucket, seen from a scope.
    pub(super) fn of_scope(&self, scope: &BlobScope) -> Self {
        let folder = format!("{}{}/", self.bucket.settings.prefix, scope.folder());
        Self { bucket: Arc::clone(&self.bucket), folder: folder.into() }
    }

    fn key(&self, object: ObjectId) -> Path {
        let name = object.to_string();
        Path::from(format!("{}{}/{name}", self.folder, &name[..2]))
    }

    /// Whether the bucket's own encryption is relied on.
    pub(super) fn encrypts(&self) -> bool {
        self.bucket.settings.encrypts
    }

    fn spool(&self) -> &FilePath {
        &self.bucket.settings.spool
    }

    /// Says what is wrong if the bucket cannot be written, read and cleaned.
    pub(super) async fn probe(&self) -> Result<(), StoreError> {
        let S3Settings { bucket, endpoint, prefix, .. } = &self.bucket.settings;
        let key = Path::from(format!("{prefix}probe/{}", ObjectId::random()));
        let place = endpoint.as_ref().map_or_else(String::new, |endpoint| format!(" at {endpoint}"));
        let wrong = |what: &str, error: BucketError| {
            let hint = remedy(&error);
            StoreError::new(StoreErrorKind::Unavailable, format!("bucket {bucket}{place} cannot be {what} ({hint})"))
                .with_source(chain(&error))
        };
        let sent = Bytes::from_static(b"wharf");
        self.bucket.writing.put(&key, sent.clone().into()).await.map_err(|error| wrong("written", error))?;
        let found = async { self.bucket.reading.get(&key).await?.bytes().await };
        let found = found.await.map_err(|error| wrong("read", error))?;
        self.bucket.writing.delete(&key).await.map_err(|error| wrong("cleaned", error))?;
        if found != sent {
            let context = format!("bucket {bucket}{place} does not give back what was written to it");
            return Err(StoreError::new(StoreErrorKind::Other, context));
        }
        Ok(())
    }

    /// Asks for stored bytes of an object, which must be of `expected` bytes.
    async fn get(
        &self,
        object: ObjectId,
        range: Range<u64>,
        expected: u64,
    ) -> Result<BoxStream<'static, object_store::Result<Bytes>>, StoreError> {
        let key = self.key(object);
        if range.is_empty() {
            // Of an object without content; no range asks for nothing.
            return match self.raw_bytes(object).await? {
                Some(length) if length == expected => Ok(futures_util::stream::empty().boxed()),
                Some(length) => Err(wrong_length(object, length, expected)),
                None => Err(missing(object)),
            };
        }
        let options = GetOptions { range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
        let found = match self.bucket.reading.get_opts(&key, options).await {
            Ok(found) if found.meta.size == expected => return Ok(found.into_stream()),
            Ok(found) => Ok(found.meta.size),
            Err(error @ BucketError::NotFound { .. }) => Err(error),
            // A range after the end of a shorter object looks like any other failure.
            Err(error) => match self.bucket.reading.head(&key).await {
                Ok(meta) if meta.size != expected => Ok(meta.size),
                Err(absent @ BucketError::NotFound { .. }) => Err(absent),
                Ok(_) | Err(_) => Err(error),
            },
        };
        match found {
            Ok(length) => Err(wrong_length(object, length, expected)),
            Err(error) if is_missing(&error) => Err(missing(object)),
            Err(error) => Err(failed(format!("cannot read object {object}"), error)),
        }
    }

    /// Stores a whole object.
    async fn put(&self, object: ObjectId, content: Bytes) -> Result<(), StoreError> {
        let result = self.bucket.writing.put(&self.key(object), PutPayload::from_bytes(content)).await;
        result.map(drop).map_err(|error| failed(format!("cannot write object {object}"), error))
    }

    async fn begin_multipart(&self, object: ObjectId) -> Result<MultipartId, StoreError> {
        let result = self.bucket.writing.create_multipart(&self.key(object)).await;
        result.map_err(|error| failed(format!("cannot begin object {object}"), error))
    }

    async fn put_part(
        &self,
        object: ObjectId,
        multipart: &MultipartId,
        number: u32,
        content: Bytes,
    ) -> Result<Part, StoreError> {
        // The client counts from 0, the bucket from 1.
        let index = number as usize - 1;
        let payload = PutPayload::from_bytes(content);
        let part = self.bucket.writing.put_part(&self.key(object), multipart, index, payload).await;
        let part = part.map_err(|error| failed(format!("cannot write object {object}"), error))?;
        Ok(Part { number, e_tag: part.content_id })
    }

    /// Ends a multipart upload without an object; one that is gone is fine.
    async fn abort_multipart(&self, key: &Path, id: &MultipartId) -> Result<(), StoreError> {
        match self.bucket.writing.abort_multipart(key, id).await {
            Err(error) if !is_missing(&error) && !chain(&error).contains("NoSuchUpload") => {
                Err(failed(format!("cannot end the multipart upload of {key}"), error))
            }
            _ => Ok(()),
        }
    }

    async fn delete(&self, key: &Path) -> Result<(), StoreError> {
        match self.bucket.writing.delete(key).await {
            Err(error) if !is_missing(&error) => Err(failed(format!("cannot remove {key}"), error)),
            _ => Ok(()),
        }
    }

    /// Ends the object's multipart upload and deletes its bytes; what is absent is fine.
    pub(super) async fn remove(&self, object: ObjectId, multipart: Option<&str>) -> Result<(), StoreError> {
        let key = self.key(object);
        if let Some(id) = multipart {
            self.abort_multipart(&key, &id.to_owned()).await?;
        }
        self.delete(&key).await
    }

    pub(super) fn list(&self) -> S3List {
        S3List::new(self.clone())
    }

    pub(super) async fn remove_listed(&self, listed: &Listed) -> Result<(), StoreError> {
        let key = Path::from(listed.key.as_str());
        match &listed.kind {
            ListedKind::Multipart { id, .. } => self.abort_multipart(&key, id).await,
            ListedKind::Object(_) | ListedKind::Foreign => self.delete(&key).await,
        }
    }
}

fn wrong_length(object: ObjectId, length: u64, expected: u64) -> StoreError {
    damaged(object, ObjectDamage::WrongLength, &format!("it has {length} bytes in the bucket, not {expected}"))
}

fn missing(object: ObjectId) -> StoreError {
    damaged(object, ObjectDamage::Missing, "it is missing in the bucket")
}

/// The object is not there. A bucket that is not there says so in the same way, and means no damage.
fn is_missing(error: &BucketError) -> bool {
    matches!(error, BucketError::NotFound { .. }) && !chain(error).contains("NoSuchBucket")
}
