//! Who belongs to which group.

use super::entities::{self, Entity};
use crate::db::Tx;
use crate::error::StoreError;
use crate::tables::readable::readable;

/// Adds a user to a group; one that belongs to it already is fine.
pub fn insert_member(tx: &mut dyn Tx, group_id: &str, user_id: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO iam_group_members (group_id, user_id) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[group_id.into(), user_id.into()],
    )?;
    Ok(())
}

/// Takes a user out of a group; `false` if it did not belong to it.
pub fn delete_member(tx: &mut dyn Tx, group_id: &str, user_id: &str) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM iam_group_members WHERE group_id = $1 AND user_id = $2",
        &[group_id.into(), user_id.into()],
    )?;
    Ok(deleted == 1)
}

/// The users of a group, in the order of their ids.
pub fn list_members(tx: &mut dyn Tx, group_id: &str) -> Result<Vec<Entity>, StoreError> {
    let rows =
        tx.query("SELECT user_id FROM iam_group_members WHERE group_id = $1 ORDER BY user_id", &[group_id.into()])?;
    entities_of(tx, &rows)
}

/// The groups of a user, in the order of their ids.
pub fn list_of_user(tx: &mut dyn Tx, user_id: &str) -> Result<Vec<Entity>, StoreError> {
    let rows =
        tx.query("SELECT group_id FROM iam_group_members WHERE user_id = $1 ORDER BY group_id", &[user_id.into()])?;
    entities_of(tx, &rows)
}

fn entities_of(tx: &mut dyn Tx, rows: &[crate::db::Row]) -> Result<Vec<Entity>, StoreError> {
    let mut found = Vec::with_capacity(rows.len());
    for row in rows {
        found.extend(entities::find_by_id(tx, row.text(0)?)?);
    }
    Ok(found)
}

/// Every membership as (group id, user id), for the copy that nodes hold in memory. A group's id that cannot be read is
/// one that no group has.
pub fn list_all(tx: &mut dyn Tx) -> Result<Vec<(String, String)>, StoreError> {
    let rows = tx.query("SELECT group_id, user_id FROM iam_group_members", &[])?;
    readable(&rows, "iam_group_members", |row| Ok((row.document(0).to_owned(), row.text(1)?.to_owned())))
}
