//! Everything that a store holds, whatever the metadata says of it: for checking the two against each other.

use super::files::FileList;
use super::object_id::ObjectId;
use super::s3::S3List;
use super::{BlobStore, blocking};
use crate::error::StoreError;

/// What was found in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedKind {
    /// Something that has an object's name: of a blob, of an upload or of an upload's last bytes.
    Object(ObjectId),
    /// An unfinished multipart upload.
    Multipart {
        /// The object that it would make; none if its key is no object's.
        object: Option<ObjectId>,
        /// Its id.
        id: String,
    },
    /// Something that Wharf does not store.
    Foreign,
}

/// Something in a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// What it is.
    pub kind: ListedKind,
    /// The path of the file, or the key in the bucket.
    pub key: String,
    /// Its length as stored; 0 for an unfinished multipart upload, whose parts are not counted.
    pub bytes: u64,
    /// When it was last written, or begun, by the clock of the store.
    pub modified_at_ms: i64,
}

/// What a store holds, bit by bit: memory does not grow with it. Of a folder, what lies beside the objects comes last, but
/// for what file systems keep there. What is added or removed meanwhile may be missed.
pub struct StoreList {
    source: Source,
}

enum Source {
    /// Away while a folder is read.
    Files(Option<FileList>),
    S3(Box<S3List>),
}

impl StoreList {
    /// The next thing; none at the end. Nothing follows an error.
    pub async fn next(&mut self) -> Result<Option<Listed>, StoreError> {
        match &mut self.source {
            Source::Files(files) => {
                let Some(mut list) = files.take() else { return Ok(None) };
                let (list, found) = blocking(move || {
                    let found = list.next()?;
                    Ok((list, found))
                })
                .await?;
                *files = Some(list);
                Ok(found)
            }
            Source::S3(list) => list.next().await,
        }
    }
}

impl BlobStore {
    /// Lists what the whole store holds, of every scope, unfinished multipart uploads last.
    pub fn list(&self) -> StoreList {
        let source = match self {
            Self::Files(store) => Source::Files(Some(FileList::new(store.clone()))),
            Self::S3(store) => Source::S3(Box::new(store.list())),
        };
        StoreList { source }
    }

    /// Removes something that was listed. Wharf's own metadata must not name it: nobody else is asked.
    pub async fn remove_listed(&self, listed: &Listed) -> Result<(), StoreError> {
        match self {
            Self::S3(store) => store.remove_listed(listed).await,
            Self::Files(_) => {
                let path = std::path::PathBuf::from(&listed.key);
                blocking(move || match std::fs::remove_file(&path) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        Err(StoreError::io(format!("cannot remove {}", path.display()), error))
                    }
                    _ => Ok(()),
                })
                .await
            }
        }
    }
}
