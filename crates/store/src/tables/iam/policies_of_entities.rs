//! The policies of users, groups and roles: inline ones, and managed ones that are attached.

use aws::AccountId;

use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::readable::readable;

/// An inline policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InlinePolicy {
    /// Whose it is.
    pub entity_id: String,
    /// Its name, unique in its entity.
    pub name: String,
    /// The document as given.
    pub document: String,
}

fn inline_from_row(row: &Row) -> Result<InlinePolicy, StoreError> {
    Ok(InlinePolicy {
        entity_id: row.text(0)?.to_owned(),
        // A policy whose name is damaged is in force all the same.
        name: row.document(1).to_owned(),
        document: row.document(2).to_owned(),
    })
}

/// Stores an inline policy, in place of one of that name.
pub fn upsert_inline(tx: &mut dyn Tx, policy: &InlinePolicy) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO iam_inline_policies (entity_id, name, document) VALUES ($1, $2, $3) \
         ON CONFLICT (entity_id, name) DO UPDATE SET document = excluded.document",
        &[policy.entity_id.as_str().into(), policy.name.as_str().into(), policy.document.as_str().into()],
    )?;
    Ok(())
}

/// Removes an inline policy; `false` if there was none of that name.
pub fn delete_inline(tx: &mut dyn Tx, entity_id: &str, name: &str) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM iam_inline_policies WHERE entity_id = $1 AND name = $2",
        &[entity_id.into(), name.into()],
    )?;
    Ok(deleted == 1)
}

/// The inline policies of an entity, in the order of their names.
pub fn list_inline(tx: &mut dyn Tx, entity_id: &str) -> Result<Vec<InlinePolicy>, StoreError> {
    tx.query(
        "SELECT entity_id, name, document FROM iam_inline_policies WHERE entity_id = $1 ORDER BY name",
        &[entity_id.into()],
    )?
    .iter()
    .map(inline_from_row)
    .collect()
}

/// Every inline policy, for the copy that nodes hold in memory.
pub fn list_all_inline(tx: &mut dyn Tx) -> Result<Vec<InlinePolicy>, StoreError> {
    let rows = tx.query("SELECT entity_id, name, document FROM iam_inline_policies ORDER BY entity_id, name", &[])?;
    readable(&rows, "iam_inline_policies", inline_from_row)
}

/// Attaches a managed policy; one that is attached already is fine.
pub fn attach(tx: &mut dyn Tx, entity_id: &str, policy_arn: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO iam_attached_policies (entity_id, policy_arn) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        &[entity_id.into(), policy_arn.into()],
    )?;
    Ok(())
}

/// Detaches a managed policy; `false` if it was not attached.
pub fn detach(tx: &mut dyn Tx, entity_id: &str, policy_arn: &str) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM iam_attached_policies WHERE entity_id = $1 AND policy_arn = $2",
        &[entity_id.into(), policy_arn.into()],
    )?;
    Ok(deleted == 1)
}

/// The ARNs of an entity's managed policies, in their order.
pub fn list_attached(tx: &mut dyn Tx, entity_id: &str) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT policy_arn FROM iam_attached_policies WHERE entity_id = $1 ORDER BY policy_arn",
        &[entity_id.into()],
    )?
    .iter()
    .map(|row| Ok(row.text(0)?.to_owned()))
    .collect()
}

/// The ids of the entities that have a managed policy, in their order.
pub fn list_entities_of(tx: &mut dyn Tx, policy_arn: &str) -> Result<Vec<String>, StoreError> {
    let rows = tx.query(
        "SELECT entity_id FROM iam_attached_policies WHERE policy_arn = $1 ORDER BY entity_id",
        &[policy_arn.into()],
    )?;
    readable(&rows, "iam_attached_policies", |row| Ok(row.text(0)?.to_owned()))
}

/// How many entities of an account have each managed policy, as (policy ARN, count); policies that none has are left out.
pub fn count_attachments(tx: &mut dyn Tx, account: AccountId) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = tx.query(
        "SELECT policy_arn, COUNT(*) FROM iam_attached_policies JOIN iam_entities \
         ON iam_entities.id = iam_attached_policies.entity_id WHERE account_id = $1 GROUP BY policy_arn",
        &[account.as_str().into()],
    )?;
    readable(&rows, "iam_attached_policies", |row| Ok((row.text(0)?.to_owned(), row.int(1)?)))
}

/// Every attachment as (entity id, policy ARN), for the copy that nodes hold in memory. An ARN that cannot be read is one
/// that no policy has.
pub fn list_all_attached(tx: &mut dyn Tx) -> Result<Vec<(String, String)>, StoreError> {
    let rows =
        tx.query("SELECT entity_id, policy_arn FROM iam_attached_policies ORDER BY entity_id, policy_arn", &[])?;
    readable(&rows, "iam_attached_policies", |row| Ok((row.text(0)?.to_owned(), row.document(1).to_owned())))
}
