//! Blob bytes: content-checked objects in local files or in a bucket, encrypted here or by the bucket.
//!
//! Metadata decides what exists; only a check of the one against the other ever lists what is stored.

mod blocking_reader;
mod buffers;
mod compress;
mod copy;
mod decompress;
mod document;
mod fence;
mod files;
mod follower;
mod key_ring;
mod keys;
mod kms_ciphertext;
mod list;
mod object_id;
mod protection;
mod raw;
mod reader;
mod s3;
mod scope;
mod sealing;
mod segment;
mod session;
mod small;
mod stream;
mod tier;
mod upload;
mod verify;
mod writer;

use std::path::Path;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

pub use blocking_reader::BlockingReader;
pub use document::{open_document, seal_document};
pub use fence::Fence;
pub use files::FileStore;
pub use follower::Follower;
pub use key_ring::{DATA_KEY_PURPOSE, KeyRing, RootKey, SEALED_HEAD, open_small, root_key_of, seal_small, sealed_head};
pub use keys::{DataKey, ServiceKey};
pub use kms_ciphertext::{EncryptionContext, KMS_FORM, KmsCiphertextHead, kms_decrypt, kms_encrypt};
pub use list::{Listed, ListedKind, StoreList};
pub use object_id::ObjectId;
pub use protection::Protection;
pub use raw::RawObject;
pub use reader::BlobReader;
pub use s3::{Redirect, S3Settings, S3Store, ServerSideEncryption};
pub use scope::BlobScope;
pub use segment::{Form, SEGMENT};
pub use session::{PartLedger, Reserved, SharedSession};
pub use small::MAX_SMALL_BYTES;
pub use stream::BlobStream;
pub use tier::{Encoding, Tier};
pub use upload::UploadState;
pub use writer::{FinishedObject, UploadWriter};

use crate::error::{StoreError, StoreErrorKind};
use files::{FileObject, FileWriter, sync_folder};
use reader::Object;
use s3::{S3Object, S3Writer};
use upload::SharedParts;
use writer::Kind;

/// A store of objects. Cheap to clone.
#[derive(Clone)]
pub enum BlobStore {
    /// A folder of this node.
    Files(FileStore),
    /// A bucket of all nodes.
    S3(S3Store),
}

impl BlobStore {
    /// Opens the store in `folder`, creating it (0700) if it is not there.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        FileStore::open(folder).map(Self::Files)
    }

    /// The store in `folder`, for looking at: nothing is made there, and one that is gone has no objects.
    pub fn at(folder: &Path) -> Self {
        Self::Files(FileStore::at(folder))
    }

    /// The store in a bucket. No request is made.
    pub fn of_bucket(settings: S3Settings) -> Result<Self, StoreError> {
        S3Store::new(settings).map(Self::S3)
    }

    /// Tries whether a bucket can be written, read and cleaned; the error says what to do about it.
    pub async fn probe(&self) -> Result<(), StoreError> {
        match self {
            Self::Files(_) => Ok(()),
            Self::S3(store) => store.probe().await,
        }
    }

    /// Tries whether anything can be written into a folder. A bucket is not asked, as each request costs.
    pub async fn try_write(&self) -> Result<(), StoreError> {
        match self {
            Self::Files(store) => {
                let store = store.clone();
                blocking(move || store.try_write()).await
            }
            Self::S3(_) => Ok(()),
        }
    }

    /// The store seen from a scope: whatever is begun, opened or removed there is the scope's.
    #[must_use]
    pub fn of_scope(&self, scope: &BlobScope) -> Self {
        match self {
            Self::Files(store) => Self::Files(store.clone()),
            Self::S3(store) => Self::S3(store.of_scope(scope)),
        }
    }

    /// Whether several nodes may write to it: then each [writer](Self::writer) needs a session.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::S3(_))
    }

    /// Whether what it holds is encrypted by whoever keeps it, so that content need not be sealed for it.
    pub fn encrypts(&self) -> bool {
        match self {
            Self::Files(_) => false,
            Self::S3(store) => store.encrypts(),
        }
    }

    /// A URL by which anybody can read an object as it is stored, for a short time; none if the store gives out none.
    /// Nobody asks whether the object is there.
    pub async fn presigned_url(&self, object: ObjectId) -> Result<Option<String>, StoreError> {
        match self {
            Self::Files(_) => Ok(None),
            Self::S3(store) => store.presigned_url(object).await,
        }
    }

    /// Begins a sealed object of a new name. Nothing is stored until bytes are.
    pub fn begin(&self) -> (UploadState, DataKey) {
        (self.begun(ObjectId::random(), Form::Sealed), DataKey::generate())
    }

    /// Begins an object that was named and never written before. Nothing is stored until bytes are.
    pub fn begin_as(&self, object: ObjectId, form: Form) -> (UploadState, Protection) {
        (self.begun(object, form), Protection::generate(form))
    }

    fn begun(&self, object: ObjectId, form: Form) -> UploadState {
        UploadState::new(object, form, self.is_shared().then(SharedParts::default))
    }

    /// Goes on with an object after the bytes that `state` acknowledges. An error if a [shared](Self::is_shared) store
    /// is given no session.
    pub fn writer(
        &self,
        state: UploadState,
        protection: impl Into<Protection>,
        session: Option<SharedSession>,
    ) -> Result<UploadWriter, StoreError> {
        let (object, protection) = (state.object, protection.into());
        if state.form != protection.form() {
            let context = format!("object {object} was begun in another form than its row says");
            return Err(StoreError::new(StoreErrorKind::Corrupt, context));
        }
        match self {
            Self::Files(_) if state.rest_object().is_some() || state.next_part() > 1 => Err(StoreError::new(
                StoreErrorKind::Corrupt,
                format!("object {object} was begun in a bucket, not in a folder"),
            )),
            Self::Files(store) => {
                Ok(UploadWriter(Kind::File(Box::new(FileWriter::new(store.path(object), state, &protection)))))
            }
            Self::S3(store) => {
                let session = session.ok_or_else(|| {
                    StoreError::new(StoreErrorKind::Other, format!("object {object} is written without a session"))
                })?;
                Ok(UploadWriter(Kind::S3(Box::new(S3Writer::new(store.clone(), state, protection, session)))))
            }
        }
    }

    /// Opens an object of `size_bytes` plaintext bytes for reading.
    pub fn open_reader(
        &self,
        object: ObjectId,
        protection: impl Into<Protection>,
        size_bytes: u64,
    ) -> Result<BlobReader, StoreError> {
        self.open_encoded(object, protection, (Encoding::Identity, size_bytes), size_bytes)
    }

    /// Opens an object for reading whose `stored_bytes` bytes are content of `size_bytes` in an encoding. What is wrong
    /// with one in a bucket shows when it is read; see [`BlobStream::begin`].
    pub fn open_encoded(
        &self,
        object: ObjectId,
        protection: impl Into<Protection>,
        (encoding, stored_bytes): (Encoding, u64),
        size_bytes: u64,
    ) -> Result<BlobReader, StoreError> {
        let protection = protection.into();
        let object = match self {
            Self::Files(store) => {
                Object::File(Arc::new(FileObject::open(&store.path(object), object, &protection, stored_bytes)?))
            }
            Self::S3(store) => Object::S3(Arc::new(S3Object::new(store.clone(), object, &protection, stored_bytes))),
        };
        Ok(BlobReader::new(object, encoding, size_bytes))
    }

    /// Deletes an object's bytes, and ends the multipart upload that was to make it; what is absent is fine.
    pub async fn remove(&self, object: ObjectId, multipart: Option<&str>) -> Result<(), StoreError> {
        match self {
            Self::Files(store) => {
                let store = store.clone();
                blocking(move || store.remove(object)).await
            }
            Self::S3(store) => store.remove(object, multipart).await,
        }
    }
}

/// Waits on a blocking thread for work on the runtime's own ones. `None` if the runtime ends first: `Handle::block_on`
/// would end with a panic then.
fn wait_on<T: Send + 'static>(runtime: &Handle, work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    let (answer, answered) = oneshot::channel();
    runtime.spawn(async move { answer.send(work.await) });
    answered.blocking_recv().ok()
}

/// Runs work off the async workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(StoreError::new(StoreErrorKind::Other, "blob work ended early").with_source(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_the_runtime() {
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        let handle = runtime.handle().clone();
        assert_eq!(wait_on(&handle, async { 7 }), Some(7));
        let waiting = std::thread::spawn(move || wait_on(&handle, std::future::pending::<()>()));
        runtime.shutdown_background();
        assert_eq!(waiting.join().expect("no panic"), None);
    }
}
