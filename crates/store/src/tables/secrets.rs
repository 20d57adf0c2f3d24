//! Secrets of Secrets Manager: all but their values, which are in `secret_versions`.

use super::registry_id::RegistryId;
use super::repositories::count;
use super::{from_json, parse_column, to_json};
use crate::db::{Row, Tx, Value};
use crate::error::StoreError;
use crate::tables::readable::readable_page;

/// A secret. Its id is 0 until it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// The row's key.
    pub id: i64,
    /// Its account and region.
    pub registry: RegistryId,
    /// Its name, unique in the account and region.
    pub name: String,
    /// The last six characters of its ARN.
    pub suffix: String,
    /// What people say about it.
    pub description: Option<String>,
    /// Its tags, in the order of their keys.
    pub tags: Vec<(String, String)>,
    /// Its resource policy, as given.
    pub policy: Option<String>,
    /// Creation time.
    pub created_at_ms: i64,
    /// Time of the last change of anything.
    pub changed_at_ms: i64,
    /// The day on which its value was last read.
    pub accessed_at_ms: Option<i64>,
    /// When it goes for good, if it is marked for deletion.
    pub purge_at_ms: Option<i64>,
}

impl Secret {
    /// Its ARN.
    pub fn arn(&self) -> String {
        arn(&self.registry, &format!("{}-{}", self.name, self.suffix))
    }
}

/// The ARN of the resource `secret:<rest>`.
pub fn arn(registry: &RegistryId, rest: &str) -> String {
    let RegistryId { account, region } = registry;
    format!("arn:{}:secretsmanager:{region}:{account}:secret:{rest}", region.partition())
}

/// How a request names a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretId {
    /// The account and region in which it is looked for.
    pub registry: RegistryId,
    /// Its name, or what follows `secret:` in its ARN.
    pub text: String,
    /// Whether `text` comes from an ARN, which may or may not have the six characters at its end.
    pub is_arn: bool,
}

/// By what a list is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretOrder {
    /// The name, by its bytes.
    Name,
    /// Creation time.
    Created,
    /// Time of the last change.
    Changed,
    /// The day of the last reading; those never read come first.
    Accessed,
}

const COLUMNS: &str = "id, account_id, region, name, suffix, description, tags, policy, created_at_ms, changed_at_ms, \
                       accessed_at_ms, purge_at_ms";

fn from_row(row: &Row) -> Result<Secret, StoreError> {
    Ok(Secret {
        id: row.int(0)?,
        registry: RegistryId {
            account: parse_column(row.text(1)?, "secrets.account_id")?,
            region: parse_column(row.text(2)?, "secrets.region")?,
        },
        name: row.text(3)?.to_owned(),
        suffix: row.text(4)?.to_owned(),
        description: row.opt_text(5)?.map(str::to_owned),
        tags: from_json(row.text(6)?, "secrets.tags")?,
        policy: row.opt_document(7).map(str::to_owned),
        created_at_ms: row.int(8)?,
        changed_at_ms: row.int(9)?,
        accessed_at_ms: row.opt_int(10)?,
        purge_at_ms: row.opt_int(11)?,
    })
}

/// Adds a secret and returns its row's key; `None` if the name is taken.
pub fn insert(tx: &mut dyn Tx, new: &Secret) -> Result<Option<i64>, StoreError> {
    let row = tx.query_opt(
        "INSERT INTO secrets (account_id, region, name, suffix, description, tags, policy, created_at_ms, \
         changed_at_ms, accessed_at_ms, purge_at_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) \
         ON CONFLICT (account_id, region, name) DO NOTHING RETURNING id",
        &[
            new.registry.account.as_str().into(),
            new.registry.region.as_str().into(),
            new.name.as_str().into(),
            new.suffix.as_str().into(),
            new.description.as_deref().into(),
            to_json(&new.tags).into(),
            new.policy.as_deref().into(),
            new.created_at_ms.into(),
            new.changed_at_ms.into(),
            new.accessed_at_ms.into(),
            new.purge_at_ms.into(),
        ],
    )?;
    row.map(|row| row.int(0)).transpose()
}

/// Stores what can change of a secret: description, tags, policy and times.
pub fn update(tx: &mut dyn Tx, secret: &Secret) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE secrets SET description = $1, tags = $2, policy = $3, changed_at_ms = $4, accessed_at_ms = $5, \
         purge_at_ms = $6 WHERE id = $7",
        &[
            secret.description.as_deref().into(),
            to_json(&secret.tags).into(),
            secret.policy.as_deref().into(),
            secret.changed_at_ms.into(),
            secret.accessed_at_ms.into(),
            secret.purge_at_ms.into(),
            secret.id.into(),
        ],
    )?;
    Ok(())
}

/// Notes that a value of the secret was read on a day.
pub fn set_accessed(tx: &mut dyn Tx, id: i64, day_ms: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE secrets SET accessed_at_ms = $1 WHERE id = $2", &[day_ms.into(), id.into()])?;
    Ok(())
}

fn find_by_name(tx: &mut dyn Tx, registry: &RegistryId, name: &str) -> Result<Option<Secret>, StoreError> {
    tx.query_opt(
        &format!("SELECT {COLUMNS} FROM secrets WHERE account_id = $1 AND region = $2 AND name = $3"),
        &[registry.account.as_str().into(), registry.region.as_str().into(), name.into()],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// The secret that a request names. An ARN is taken for a whole one first, then for one without its six characters.
pub fn find(tx: &mut dyn Tx, id: &SecretId) -> Result<Option<Secret>, StoreError> {
    if id.is_arn
        && let Some((name, suffix)) = id.text.rsplit_once('-')
        && let Some(found) = find_by_name(tx, &id.registry, name)?
        && found.suffix == suffix
    {
        return Ok(Some(found));
    }
    find_by_name(tx, &id.registry, &id.text)
}

/// Up to `limit` secrets from the first after `after`: the value that they are ordered by, and the row's key.
pub fn list(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    order: SecretOrder,
    is_descending: bool,
    after: Option<(&str, i64)>,
    limit: usize,
) -> Result<Vec<Secret>, StoreError> {
    let column = match order {
        SecretOrder::Name => "name",
        SecretOrder::Created => "created_at_ms",
        SecretOrder::Changed => "changed_at_ms",
        SecretOrder::Accessed => "coalesce(accessed_at_ms, 0)",
    };
    let (direction, beyond) = if is_descending { ("DESC", "<") } else { ("ASC", ">") };
    let mut params: Vec<Value> = vec![registry.account.as_str().into(), registry.region.as_str().into()];
    let after = match after {
        None => String::new(),
        Some((value, id)) => {
            params.push(match order {
                SecretOrder::Name => value.into(),
                SecretOrder::Created | SecretOrder::Changed | SecretOrder::Accessed => {
                    parse_column::<i64>(value, "secrets list")?.into()
                }
            });
            params.push(id.into());
            format!("AND ({column}, id) {beyond} ($3, $4)")
        }
    };
    let sql = format!(
        "SELECT {COLUMNS} FROM secrets WHERE account_id = $1 AND region = $2 {after} \
         ORDER BY {column} {direction}, id {direction} LIMIT ${}",
        params.len() + 1
    );
    readable_page(tx, limit, "secrets", &sql, &params, from_row)
}

impl SecretOrder {
    /// What a list in this order goes on after, for [`list`].
    pub fn place_of(self, secret: &Secret) -> (String, i64) {
        let value = match self {
            Self::Name => secret.name.clone(),
            Self::Created => secret.created_at_ms.to_string(),
            Self::Changed => secret.changed_at_ms.to_string(),
            Self::Accessed => secret.accessed_at_ms.unwrap_or(0).to_string(),
        };
        (value, secret.id)
    }

    /// Whether a text can be a place in a list of this order.
    pub fn is_place(self, value: &str) -> bool {
        self == Self::Name || value.parse::<i64>().is_ok()
    }
}

/// Up to `limit` secrets whose time for good has come.
pub fn list_due(tx: &mut dyn Tx, now_ms: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
    tx.query(
        "SELECT id FROM secrets WHERE purge_at_ms <= $1 ORDER BY purge_at_ms LIMIT $2",
        &[now_ms.into(), count(limit)],
    )?
    .iter()
    .map(|row| row.int(0))
    .collect()
}

/// Removes a secret with all of its versions.
pub fn delete(tx: &mut dyn Tx, id: i64) -> Result<(), StoreError> {
    tx.execute("DELETE FROM secret_versions WHERE secret_id = $1", &[id.into()])?;
    tx.execute("DELETE FROM secrets WHERE id = $1", &[id.into()])?;
    Ok(())
}

/// Every secret that has a policy, as (row, policy).
pub fn list_policies(tx: &mut dyn Tx) -> Result<Vec<(i64, String)>, StoreError> {
    tx.query("SELECT id, policy FROM secrets WHERE policy IS NOT NULL", &[])?
        .iter()
        .map(|row| Ok((row.int(0)?, row.text(1)?.to_owned())))
        .collect()
}

/// Stores the policy of a secret, or with none takes it away. For clients that is no change of the secret.
pub fn set_policy(tx: &mut dyn Tx, id: i64, policy: Option<&str>) -> Result<(), StoreError> {
    tx.execute("UPDATE secrets SET policy = $1 WHERE id = $2", &[policy.into(), id.into()])?;
    Ok(())
}
