//! Objects as they are stored, encrypted, for copying them from one store to another without their keys.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::object_id::ObjectId;
use super::{BlobStore, blocking, sync_folder};
use crate::error::StoreError;

/// Bytes that are in memory at a time.
const CHUNK: usize = 1024 * 1024;

/// The stored bytes of an object, in order.
pub struct RawObject {
    file: Option<File>,
    /// The whole length.
    pub bytes: u64,
}

impl RawObject {
    /// The next bytes; none at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, StoreError> {
        let Some(mut file) = self.file.take() else { return Ok(None) };
        let (file, chunk) = blocking(move || {
            let mut chunk = vec![0; CHUNK];
            let mut filled = 0;
            while filled < CHUNK {
                match file.read(&mut chunk[filled..]) {
                    Ok(0) => break,
                    Ok(read) => filled += read,
                    Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(StoreError::io("cannot read an object", error)),
                }
            }
            chunk.truncate(filled);
            Ok((file, chunk))
        })
        .await?;
        if chunk.is_empty() {
            return Ok(None);
        }
        self.file = Some(file);
        Ok(Some(chunk.into()))
    }
}

impl BlobStore {
    /// The length of an object as stored; none if it is not there.
    pub async fn raw_bytes(&self, object: ObjectId) -> Result<Option<u64>, StoreError> {
        let path = self.path(object);
        blocking(move || match std::fs::metadata(&path) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(format!("cannot inspect {}", path.display()), error)),
        })
        .await
    }

    /// Opens an object as it is stored; none if it is not there.
    pub async fn read_raw(&self, object: ObjectId) -> Result<Option<RawObject>, StoreError> {
        let path = self.path(object);
        blocking(move || {
            let failed = |error| StoreError::io(format!("cannot open {}", path.display()), error);
            match File::open(&path) {
                Ok(file) => {
                    let bytes = file.metadata().map_err(failed)?.len();
                    Ok(Some(RawObject { file: Some(file), bytes }))
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(failed(error)),
            }
        })
        .await
    }

    /// Stores an object's bytes as they were stored elsewhere, under the same name. It is there as a whole or not at all,
    /// and durable when this returns.
    pub async fn write_raw(&self, object: ObjectId, mut source: RawObject) -> Result<(), StoreError> {
        let path = self.path(object);
        let unnamed = path.with_extension("copy");
        let begun = unnamed.clone();
        let mut file = blocking(move || create(&begun)).await?;
        while let Some(bytes) = source.next().await? {
            let place = unnamed.clone();
            file = blocking(move || {
                file.write_all(&bytes)
                    .map_err(|error| StoreError::io(format!("cannot write {}", place.display()), error))?;
                Ok(file)
            })
            .await?;
        }
        blocking(move || name(&file, &unnamed, &path)).await
    }
}

fn create(path: &Path) -> Result<File, StoreError> {
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| StoreError::io(format!("cannot create {}", path.display()), error))
}

fn name(file: &File, unnamed: &PathBuf, path: &Path) -> Result<(), StoreError> {
    file.sync_all()
        .and_then(|()| std::fs::rename(unnamed, path))
        .map_err(|error| StoreError::io(format!("cannot store {}", path.display()), error))?;
    path.parent().map_or(Ok(()), sync_folder)
}
