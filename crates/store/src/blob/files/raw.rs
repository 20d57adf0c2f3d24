//! Objects in files as they are stored, for copying them to another store without their keys.

use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{FileStore, sync_folder};
use crate::blob::object_id::ObjectId;
use crate::error::StoreError;

impl FileStore {
    /// The length of an object's file; none if it is not there. Blocks.
    pub(in crate::blob) fn raw_bytes(&self, object: ObjectId) -> Result<Option<u64>, StoreError> {
        let path = self.path(object);
        match std::fs::metadata(&path) {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io(format!("cannot inspect {}", path.display()), error)),
        }
    }

    /// An object's file and its length; none if it is not there. Blocks.
    pub(in crate::blob) fn open_raw(&self, object: ObjectId) -> Result<Option<(File, u64)>, StoreError> {
        let path = self.path(object);
        let failed = |error| StoreError::io(format!("cannot open {}", path.display()), error);
        match File::open(&path) {
            Ok(file) => {
                let bytes = file.metadata().map_err(failed)?.len();
                Ok(Some((file, bytes)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Begins an object's file under a name that is no object's. Blocks.
    pub(in crate::blob) fn begin_raw(&self, object: ObjectId) -> Result<UnnamedFile, StoreError> {
        let path = self.path(object);
        let unnamed = path.with_extension("copy");
        let file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&unnamed)
            .map_err(|error| StoreError::io(format!("cannot create {}", unnamed.display()), error))?;
        Ok(UnnamedFile { file, unnamed, path })
    }
}

/// Up to `length` bytes of a file, from where it is read; fewer are the last. Blocks.
pub(in crate::blob) fn read_chunk(file: &mut File, length: usize) -> Result<Vec<u8>, StoreError> {
    let mut chunk = vec![0; length];
    let mut filled = 0;
    while filled < length {
        match file.read(&mut chunk[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(StoreError::io("cannot read an object", error)),
        }
    }
    chunk.truncate(filled);
    Ok(chunk)
}

/// An object's file that is not whole yet.
pub(in crate::blob) struct UnnamedFile {
    file: File,
    unnamed: PathBuf,
    path: PathBuf,
}

impl UnnamedFile {
    /// Adds bytes. Blocks.
    pub(in crate::blob) fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let written = self.file.write_all(bytes);
        written.map_err(|error| StoreError::io(format!("cannot write {}", self.unnamed.display()), error))
    }

    /// Makes it durable and gives it its name. Blocks.
    pub(in crate::blob) fn finish(self) -> Result<(), StoreError> {
        self.file
            .sync_all()
            .and_then(|()| std::fs::rename(&self.unnamed, &self.path))
            .map_err(|error| StoreError::io(format!("cannot store {}", self.path.display()), error))?;
        self.path.parent().map_or(Ok(()), |folder: &Path| sync_folder(folder))
    }
}
