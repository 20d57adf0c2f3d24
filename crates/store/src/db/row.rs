//! A result row, read by column index with the type that the caller expects.

use std::sync::Arc;

use super::value::Value;
use crate::error::{StoreError, StoreErrorKind};

/// How many columns name a row to people, and how long a text may be for that.
const MAX_SHOWN: usize = 4;
const MAX_SHOWN_BYTES: usize = 128;

/// What is read in the place of a document that is damaged.
pub const DAMAGED_DOCUMENT: &str = "(damaged: see `wharf fsck`)";

/// What a column holds, or why that is nothing which Wharf writes. It ends the reading of this column alone: one damaged
/// value keeps nobody from the other rows and columns of a result.
pub(super) type Cell = Result<Value, &'static str>;

/// One row of a query's result.
///
/// The readers fail with [`StoreErrorKind::Corrupt`], naming the column, if it holds another type or (without `opt_`)
/// NULL: the schema and the statement promise otherwise.
#[derive(Clone, Debug)]
pub struct Row {
    values: Vec<Cell>,
    names: ColumnNames,
}

/// The names of a statement's columns in one allocation: they are made per query and wanted only in errors.
#[derive(Clone, Debug)]
pub(super) struct ColumnNames(Arc<str>);

impl ColumnNames {
    pub(super) fn new<'a>(names: impl Iterator<Item = &'a str>) -> Self {
        let mut joined = String::new();
        for name in names {
            joined.push_str(name);
            joined.push('\n');
        }
        Self(joined.into())
    }

    pub(super) fn get(&self, index: usize) -> &str {
        self.0.lines().nth(index).unwrap_or("?")
    }
}

impl Row {
    pub(super) fn new(values: Vec<Cell>, names: ColumnNames) -> Self {
        Self { values, names }
    }

    /// Which row this is, as far as it can be read: its first columns that hold a number or a short text.
    pub fn shown(&self) -> String {
        let mut shown = Vec::new();
        for (index, value) in self.values.iter().enumerate() {
            match value {
                Ok(Value::Int(number)) => shown.push(format!("{} = {number}", self.names.get(index))),
                Ok(Value::Text(text)) if text.len() <= MAX_SHOWN_BYTES => {
                    shown.push(format!("{} = {text:?}", self.names.get(index)));
                }
                Ok(Value::Null | Value::Text(_) | Value::Blob(_)) | Err(_) => {}
            }
            if shown.len() == MAX_SHOWN {
                break;
            }
        }
        shown.join(", ")
    }

    /// The integer in column `index`.
    pub fn int(&self, index: usize) -> Result<i64, StoreError> {
        self.opt_int(index)?.ok_or_else(|| self.mismatch(index, "an integer"))
    }

    /// The integer in column `index`, `None` for NULL.
    pub fn opt_int(&self, index: usize) -> Result<Option<i64>, StoreError> {
        match self.value(index)? {
            Value::Null => Ok(None),
            Value::Int(value) => Ok(Some(*value)),
            Value::Text(_) | Value::Blob(_) => Err(self.mismatch(index, "an integer")),
        }
    }

    /// The truth value in column `index`, stored as 0 or 1.
    pub fn bool(&self, index: usize) -> Result<bool, StoreError> {
        match self.int(index)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.mismatch(index, "0 or 1")),
        }
    }

    /// The text in column `index`.
    pub fn text(&self, index: usize) -> Result<&str, StoreError> {
        self.opt_text(index)?.ok_or_else(|| self.mismatch(index, "a text"))
    }

    /// The text in column `index`, `None` for NULL.
    pub fn opt_text(&self, index: usize) -> Result<Option<&str>, StoreError> {
        match self.value(index)? {
            Value::Null => Ok(None),
            Value::Text(value) => Ok(Some(value)),
            Value::Int(_) | Value::Blob(_) => Err(self.mismatch(index, "a text")),
        }
    }

    /// The document in column `index`, `None` for NULL. One that cannot be read is [`DAMAGED_DOCUMENT`], which is no
    /// document of any kind: whoever reads it finds it damaged, and the rest of the row can be used.
    pub fn opt_document(&self, index: usize) -> Option<&str> {
        match self.values.get(index) {
            Some(Ok(Value::Null)) => None,
            Some(Ok(Value::Text(text))) => Some(text),
            Some(Ok(Value::Int(_) | Value::Blob(_)) | Err(_)) | None => Some(DAMAGED_DOCUMENT),
        }
    }

    /// As [`opt_document`](Self::opt_document), of a column that is never NULL.
    pub fn document(&self, index: usize) -> &str {
        self.opt_document(index).unwrap_or(DAMAGED_DOCUMENT)
    }

    /// The text in column `index`, moved out without a copy; the column reads as an empty text afterwards.
    pub fn take_text(&mut self, index: usize) -> Result<String, StoreError> {
        match self.values.get_mut(index) {
            Some(Ok(Value::Text(value))) => Ok(std::mem::take(value)),
            _ => Err(self.mismatch(index, "a text")),
        }
    }

    /// The bytes in column `index`.
    pub fn blob(&self, index: usize) -> Result<&[u8], StoreError> {
        self.opt_blob(index)?.ok_or_else(|| self.mismatch(index, "bytes"))
    }

    /// The bytes in column `index`, `None` for NULL.
    pub fn opt_blob(&self, index: usize) -> Result<Option<&[u8]>, StoreError> {
        match self.value(index)? {
            Value::Null => Ok(None),
            Value::Blob(value) => Ok(Some(value)),
            Value::Int(_) | Value::Text(_) => Err(self.mismatch(index, "bytes")),
        }
    }

    fn value(&self, index: usize) -> Result<&Value, StoreError> {
        match self.values.get(index) {
            Some(Ok(value)) => Ok(value),
            Some(Err(_)) => Err(self.mismatch(index, "what was stored")),
            None => Err(self.mismatch(index, "a column")),
        }
    }

    fn mismatch(&self, index: usize, expected: &str) -> StoreError {
        let found = match self.values.get(index) {
            Some(Ok(value)) => value.type_name(),
            Some(Err(problem)) => problem,
            None => "nothing",
        };
        let name = self.names.get(index);
        StoreError::new(
            StoreErrorKind::Corrupt,
            format!("column {index} ({name}) should hold {expected} and holds {found}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> Row {
        let names = ColumnNames::new(["id", "name", "data", "gone"].into_iter());
        let values = vec![Ok(Value::Int(7)), Ok(Value::Text("a".into())), Ok(Value::Blob(vec![1])), Ok(Value::Null)];
        Row::new(values, names)
    }

    #[test]
    fn right_types_are_read() {
        let mut row = row();
        assert_eq!(row.int(0).unwrap(), 7);
        assert_eq!(row.opt_int(3).unwrap(), None);
        assert_eq!(row.text(1).unwrap(), "a");
        assert_eq!(row.opt_text(1).unwrap(), Some("a"));
        assert_eq!(row.opt_text(3).unwrap(), None);
        assert_eq!(row.blob(2).unwrap(), [1]);
        assert_eq!(row.opt_blob(3).unwrap(), None);
        assert_eq!(row.take_text(1).unwrap(), "a");
        assert_eq!(row.text(1).unwrap(), "");
    }

    #[test]
    fn a_damaged_value_hides_no_other() {
        let names = ColumnNames::new(["id", "name", "data"].into_iter());
        let row =
            Row::new(vec![Ok(Value::Int(7)), Err("a text that is not UTF-8"), Ok(Value::Text("b".into()))], names);
        assert_eq!((row.int(0).unwrap(), row.text(2).unwrap()), (7, "b"));
        let error = row.opt_text(1).unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Corrupt);
        let message = "column 1 (name) should hold what was stored and holds a text that is not UTF-8";
        assert_eq!(error.to_string(), message);
        assert_eq!(row.shown(), "id = 7, data = \"b\"");
    }

    #[test]
    fn wrong_types_name_the_column() {
        type Read = fn(&mut Row) -> Option<StoreError>;
        let cases: [(&str, Read, &str); 9] = [
            ("text as int", |row| row.int(1).err(), "column 1 (name) should hold an integer and holds a text"),
            ("NULL as int", |row| row.int(3).err(), "column 3 (gone) should hold an integer and holds NULL"),
            ("seven as bool", |row| row.bool(0).err(), "column 0 (id) should hold 0 or 1 and holds an integer"),
            ("int as text", |row| row.text(0).err(), "column 0 (id) should hold a text and holds an integer"),
            ("NULL as text", |row| row.text(3).err(), "column 3 (gone) should hold a text and holds NULL"),
            ("bytes taken as text", |row| row.take_text(2).err(), "column 2 (data) should hold a text and holds bytes"),
            ("text as bytes", |row| row.blob(1).err(), "column 1 (name) should hold bytes and holds a text"),
            ("NULL as bytes", |row| row.blob(3).err(), "column 3 (gone) should hold bytes and holds NULL"),
            ("no such column", |row| row.opt_int(4).err(), "column 4 (?) should hold a column and holds nothing"),
        ];
        for (name, read, message) in cases {
            let error = read(&mut row()).unwrap_or_else(|| panic!("{name}: no error"));
            assert_eq!(error.kind(), StoreErrorKind::Corrupt, "{name}");
            assert_eq!(error.to_string(), message, "{name}");
        }
    }
}
