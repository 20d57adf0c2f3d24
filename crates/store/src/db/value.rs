//! What a statement is given and what a row holds: the four types that both databases share.

/// A parameter or a column. Times are epoch milliseconds, truth values 0 and 1, JSON is text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// SQL NULL; fits every type.
    Null,
    /// `INTEGER` on SQLite, `BIGINT` on PostgreSQL.
    Int(i64),
    /// `TEXT` on both. PostgreSQL refuses a text that holds the character U+0000.
    Text(String),
    /// `BLOB` on SQLite, `BYTEA` on PostgreSQL.
    Blob(Vec<u8>),
}

impl Value {
    /// What the value is, for messages; never its content, which may be secret.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "NULL",
            Self::Int(_) => "an integer",
            Self::Text(_) => "a text",
            Self::Blob(_) => "bytes",
        }
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(value.to_vec())
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        Self::Blob(value)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}
