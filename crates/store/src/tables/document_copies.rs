//! Policies against their copies: the embedded database keeps each twice, in its row and in an index, as its pages carry no
//! checksums. Two that differ show a change that nobody has made by a statement.

use crate::db::{Dialect, Tx};
use crate::error::StoreError;

/// A table with policies, what names its rows, and the column that has a copy.
struct Copied {
    table: &'static str,
    key: &'static [&'static str],
    column: &'static str,
    /// Whether the table is WITHOUT ROWID.
    is_index: bool,
}

const COPIED: &[Copied] = &[
    Copied { table: "iam_inline_policies", key: &["entity_id", "name"], column: "document" },
    Copied { table: "iam_policy_versions", key: &["policy_arn", "version"], column: "document" },
    Copied { table: "iam_entities", key: &["id", "name"], column: "trust_policy" },
    Copied { table: "repositories", key: &["id", "name"], column: "policy" },
    Copied { table: "registry_policies", key: &["account_id", "region"], column: "document" },
    Copied { table: "secrets", key: &["id", "name"], column: "policy" },
    Copied { table: "kms_keys", key: &["id", "key_id"], column: "policy" },
];

/// A policy that is not what its copy is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangedDocument {
    /// Where it is, as people know it.
    pub place: String,
    /// The text in the row, as it can be read.
    pub text: String,
}

/// Every policy that differs from its copy. PostgreSQL keeps none.
pub fn changed(tx: &mut dyn Tx) -> Result<Vec<ChangedDocument>, StoreError> {
    if tx.dialect() != Dialect::Sqlite {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for Copied { table, key, column } in COPIED {
        // A unary plus keeps the index from answering for the row.
        let same_row = key.iter().map(|name| format!("+c.{name} = +r.{name}")).collect::<Vec<_>>().join(" AND ");
        let sql = format!(
            "SELECT {}, r.{column} FROM {table} r NOT INDEXED WHERE r.{column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM \
             {table} c INDEXED BY {table}_copy WHERE c.{column} IS NOT NULL AND c.{column} = r.{column} AND {same_row})",
            key.iter().map(|name| format!("r.{name}")).collect::<Vec<_>>().join(", ")
        );
        found.extend(tx.query(&sql, &[])?.iter().map(|row| ChangedDocument {
            place: format!("{table}: {}", row.shown()),
            text: row.document(key.len()).to_owned(),
        }));
    }
    Ok(found)
}
