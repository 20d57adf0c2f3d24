//! Users, groups and roles: what can have policies.

use aws::AccountId;

use super::{from_json, to_json};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::stored_enum::stored_enum;
use crate::tables::parse_column;
use crate::tables::readable::readable;
use crate::tables::readable::readable_page;
use crate::tables::repositories::count;

stored_enum! {
    /// What an entity is.
    #[derive(Hash)]
    pub enum EntityKind {
        /// Someone with access keys.
        User = "user",
        /// Users that share policies.
        Group = "group",
        /// What others assume.
        Role = "role",
    }
}

/// A user, group or role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// `AIDA…`, `AGPA…` or `AROA…`; never given twice.
    pub id: String,
    /// Its account.
    pub account: AccountId,
    /// What it is.
    pub kind: EntityKind,
    /// Its name, unique in account and kind whatever the case.
    pub name: String,
    /// `/` or `/a/b/`.
    pub path: String,
    /// Creation time.
    pub created_at_ms: i64,
    /// The policy that bounds it; never a group's.
    pub boundary_arn: Option<String>,
    /// Its tags, in the order of their keys; never a group's.
    pub tags: Vec<(String, String)>,
    /// A role's description.
    pub description: Option<String>,
    /// Who may assume the role.
    pub trust_policy: Option<String>,
    /// The longest session of the role, in seconds; 0 for others.
    pub max_session_seconds: i64,
}

impl Entity {
    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:iam::{}:{}{}{}", self.account, self.kind.as_str(), self.path, self.name)
    }
}

const COLUMNS: &str = "id, account_id, kind, name, path, created_at_ms, boundary_arn, tags, description, \
                       trust_policy, max_session_seconds";

fn from_row(row: &Row) -> Result<Entity, StoreError> {
    Ok(Entity {
        id: row.text(0)?.to_owned(),
        account: parse_column(row.text(1)?, "iam_entities.account_id")?,
        kind: parse_column(row.text(2)?, "iam_entities.kind")?,
        name: row.text(3)?.to_owned(),
        path: row.text(4)?.to_owned(),
        created_at_ms: row.int(5)?,
        boundary_arn: row.opt_text(6)?.map(str::to_owned),
        tags: from_json(row.text(7)?, "iam_entities.tags")?,
        description: row.opt_text(8)?.map(str::to_owned),
        trust_policy: row.opt_document(9).map(str::to_owned),
        max_session_seconds: row.int(10)?,
    })
}

fn name_key(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Adds an entity; `false` if its name is taken.
pub fn insert(tx: &mut dyn Tx, new: &Entity) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO iam_entities (id, account_id, kind, name_key, name, path, created_at_ms, boundary_arn, tags, \
         description, trust_policy, max_session_seconds) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) \
         ON CONFLICT (account_id, kind, name_key) DO NOTHING",
        &[
            new.id.as_str().into(),
            new.account.as_str().into(),
            new.kind.as_str().into(),
            name_key(&new.name).into(),
            new.name.as_str().into(),
            new.path.as_str().into(),
            new.created_at_ms.into(),
            new.boundary_arn.as_deref().into(),
            to_json(&new.tags).into(),
            new.description.as_deref().into(),
            new.trust_policy.as_deref().into(),
            new.max_session_seconds.into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Stores what has changed of an entity, found by its id; `false` if its new name is taken.
pub fn update(tx: &mut dyn Tx, entity: &Entity) -> Result<bool, StoreError> {
    let same_name = find(tx, entity.account, entity.kind, &entity.name)?;
    if same_name.is_some_and(|other| other.id != entity.id) {
        return Ok(false);
    }
    tx.execute(
        "UPDATE iam_entities SET name_key = $1, name = $2, path = $3, boundary_arn = $4, tags = $5, description = $6, \
         trust_policy = $7, max_session_seconds = $8 WHERE id = $9",
        &[
            name_key(&entity.name).into(),
            entity.name.as_str().into(),
            entity.path.as_str().into(),
            entity.boundary_arn.as_deref().into(),
            to_json(&entity.tags).into(),
            entity.description.as_deref().into(),
            entity.trust_policy.as_deref().into(),
            entity.max_session_seconds.into(),
            entity.id.as_str().into(),
        ],
    )?;
    Ok(true)
}

/// The entity of that name, whatever the case.
pub fn find(tx: &mut dyn Tx, account: AccountId, kind: EntityKind, name: &str) -> Result<Option<Entity>, StoreError> {
    tx.query_opt(
        &format!("SELECT {COLUMNS} FROM iam_entities WHERE account_id = $1 AND kind = $2 AND name_key = $3"),
        &[account.as_str().into(), kind.as_str().into(), name_key(name).into()],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// The entity of that id.
pub fn find_by_id(tx: &mut dyn Tx, id: &str) -> Result<Option<Entity>, StoreError> {
    tx.query_opt(&format!("SELECT {COLUMNS} FROM iam_entities WHERE id = $1"), &[id.into()])?
        .as_ref()
        .map(from_row)
        .transpose()
}

/// Up to `limit` entities whose path begins with `path_prefix`, in the order of their names, from the first after
/// `after` (an empty text: the first).
pub fn list(
    tx: &mut dyn Tx,
    account: AccountId,
    kind: EntityKind,
    path_prefix: &str,
    after: &str,
    limit: usize,
) -> Result<Vec<Entity>, StoreError> {
    readable_page(
        tx,
        limit,
        "iam_entities",
        &format!(
            "SELECT {COLUMNS} FROM iam_entities WHERE account_id = $1 AND kind = $2 AND name_key > $3 \
             AND substr(path, 1, $4) = $5 ORDER BY name_key LIMIT $6"
        ),
        &[
            account.as_str().into(),
            kind.as_str().into(),
            name_key(after).into(),
            count(path_prefix.len()),
            path_prefix.into(),
        ],
        from_row,
    )
}

/// Every entity of every account, for the copy that nodes hold in memory.
pub fn list_all(tx: &mut dyn Tx) -> Result<Vec<Entity>, StoreError> {
    let rows = tx.query(&format!("SELECT {COLUMNS} FROM iam_entities"), &[])?;
    readable(&rows, "iam_entities", from_row)
}

/// The users and roles of an account that a policy bounds, in the order of their ids.
pub fn list_bounded_by(tx: &mut dyn Tx, account: AccountId, policy_arn: &str) -> Result<Vec<Entity>, StoreError> {
    tx.query(
        &format!("SELECT {COLUMNS} FROM iam_entities WHERE account_id = $1 AND boundary_arn = $2 ORDER BY id"),
        &[account.as_str().into(), policy_arn.into()],
    )?
    .iter()
    .map(from_row)
    .collect()
}

/// How many users and roles of an account each policy bounds, as (policy ARN, count).
pub fn count_bounded(tx: &mut dyn Tx, account: AccountId) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = tx.query(
        "SELECT boundary_arn, COUNT(*) FROM iam_entities WHERE account_id = $1 AND boundary_arn IS NOT NULL \
         GROUP BY boundary_arn",
        &[account.as_str().into()],
    )?;
    readable(&rows, "iam_entities", |row| Ok((row.text(0)?.to_owned(), row.int(1)?)))
}

/// How many entities of a kind an account has.
pub fn count_of_kind(tx: &mut dyn Tx, account: AccountId, kind: EntityKind) -> Result<i64, StoreError> {
    tx.query(
        "SELECT COUNT(*) FROM iam_entities WHERE account_id = $1 AND kind = $2",
        &[account.as_str().into(), kind.as_str().into()],
    )?
    .first()
    .map_or(Ok(0), |row| row.int(0))
}

/// Removes the row. The caller has seen that nothing names it.
pub fn delete(tx: &mut dyn Tx, id: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM iam_entities WHERE id = $1", &[id.into()])?;
    Ok(())
}
