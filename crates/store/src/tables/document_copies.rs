//! Policies against their copies: the embedded database keeps each twice, in its row and in an index, as its pages carry no
//! checksums. Two that differ show a change that nobody has made by a statement.

use crate::db::{Dialect, Tx};
use crate::error::StoreError;

/// A table with policies, what names its rows, and the column that has a copy.
struct Copied {
    table: &'static str,
    key: [&'static str; 2],
    column: &'static str,
    /// Whether the table is WITHOUT ROWID.
    is_index: bool,
}

const COPIED: &[Copied] = &[
    Copied { table: "iam_inline_policies", key: ["entity_id", "name"], column: "document", is_index: true },
    Copied { table: "iam_policy_versions", key: ["policy_arn", "version"], column: "document", is_index: true },
    Copied { table: "iam_entities", key: ["id", "name"], column: "trust_policy", is_index: false },
    Copied { table: "repositories", key: ["id", "name"], column: "policy", is_index: false },
    Copied {
        table: "deleted_repositories",
        key: ["repository_name", "deleted_at_ms"],
        column: "policy",
        is_index: true,
    },
    Copied { table: "registry_policies", key: ["account_id", "region"], column: "document", is_index: true },
    Copied { table: "secrets", key: ["id", "name"], column: "policy", is_index: false },
    Copied { table: "kms_keys", key: ["id", "key_id"], column: "policy", is_index: false },
];

/// What stands before a policy that its copy contradicts: it is no policy any more, and denies until it is put again.
const DAMAGED: &str = "(damaged) ";

/// Marks every policy as damaged that differs from its copy, and makes the copies anew; which these were, as people know
/// them. PostgreSQL keeps no copies.
///
/// Which of the two is right nobody can tell, and SQLite changes no row that its index contradicts.
pub fn mark_changed(tx: &mut dyn Tx) -> Result<Vec<String>, StoreError> {
    let mut marked = Vec::new();
    if tx.dialect() != Dialect::Sqlite {
        return Ok(marked);
    }
    for copied in COPIED {
        let changed = changed(tx, copied)?;
        if changed.is_empty() {
            continue;
        }
        let Copied { table, key, column, .. } = copied;
        let index = tx.query_opt(
            "SELECT sql FROM sqlite_master WHERE type = 'index' AND name = $1",
            &[format!("{table}_copy").into()],
        )?;
        let Some(index) = index else { continue };
        tx.execute(&format!("DROP INDEX {table}_copy"), &[])?;
        let (first, second) = (key[0], key[1]);
        let sql = format!(
            "UPDATE {table} SET {column} = $1 || {column} WHERE CAST({first} AS TEXT) = $2 AND CAST({second} AS TEXT) = $3"
        );
        for [first, second] in changed {
            tx.execute(&sql, &[DAMAGED.into(), first.as_str().into(), second.as_str().into()])?;
            marked.push(format!("{table}: {} = {first:?}, {} = {second:?}", key[0], key[1]));
        }
        tx.execute(index.text(0)?, &[])?;
    }
    Ok(marked)
}

/// Whether any policy differs from its copy.
pub fn is_any_changed(tx: &mut dyn Tx) -> Result<bool, StoreError> {
    if tx.dialect() != Dialect::Sqlite {
        return Ok(false);
    }
    for copied in COPIED {
        if !changed(tx, copied)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The keys of the rows whose policies differ from their copies.
fn changed(tx: &mut dyn Tx, Copied { table, key, column, is_index }: &Copied) -> Result<Vec<[String; 2]>, StoreError> {
    let [first, second] = key;
    // A table that is an index itself would be read by its copy, which has all its columns: the range names the table's.
    let scan = if *is_index { format!("r.{first} >= ''") } else { "1 = 1".to_owned() };
    let sql = format!(
        "SELECT CAST(r.{first} AS TEXT), CAST(r.{second} AS TEXT) FROM {table} r NOT INDEXED WHERE {scan} \
         AND r.{column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {table} c INDEXED BY {table}_copy WHERE c.{column} IS NOT NULL \
         AND c.{column} = r.{column} AND +c.{first} = +r.{first} AND +c.{second} = +r.{second})"
    );
    Ok(tx.query(&sql, &[])?.iter().map(|row| [0, 1].map(|at| row.document(at).to_owned())).collect())
}
