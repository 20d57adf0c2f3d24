//! Everything that a store holds, whatever the metadata says of it: for checking the two against each other.

use std::fs::ReadDir;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use super::object_id::ObjectId;
use super::{BlobStore, blocking};
use crate::error::StoreError;

/// What was found in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedKind {
    /// Something that has an object's name.
    Object(ObjectId),
    /// Something that Wharf does not store.
    Foreign,
}

/// Something in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it is.
    pub kind: ListedKind,
    /// The path of the file.
    pub key: String,
    /// Its length as stored, that is encrypted.
    pub bytes: u64,
    /// When it was last written.
    pub modified_at_ms: i64,
}

/// What a store holds, bit by bit: memory does not grow with it. What is added or removed meanwhile may be missed.
pub struct StoreList(Option<Walk>);

struct Walk {
    waiting: Vec<PathBuf>,
    open: Option<ReadDir>,
}

impl StoreList {
    /// The next thing; none at the end. Nothing follows an error.
    pub async fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        let Some(mut walk) = self.0.take() else { return Ok(None) };
        let (walk, found) = blocking(move || {
            let found = walk.next()?;
            Ok((walk, found))
        })
        .await?;
        self.0 = Some(walk);
        Ok(found)
    }
}

impl Walk {
    fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        loop {
            let Some(open) = &mut self.open else {
                let Some(folder) = self.waiting.pop() else { return Ok(None) };
                let failed = |error| StoreError::io(format!("cannot list {}", folder.display()), error);
                self.open = Some(std::fs::read_dir(&folder).map_err(failed)?);
                continue;
            };
            let Some(entry) = open.next() else {
                self.open = None;
                continue;
            };
            let failed = |error| StoreError::io("cannot list a folder of the blob store", error);
            let entry = entry.map_err(failed)?;
            let metadata = match entry.metadata() {
                // Removed since the folder was read.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                found => found.map_err(failed)?,
            };
            if metadata.is_dir() {
                self.waiting.push(entry.path());
                continue;
            }
            let object = entry.file_name().to_str().and_then(|name| name.parse::<ObjectId>().ok());
            let since = metadata.modified().map_err(failed)?.duration_since(UNIX_EPOCH);
            return Ok(Some(Listed {
                kind: object.map_or(ListedKind::Foreign, ListedKind::Object),
                key: entry.path().display().to_string(),
                bytes: metadata.len(),
                modified_at_ms: since.map_or(0, |since| since.as_millis() as i64),
            }));
        }
    }
}

impl BlobStore {
    /// Lists what the whole store holds.
    pub fn list(&self) -> StoreList {
        StoreList(Some(Walk { waiting: vec![self.root.to_path_buf()], open: None }))
    }

    /// Removes something that was listed. Wharf's own metadata must not name it: nobody else is asked.
    pub async fn remove_listed(&self, listed: &Listed) -> Result<(), StoreError> {
        let path = PathBuf::from(&listed.key);
        blocking(move || match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(StoreError::io(format!("cannot remove {}", path.display()), error))
            }
            _ => Ok(()),
        })
        .await
    }
}
