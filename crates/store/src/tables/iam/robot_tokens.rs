//! Registry tokens with a scope and a long life, for tools that cannot refresh the 12-hour ones.

use aws::AccountId;

use super::{from_json, to_json};
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::stored_enum::stored_enum;
use crate::tables::readable::readable;
use crate::tables::registry_id::RegistryId;
use crate::tables::{parse_column, words_from_json, words_to_json};

stored_enum! {
    /// A kind of use that a token can be made for, in the order in which messages list them.
    pub enum TokenUse {
        /// Pulling images.
        Pull = "pull",
        /// Pushing images.
        Push = "push",
        /// Deleting images.
        Delete = "delete",
    }
}

/// A token, without the secret that its holder has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RobotToken {
    /// What the secret names.
    pub id: String,
    /// The registry that it is good for.
    pub registry: RegistryId,
    /// The id of the user whose rights it carries, or of the account for the root user's.
    pub principal_id: String,
    /// Its name, unique in the registry.
    pub name: String,
    /// Patterns of repository names that it may be used for.
    pub repositories: Vec<String>,
    /// What it may be used for.
    pub actions: Vec<TokenUse>,
    /// Creation time.
    pub created_at_ms: i64,
    /// When it ends.
    pub expires_at_ms: i64,
    /// Its last use, if it was ever used.
    pub last_used_at_ms: Option<i64>,
}

const COLUMNS: &str = "id, account_id, region, principal_id, name, repositories, actions, created_at_ms, \
                       expires_at_ms, last_used_at_ms";

fn from_row(row: &Row) -> Result<RobotToken, StoreError> {
    Ok(RobotToken {
        id: row.text(0)?.to_owned(),
        registry: RegistryId {
            account: parse_column(row.text(1)?, "robot_tokens.account_id")?,
            region: parse_column(row.text(2)?, "robot_tokens.region")?,
        },
        principal_id: row.text(3)?.to_owned(),
        name: row.text(4)?.to_owned(),
        repositories: from_json(row.text(5)?, "robot_tokens.repositories")?,
        actions: words_from_json(row, 6, "robot_tokens", "robot_tokens.actions")?,
        created_at_ms: row.int(7)?,
        expires_at_ms: row.int(8)?,
        last_used_at_ms: row.opt_int(9)?,
    })
}

/// Adds a token; `false` if its name is taken.
pub fn insert(tx: &mut dyn Tx, new: &RobotToken) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO robot_tokens (id, account_id, region, principal_id, name, repositories, actions, created_at_ms, \
         expires_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (account_id, region, name) DO NOTHING",
        &[
            new.id.as_str().into(),
            new.registry.account.as_str().into(),
            new.registry.region.as_str().into(),
            new.principal_id.as_str().into(),
            new.name.as_str().into(),
            to_json(&new.repositories).into(),
            words_to_json(&new.actions, TokenUse::as_str).into(),
            new.created_at_ms.into(),
            new.expires_at_ms.into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// The tokens of a registry, in the order of their names.
pub fn list(tx: &mut dyn Tx, registry: &RegistryId) -> Result<Vec<RobotToken>, StoreError> {
    let rows = tx.query(
        &format!("SELECT {COLUMNS} FROM robot_tokens WHERE account_id = $1 AND region = $2 ORDER BY name"),
        &[registry.account.as_str().into(), registry.region.as_str().into()],
    )?;
    readable(&rows, "robot_tokens", from_row)
}

/// Every token, for the copy that nodes hold in memory.
pub fn list_all(tx: &mut dyn Tx) -> Result<Vec<RobotToken>, StoreError> {
    let rows = tx.query(&format!("SELECT {COLUMNS} FROM robot_tokens"), &[])?;
    readable(&rows, "robot_tokens", from_row)
}

/// Notes a use; an older one changes nothing.
pub fn record_use(tx: &mut dyn Tx, id: &str, at_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE robot_tokens SET last_used_at_ms = $1 \
         WHERE id = $2 AND (last_used_at_ms IS NULL OR last_used_at_ms < $1)",
        &[at_ms.into(), id.into()],
    )?;
    Ok(())
}

/// Ends a token; `false` if the registry has none of that name.
pub fn delete(tx: &mut dyn Tx, registry: &RegistryId, name: &str) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM robot_tokens WHERE account_id = $1 AND region = $2 AND name = $3",
        &[registry.account.as_str().into(), registry.region.as_str().into(), name.into()],
    )?;
    Ok(deleted == 1)
}

/// Ends every token of a principal.
pub fn delete_of_principal(tx: &mut dyn Tx, principal_id: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM robot_tokens WHERE principal_id = $1", &[principal_id.into()])?;
    Ok(())
}

/// Ends every token of an account that has expired.
pub fn delete_expired(tx: &mut dyn Tx, account: AccountId, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM robot_tokens WHERE account_id = $1 AND expires_at_ms <= $2",
        &[account.as_str().into(), now_ms.into()],
    )?;
    Ok(())
}

/// How many tokens an account has in all of its registries.
pub fn count_of_account(tx: &mut dyn Tx, account: AccountId) -> Result<i64, StoreError> {
    let row = tx.query_opt("SELECT COUNT(*) FROM robot_tokens WHERE account_id = $1", &[account.as_str().into()])?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// How many tokens were made before a time and are still valid.
pub fn count_made_before(tx: &mut dyn Tx, before_ms: i64, now_ms: i64) -> Result<i64, StoreError> {
    let row = tx.query_opt(
        "SELECT COUNT(*) FROM robot_tokens WHERE created_at_ms < $1 AND expires_at_ms > $2",
        &[before_ms.into(), now_ms.into()],
    )?;
    row.map_or(Ok(0), |row| row.int(0))
}
