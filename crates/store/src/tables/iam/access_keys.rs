//! Access keys of users. Their secrets are sealed; root keys are not here but in the configuration.

use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::readable::readable;

/// An access key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessKey {
    /// `AKIA…`.
    pub id: String,
    /// The id of its user.
    pub user_id: String,
    /// The secret, sealed.
    pub sealed_secret: Vec<u8>,
    /// Whether it may be used.
    pub is_active: bool,
    /// Creation time.
    pub created_at_ms: i64,
    /// Its last use, if it was ever used.
    pub last_used: Option<LastUse>,
}

/// When and for what a key was used last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at_ms: i64,
    /// The signing name of the service.
    pub service: String,
    /// The region of the signature.
    pub region: String,
}

const COLUMNS: &str =
    "id, user_id, sealed_secret, is_active, created_at_ms, last_used_at_ms, last_used_service, last_used_region";

fn from_row(row: &Row) -> Result<AccessKey, StoreError> {
    let last_used = match (row.opt_int(5)?, row.opt_text(6)?, row.opt_text(7)?) {
        (Some(at_ms), Some(service), Some(region)) => {
            Some(LastUse { at_ms, service: service.to_owned(), region: region.to_owned() })
        }
        _ => None,
    };
    Ok(AccessKey {
        id: row.text(0)?.to_owned(),
        user_id: row.text(1)?.to_owned(),
        sealed_secret: row.blob(2)?.to_vec(),
        is_active: row.bool(3)?,
        created_at_ms: row.int(4)?,
        last_used,
    })
}

/// Adds a key.
pub fn insert(tx: &mut dyn Tx, new: &AccessKey) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO iam_access_keys (id, user_id, sealed_secret, is_active, created_at_ms) \
         VALUES ($1, $2, $3, $4, $5)",
        &[
            new.id.as_str().into(),
            new.user_id.as_str().into(),
            new.sealed_secret.as_slice().into(),
            new.is_active.into(),
            new.created_at_ms.into(),
        ],
    )?;
    Ok(())
}

/// The key of that id.
pub fn find(tx: &mut dyn Tx, id: &str) -> Result<Option<AccessKey>, StoreError> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM iam_access_keys WHERE id = $1"), &[id.into()])?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// The keys of a user, oldest first; at most two exist.
pub fn list_of_user(tx: &mut dyn Tx, user_id: &str) -> Result<Vec<AccessKey>, StoreError> {
    tx.query(
        &format!("SELECT {COLUMNS} FROM iam_access_keys WHERE user_id = $1 ORDER BY created_at_ms, id"),
        &[user_id.into()],
    )?
    .iter()
    .map(from_row)
    .collect()
}

/// Every key, for the copy that nodes hold in memory.
pub fn list_all(tx: &mut dyn Tx) -> Result<Vec<AccessKey>, StoreError> {
    let rows = tx.query(&format!("SELECT {COLUMNS} FROM iam_access_keys"), &[])?;
    readable(&rows, "iam_access_keys", from_row)
}

/// Lets a key be used, or not; `false` if there is none of that id.
pub fn set_active(tx: &mut dyn Tx, id: &str, is_active: bool) -> Result<bool, StoreError> {
    let updated =
        tx.execute("UPDATE iam_access_keys SET is_active = $1 WHERE id = $2", &[is_active.into(), id.into()])?;
    Ok(updated == 1)
}

/// Notes a use; an older one changes nothing.
pub fn record_use(tx: &mut dyn Tx, id: &str, used: &LastUse) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE iam_access_keys SET last_used_at_ms = $1, last_used_service = $2, last_used_region = $3 \
         WHERE id = $4 AND (last_used_at_ms IS NULL OR last_used_at_ms < $1)",
        &[used.at_ms.into(), used.service.as_str().into(), used.region.as_str().into(), id.into()],
    )?;
    Ok(())
}

/// Removes a key; `false` if there is none of that id.
pub fn delete(tx: &mut dyn Tx, id: &str) -> Result<bool, StoreError> {
    Ok(tx.execute("DELETE FROM iam_access_keys WHERE id = $1", &[id.into()])? == 1)
}
