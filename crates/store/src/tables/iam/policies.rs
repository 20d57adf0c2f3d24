//! Customer managed policies and their versions.

use aws::AccountId;

use super::{from_json, to_json};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::parse_column;
use crate::tables::readable::{readable, readable_page};
use crate::tables::repositories::count;

/// A managed policy of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedPolicy {
    /// Its ARN.
    pub arn: String,
    /// `ANPA…`.
    pub id: String,
    /// Its account.
    pub account: AccountId,
    /// Its name, unique in the account whatever the case.
    pub name: String,
    /// `/` or `/a/b/`.
    pub path: String,
    /// What its maker says of it; may be empty.
    pub description: String,
    /// Creation time.
    pub created_at_ms: i64,
    /// When its default version was set.
    pub updated_at_ms: i64,
    /// The version in force.
    pub default_version: i64,
    /// The number that was given last; numbers are never given twice.
    pub latest_version: i64,
    /// Its tags, in the order of their keys.
    pub tags: Vec<(String, String)>,
}

/// A version of a managed policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyVersion {
    /// Its number: `v1` is 1.
    pub version: i64,
    /// The document as given.
    pub document: String,
    /// Creation time.
    pub created_at_ms: i64,
}

const COLUMNS: &str =
    "arn, id, account_id, name, path, description, created_at_ms, updated_at_ms, default_version, latest_version, tags";

fn from_row(row: &Row) -> Result<ManagedPolicy, StoreError> {
    Ok(ManagedPolicy {
        arn: row.text(0)?.to_owned(),
        id: row.text(1)?.to_owned(),
        account: parse_column(row.text(2)?, "iam_policies.account_id")?,
        name: row.text(3)?.to_owned(),
        path: row.text(4)?.to_owned(),
        description: row.text(5)?.to_owned(),
        created_at_ms: row.int(6)?,
        updated_at_ms: row.int(7)?,
        default_version: row.int(8)?,
        latest_version: row.int(9)?,
        tags: from_json(row.text(10)?, "iam_policies.tags")?,
    })
}

/// Adds a policy, without its versions; `false` if its name is taken.
pub fn insert(tx: &mut dyn Tx, new: &ManagedPolicy) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO iam_policies (arn, id, account_id, name_key, name, path, description, created_at_ms, \
         updated_at_ms, default_version, latest_version, tags) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) ON CONFLICT (account_id, name_key) DO NOTHING",
        &[
            new.arn.as_str().into(),
            new.id.as_str().into(),
            new.account.as_str().into(),
            new.name.to_ascii_lowercase().into(),
            new.name.as_str().into(),
            new.path.as_str().into(),
            new.description.as_str().into(),
            new.created_at_ms.into(),
            new.updated_at_ms.into(),
            new.default_version.into(),
            new.latest_version.into(),
            to_json(&new.tags).into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Stores versions in force and tags, as changed.
pub fn update(tx: &mut dyn Tx, policy: &ManagedPolicy) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE iam_policies SET updated_at_ms = $1, default_version = $2, latest_version = $3, tags = $4 \
         WHERE arn = $5",
        &[
            policy.updated_at_ms.into(),
            policy.default_version.into(),
            policy.latest_version.into(),
            to_json(&policy.tags).into(),
            policy.arn.as_str().into(),
        ],
    )?;
    Ok(())
}

/// The policy of that ARN.
pub fn find(tx: &mut dyn Tx, arn: &str) -> Result<Option<ManagedPolicy>, StoreError> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM iam_policies WHERE arn = $1"), &[arn.into()])?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// Up to `limit` policies of an account whose path begins with `path_prefix`, in the order of their names, from the
/// first after `after` (an empty text: the first).
pub fn list(
    tx: &mut dyn Tx,
    account: AccountId,
    path_prefix: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<ManagedPolicy>, StoreError> {
    readable_page(
        tx,
        limit,
        "iam_policies",
        &format!(
            "SELECT {COLUMNS} FROM iam_policies WHERE account_id = $1 AND name_key > $2 AND substr(path, 1, $3) = $4 \
             ORDER BY name_key LIMIT $5"
        ),
        &[account.as_str().into(), after.to_ascii_lowercase().into(), count(path_prefix.len()), path_prefix.into()],
        from_row,
    )
}

/// How many policies an account has.
pub fn count_of_account(tx: &mut dyn Tx, account: AccountId) -> Result<i64, StoreError> {
    tx.query("SELECT COUNT(*) FROM iam_policies WHERE account_id = $1", &[account.as_str().into()])?
        .first()
        .map_or(Ok(0), |row| row.int(0))
}

/// Removes a policy and its versions. The caller has seen that it is attached nowhere.
pub fn delete(tx: &mut dyn Tx, arn: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM iam_policies WHERE arn = $1", &[arn.into()])?;
    Ok(())
}

fn version_from_row(row: &Row) -> Result<PolicyVersion, StoreError> {
    Ok(PolicyVersion { version: row.int(0)?, document: row.document(1).to_owned(), created_at_ms: row.int(2)? })
}

/// Adds a version.
pub fn insert_version(tx: &mut dyn Tx, arn: &str, new: &PolicyVersion) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO iam_policy_versions (policy_arn, version, document, created_at_ms) VALUES ($1, $2, $3, $4)",
        &[arn.into(), new.version.into(), new.document.as_str().into(), new.created_at_ms.into()],
    )?;
    Ok(())
}

/// A policy's versions, newest first; at most five exist.
pub fn list_versions(tx: &mut dyn Tx, arn: &str) -> Result<Vec<PolicyVersion>, StoreError> {
    tx.query(
        "SELECT version, document, created_at_ms FROM iam_policy_versions WHERE policy_arn = $1 ORDER BY version DESC",
        &[arn.into()],
    )?
    .iter()
    .map(version_from_row)
    .collect()
}

/// A version of a policy.
pub fn find_version(tx: &mut dyn Tx, arn: &str, version: i64) -> Result<Option<PolicyVersion>, StoreError> {
    tx.query_opt(
        "SELECT version, document, created_at_ms FROM iam_policy_versions WHERE policy_arn = $1 AND version = $2",
        &[arn.into(), version.into()],
    )?
    .as_ref()
    .map(version_from_row)
    .transpose()
}

/// Removes a version; `false` if there was none of that number.
pub fn delete_version(tx: &mut dyn Tx, arn: &str, version: i64) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM iam_policy_versions WHERE policy_arn = $1 AND version = $2",
        &[arn.into(), version.into()],
    )?;
    Ok(deleted == 1)
}

/// Every policy in force as (ARN, document), for the copy that nodes hold in memory.
pub fn list_all_in_force(tx: &mut dyn Tx) -> Result<Vec<(String, String)>, StoreError> {
    let rows = tx.query(
        "SELECT arn, document FROM iam_policies JOIN iam_policy_versions \
         ON iam_policy_versions.policy_arn = iam_policies.arn \
         AND iam_policy_versions.version = iam_policies.default_version",
        &[],
    )?;
    readable(&rows, "iam_policies", |row| Ok((row.text(0)?.to_owned(), row.document(1).to_owned())))
}
