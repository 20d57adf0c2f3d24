//! Documents that lie sealed in a row, each under a data key of its own.

use super::parse_column;
use crate::blob::ObjectId;
use crate::db::Row;
use crate::error::{StoreError, StoreErrorKind};
use crate::tables::readable::readable;

/// A document as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SealedDocument {
    /// The name that it is bound to: that of an object which no store has.
    pub object: ObjectId,
    /// Its data key, wrapped as those of blobs are.
    pub data_key: Vec<u8>,
    /// The document, sealed with the data key.
    pub sealed: Vec<u8>,
}

/// A document of a list, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedDocument {
    /// The row's key.
    pub id: i64,
    /// The layer or the image.
    pub digest: String,
    /// The document.
    pub document: SealedDocument,
}

/// Reads rows of id, digest and the three columns.
pub(super) fn list(rows: &[Row], table: &str, column: &str) -> Result<Vec<ListedDocument>, StoreError> {
    readable(rows, table, |row| {
        let document = SealedDocument::from_row(row, 2, column)?;
        let document =
            document.ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, format!("{column} is empty")))?;
        Ok(ListedDocument { id: row.int(0)?, digest: row.text(1)?.to_owned(), document })
    })
}

impl SealedDocument {
    /// Reads the three columns, which begin at `first`; none where they are empty.
    pub(super) fn from_row(row: &Row, first: usize, column: &str) -> Result<Option<Self>, StoreError> {
        let Some(object) = row.opt_text(first)? else { return Ok(None) };
        let object = parse_column(object, column)?;
        let bytes = |at: usize| Ok::<_, StoreError>(row.opt_blob(at)?.unwrap_or_default().to_vec());
        Ok(Some(Self { object, data_key: bytes(first + 1)?, sealed: bytes(first + 2)? }))
    }
}
