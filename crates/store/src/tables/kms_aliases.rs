//! Aliases of KMS keys.

use uuid::Uuid;

use super::parse_column;
use super::registry_id::RegistryId;
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::readable::readable_page;

/// An alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KmsAlias {
    /// Its account and region.
    pub registry: RegistryId,
    /// Its name, which begins with `alias/`.
    pub name: String,
    /// The key that it stands for.
    pub key_id: Uuid,
    /// Creation time.
    pub created_at_ms: i64,
    /// When it last came to stand for another key.
    pub updated_at_ms: i64,
}

const FROM: &str = "a.account_id, a.region, a.name, k.key_id, a.created_at_ms, a.updated_at_ms \
                    FROM kms_aliases a JOIN kms_keys k ON k.id = a.kms_key_id";

fn from_row(row: &Row) -> Result<KmsAlias, StoreError> {
    Ok(KmsAlias {
        registry: RegistryId {
            account: parse_column(row.text(0)?, "kms_aliases.account_id")?,
            region: parse_column(row.text(1)?, "kms_aliases.region")?,
        },
        name: row.text(2)?.to_owned(),
        key_id: parse_column(row.text(3)?, "kms_keys.key_id")?,
        created_at_ms: row.int(4)?,
        updated_at_ms: row.int(5)?,
    })
}

/// Adds an alias of the key of row `kms_key_id`; `false` if the name is taken.
pub fn insert(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    name: &str,
    kms_key_id: i64,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO kms_aliases (account_id, region, name, kms_key_id, created_at_ms, updated_at_ms) \
         VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        &[
            registry.account.as_str().into(),
            registry.region.as_str().into(),
            name.into(),
            kms_key_id.into(),
            now_ms.into(),
            now_ms.into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Lets an alias stand for another key; `false` if there is none of that name.
pub fn update(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    name: &str,
    kms_key_id: i64,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE kms_aliases SET kms_key_id = $1, updated_at_ms = $2 WHERE account_id = $3 AND region = $4 AND name = $5",
        &[
            kms_key_id.into(),
            now_ms.into(),
            registry.account.as_str().into(),
            registry.region.as_str().into(),
            name.into(),
        ],
    )?;
    Ok(changed == 1)
}

/// Removes an alias; `false` if there is none of that name.
pub fn delete(tx: &mut dyn Tx, registry: &RegistryId, name: &str) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM kms_aliases WHERE account_id = $1 AND region = $2 AND name = $3",
        &[registry.account.as_str().into(), registry.region.as_str().into(), name.into()],
    )?;
    Ok(deleted == 1)
}

/// Up to `limit` aliases in the order of their names, from the first after `after`; of one key, if one is given.
pub fn list(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    kms_key_id: Option<i64>,
    after: &str,
    limit: usize,
) -> Result<Vec<KmsAlias>, StoreError> {
    readable_page(
        tx,
        limit,
        "kms_aliases",
        &format!(
            "SELECT {FROM} WHERE a.account_id = $1 AND a.region = $2 AND a.name > $3 \
             AND a.kms_key_id = COALESCE($4, a.kms_key_id) ORDER BY a.name LIMIT $5"
        ),
        &[registry.account.as_str().into(), registry.region.as_str().into(), after.into(), kms_key_id.into()],
        from_row,
    )
}
