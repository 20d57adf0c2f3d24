//! What a folder of objects holds.

use std::collections::VecDeque;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::FileStore;
use crate::blob::list::{Listed, ListedKind};
use crate::error::StoreError;

/// The files of a store, one of its 256 folders at a time, and then what lies beside these.
pub struct FileList {
    store: FileStore,
    next_folder: Option<u8>,
    /// Folders that Wharf does not make and that are still to be read; none until the others are.
    strange: Option<Vec<PathBuf>>,
    found: VecDeque<Listed>,
}

/// What a file system keeps at the root of a disk, which the store's folder may be.
fn is_of_file_system(name: &str) -> bool {
    name.starts_with('.') || name == "lost+found"
}

/// Whether objects are in a folder of this name.
fn is_shard(name: &str) -> bool {
    name.len() == 2 && name.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

fn listed(kind: ListedKind, path: &Path, metadata: &Metadata) -> Result<Listed, StoreError> {
    let fail = |error| StoreError::io(format!("cannot read {}", path.display()), error);
    let age = metadata.modified().map_err(fail)?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let modified_at_ms = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Ok(Listed { kind, key: path.display().to_string(), bytes: metadata.len(), modified_at_ms })
}

/// What is in a folder, by its path and name; nothing if it is gone.
fn entries(path: &Path) -> Result<Vec<(PathBuf, String, Metadata)>, StoreError> {
    let fail = |error| StoreError::io(format!("cannot read {}", path.display()), error);
    let read = match std::fs::read_dir(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(fail)?,
    };
    let mut found = Vec::new();
    for entry in read {
        let entry = entry.map_err(fail)?;
        match entry.metadata() {
            // Removed since the folder was read.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            other => {
                found.push((entry.path(), entry.file_name().to_string_lossy().into_owned(), other.map_err(fail)?));
            }
        }
    }
    Ok(found)
}

impl FileList {
    pub(in crate::blob) fn new(store: FileStore) -> Self {
        Self { store, next_folder: Some(0), strange: None, found: VecDeque::new() }
    }

    /// The next file; none at the end. Blocks.
    pub(in crate::blob) fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(Some(found));
            }
            if let Some(folder) = self.next_folder {
                self.next_folder = folder.checked_add(1);
                self.read(folder)?;
                continue;
            }
            match &mut self.strange {
                None => self.look_beside()?,
                Some(folders) => match folders.pop() {
                    Some(folder) => self.read_strange(&folder)?,
                    None => return Ok(None),
                },
            }
        }
    }

    /// A folder of objects.
    fn read(&mut self, first: u8) -> Result<(), StoreError> {
        for (path, name, metadata) in entries(&self.store.folder(first))? {
            let is_object = metadata.is_file() && name.starts_with(&format!("{first:02x}"));
            let kind = match name.parse() {
                Ok(object) if is_object && name.len() == 32 => ListedKind::Object(object),
                _ => ListedKind::Foreign,
            };
            self.found.push_back(listed(kind, &path, &metadata)?);
        }
        Ok(())
    }

    /// What is beside the folders of objects, and beside the folder that these are in.
    fn look_beside(&mut self) -> Result<(), StoreError> {
        let objects = self.store.root.as_ref().clone();
        self.strange = Some(Vec::new());
        for (path, name, metadata) in entries(&objects)? {
            if !(is_of_file_system(&name) || metadata.is_dir() && is_shard(&name)) {
                self.take_strange(path, &metadata)?;
            }
        }
        for (path, name, metadata) in objects.parent().map_or(Ok(Vec::new()), entries)? {
            if path != objects && name != super::TRIED && !is_of_file_system(&name) {
                self.take_strange(path, &metadata)?;
            }
        }
        Ok(())
    }

    fn read_strange(&mut self, folder: &Path) -> Result<(), StoreError> {
        for (path, _, metadata) in entries(folder)? {
            self.take_strange(path, &metadata)?;
        }
        Ok(())
    }

    /// A file is told of, a folder read later.
    fn take_strange(&mut self, path: PathBuf, metadata: &Metadata) -> Result<(), StoreError> {
        if metadata.is_dir() {
            self.strange.get_or_insert_default().push(path);
        } else {
            self.found.push_back(listed(ListedKind::Foreign, &path, metadata)?);
        }
        Ok(())
    }
}
