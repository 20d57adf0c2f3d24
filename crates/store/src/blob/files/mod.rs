//! Objects in local files.
//!
//! An object is one file under `objects/<first two hex digits>/<id>`, created in its final place and made visible by
//! the metadata alone.

mod list;
mod object;
mod raw;
mod stream;
mod writer;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use list::FileList;
pub(super) use object::FileObject;
pub(super) use raw::read_chunk;
pub(super) use stream::FileStream;
pub(super) use writer::FileWriter;

use super::object_id::ObjectId;
use crate::error::StoreError;

/// What is written to see whether anything can be: more than a file system may keep with a file's name.
const TRIED_BYTES: usize = 4096;
/// The file that it is written to, beside the objects.
const TRIED: &str = "writable";

/// A folder of objects. Cheap to clone.
#[derive(Clone)]
pub struct FileStore {
    root: Arc<PathBuf>,
}

impl FileStore {
    /// Opens the store in `folder`, creating it (0700) if it is not there.
    pub(super) fn open(folder: &Path) -> Result<Self, StoreError> {
        let root = folder.join("objects");
        let create = |path: &Path| {
            let created = DirBuilder::new().recursive(true).mode(0o700).create(path);
            created.map_err(|error| StoreError::io(format!("cannot create {}", path.display()), error))
        };
        create(&root)?;
        // Listed once: asking for each of them takes two system calls, for each store at every start.
        let present = std::fs::read_dir(&root)
            .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect::<std::io::Result<HashSet<_>>>())
            .map_err(|error| StoreError::io(format!("cannot list {}", root.display()), error))?;
        for first in 0..=255_u8 {
            let name = format!("{first:02x}");
            if !present.contains(OsStr::new(&name)) {
                create(&root.join(name))?;
            }
        }
        // Also when all were there: a server that was killed may not have come to this.
        sync_folder(&root)?;
        Ok(Self { root: Arc::new(root) })
    }

    /// The store in `folder`, of which nothing is made that is not there.
    pub(super) fn at(folder: &Path) -> Self {
        Self { root: Arc::new(folder.join("objects")) }
    }

    pub(super) fn path(&self, object: ObjectId) -> PathBuf {
        let name = object.to_string();
        self.root.join(&name[..2]).join(&name)
    }

    /// The folders that objects are in, in order.
    fn folder(&self, first: u8) -> PathBuf {
        self.root.join(format!("{first:02x}"))
    }

    /// Writes a little beside the objects and takes it away again. Blocks.
    pub(super) fn try_write(&self) -> Result<(), StoreError> {
        let path = self.root.with_file_name(TRIED);
        let written = std::fs::write(&path, [0; TRIED_BYTES]);
        let removed = std::fs::remove_file(&path);
        written.and(removed).map_err(|error| StoreError::io(format!("cannot write {}", path.display()), error))
    }

    /// Deletes an object's bytes; one that is absent is fine. Blocks.
    pub(super) fn remove(&self, object: ObjectId) -> Result<(), StoreError> {
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
pub(super) fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    std::fs::File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreError::io(format!("cannot sync {}", folder.display()), error))
}
