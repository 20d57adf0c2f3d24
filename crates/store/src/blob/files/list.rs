//! What a folder of objects holds.

use std::collections::VecDeque;
use std::time::UNIX_EPOCH;

use super::FileStore;
use crate::blob::list::{Listed, ListedKind};
use crate::error::StoreError;

/// The files of a store, one of its 256 folders at a time.
pub struct FileList {
    store: FileStore,
    next_folder: Option<u8>,
    found: VecDeque<Listed>,
}

impl FileList {
    pub(in crate::blob) fn new(store: FileStore) -> Self {
        Self { store, next_folder: Some(0), found: VecDeque::new() }
    }

    /// The next file; none at the end. Blocks.
    pub(in crate::blob) fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(Some(found));
            }
            let Some(folder) = self.next_folder else { return Ok(None) };
            self.next_folder = folder.checked_add(1);
            self.read(folder)?;
        }
    }

    fn read(&mut self, first: u8) -> Result<(), StoreError> {
        let path = self.store.folder(first);
        let fail = |error| StoreError::io(format!("cannot read {}", path.display()), error);
        for entry in std::fs::read_dir(&path).map_err(fail)? {
            let entry = entry.map_err(fail)?;
            let metadata = match entry.metadata() {
                // Removed since the folder was read.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
                other => other.map_err(fail)?,
            };
            let name = entry.file_name().to_string_lossy().into_owned();
            let age = metadata.modified().map_err(fail)?.duration_since(UNIX_EPOCH).unwrap_or_default();
            let is_object = metadata.is_file() && name.starts_with(&format!("{first:02x}"));
            let kind = match name.parse() {
                Ok(object) if is_object && name.len() == 32 => ListedKind::Object(object),
                _ => ListedKind::Foreign,
            };
            let key = entry.path().display().to_string();
            let modified_at_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
            self.found.push_back(Listed { kind, key, bytes: metadata.len(), modified_at_ms });
        }
        Ok(())
    }
}
