//! Blob bytes: encrypted, content-checked objects in local files.
//!
//! An object is one file under `objects/<first two hex digits>/<id>`, created in its final place and made visible by
//! the metadata alone. Metadata decides what exists; the folder is listed by checks only.

mod compress;
mod copy;
mod decompress;
mod keys;
mod list;
mod object_id;
mod raw;
mod reader;
mod segment;
mod stream;
mod tier;
mod upload;
mod verify;
mod writer;

use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use keys::{DataKey, ServiceKey, open_small, seal_small};
pub use list::{Listed, ListedKind, StoreList};
pub use object_id::ObjectId;
pub use raw::RawObject;
pub use reader::BlobReader;
pub use segment::SEGMENT;
pub use stream::BlobStream;
pub use tier::{Encoding, Tier};
pub use upload::UploadState;
pub use writer::{FinishedObject, UploadWriter};

use crate::error::StoreError;
use oci::{Algorithm, Digest};

/// The store of all objects of one node. Cheap to clone.
#[derive(Clone)]
pub struct BlobStore {
    root: Arc<PathBuf>,
}

impl BlobStore {
    /// Opens the store in `folder`, creating it (0700) if it is not there.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let root = folder.join("objects");
        for first in 0..=255_u8 {
            let path = root.join(format!("{first:02x}"));
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&path)
                .map_err(|error| StoreError::io(format!("cannot create {}", path.display()), error))?;
        }
        sync_folder(&root)?;
        Ok(Self { root: Arc::new(root) })
    }

    fn path(&self, object: ObjectId) -> PathBuf {
        let name = object.to_string();
        self.root.join(&name[..2]).join(&name)
    }

    /// Begins an object. Nothing is on disk until bytes are.
    pub fn begin(&self) -> (UploadState, DataKey) {
        (UploadState::new(ObjectId::random()), DataKey::generate())
    }

    /// Goes on with an object after the bytes that `state` acknowledges.
    pub fn writer(&self, state: UploadState, key: DataKey) -> UploadWriter {
        UploadWriter::new(self.path(state.object), state, &key)
    }

    /// Opens an object of `size_bytes` plaintext bytes for reading.
    pub fn open_reader(&self, object: ObjectId, key: DataKey, size_bytes: u64) -> Result<BlobReader, StoreError> {
        self.open_encoded(object, key, (Encoding::Identity, size_bytes), size_bytes)
    }

    /// Opens an object for reading whose `stored_bytes` bytes are content of `size_bytes` in an encoding.
    pub fn open_encoded(
        &self,
        object: ObjectId,
        key: DataKey,
        stored: (Encoding, u64),
        size_bytes: u64,
    ) -> Result<BlobReader, StoreError> {
        BlobReader::open(&self.path(object), object, &key, stored, size_bytes)
    }

    /// Opens an object that a writer is still filling, and that is to have `size_bytes` plaintext bytes. Only what the
    /// writer's [`readable`](UploadWriter::readable) says can be read.
    pub fn open_growing(&self, object: ObjectId, key: &DataKey, size_bytes: u64) -> Result<BlobReader, StoreError> {
        BlobReader::open_growing(&self.path(object), object, key, size_bytes)
    }

    /// Reads an object again to compute its digest.
    pub async fn hash(
        &self,
        object: ObjectId,
        key: DataKey,
        size_bytes: u64,
        algorithm: Algorithm,
    ) -> Result<Digest, StoreError> {
        let reader = self.open_reader(object, key, size_bytes)?;
        blocking(move || reader.hash(algorithm)).await
    }

    /// Deletes an object's bytes; one that is absent is fine.
    pub fn remove(&self, object: ObjectId) -> Result<(), StoreError> {
        let path = self.path(object);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io(format!("cannot remove {}", path.display()), error))
            }
            _ => Ok(()),
        }
    }
}

/// Makes what happened to a folder's entries durable.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreError::io(format!("cannot sync {}", folder.display()), error))
}

/// Runs file work off the async workers.
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(StoreError::new(crate::error::StoreErrorKind::Other, "blob work ended early").with_source(error))
    })
}
