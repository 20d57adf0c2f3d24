//! The versions of secrets: sealed values with the stages that name them.

use super::{from_json, to_json};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::readable::readable;

/// A version without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVersion {
    /// Its id, unique in its secret.
    pub version_id: String,
    /// The stages that it has; none if it is deprecated.
    pub stages: Vec<String>,
    /// Creation time.
    pub created_at_ms: i64,
    /// The day on which it was last read.
    pub accessed_at_ms: Option<i64>,
}

const COLUMNS: &str = "version_id, stages, created_at_ms, accessed_at_ms";

fn from_row(row: &Row) -> Result<SecretVersion, StoreError> {
    Ok(SecretVersion {
        version_id: row.text(0)?.to_owned(),
        stages: from_json(row.text(1)?, "secret_versions.stages")?,
        created_at_ms: row.int(2)?,
        accessed_at_ms: row.opt_int(3)?,
    })
}

/// Adds a version with its sealed value. Its id must be free.
pub fn insert(tx: &mut dyn Tx, secret_id: i64, new: &SecretVersion, sealed: &[u8]) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO secret_versions (secret_id, version_id, sealed, stages, created_at_ms, accessed_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6)",
        &[
            secret_id.into(),
            new.version_id.as_str().into(),
            sealed.into(),
            to_json(&new.stages).into(),
            new.created_at_ms.into(),
            new.accessed_at_ms.into(),
        ],
    )?;
    Ok(())
}

/// Every version of a secret, the newest first. There are few: those without a stage are pruned.
pub fn list(tx: &mut dyn Tx, secret_id: i64) -> Result<Vec<SecretVersion>, StoreError> {
    let rows = tx.query(
        &format!(
            "SELECT {COLUMNS} FROM secret_versions WHERE secret_id = $1 ORDER BY created_at_ms DESC, version_id DESC"
        ),
        &[secret_id.into()],
    )?;
    readable(&rows, "secret_versions", from_row)
}

/// The sealed value of a version.
pub fn find_sealed(tx: &mut dyn Tx, secret_id: i64, version_id: &str) -> Result<Option<Vec<u8>>, StoreError> {
    tx.query_opt(
        "SELECT sealed FROM secret_versions WHERE secret_id = $1 AND version_id = $2",
        &[secret_id.into(), version_id.into()],
    )?
    .map(|row| Ok(row.blob(0)?.to_vec()))
    .transpose()
}

/// Stores which stages a version has.
pub fn set_stages(tx: &mut dyn Tx, secret_id: i64, version_id: &str, stages: &[String]) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE secret_versions SET stages = $1 WHERE secret_id = $2 AND version_id = $3",
        &[to_json(&stages).into(), secret_id.into(), version_id.into()],
    )?;
    Ok(())
}

/// Notes that a version was read on a day.
pub fn set_accessed(tx: &mut dyn Tx, secret_id: i64, version_id: &str, day_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE secret_versions SET accessed_at_ms = $1 WHERE secret_id = $2 AND version_id = $3",
        &[day_ms.into(), secret_id.into(), version_id.into()],
    )?;
    Ok(())
}

/// Removes a version.
pub fn delete(tx: &mut dyn Tx, secret_id: i64, version_id: &str) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM secret_versions WHERE secret_id = $1 AND version_id = $2",
        &[secret_id.into(), version_id.into()],
    )?;
    Ok(())
}
