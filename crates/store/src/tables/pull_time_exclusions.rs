//! Principals whose pulls leave the last pull time of a registry's images as it is (ECR: pull time update exclusions).

use super::parse_column;
use super::registry_id::RegistryId;
use crate::db::Tx;
use crate::error::StoreError;
use crate::tables::readable::readable;
use crate::tables::readable::readable_page;

/// Adds a principal; `false` if it is there.
pub fn insert(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    principal_arn: &str,
    created_at_ms: i64,
) -> Result<bool, StoreError> {
    let inserted = tx.execute(
        "INSERT INTO pull_time_exclusions (account_id, region, principal_arn, created_at_ms) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account_id, region, principal_arn) DO NOTHING",
        &[
            registry.account.as_str().into(),
            registry.region.as_str().into(),
            principal_arn.into(),
            created_at_ms.into(),
        ],
    )?;
    Ok(inserted == 1)
}

/// Removes a principal; `false` if it was not there.
pub fn delete(tx: &mut dyn Tx, registry: &RegistryId, principal_arn: &str) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM pull_time_exclusions WHERE account_id = $1 AND region = $2 AND principal_arn = $3",
        &[registry.account.as_str().into(), registry.region.as_str().into(), principal_arn.into()],
    )?;
    Ok(deleted == 1)
}

/// Up to `limit` principals of a registry in the order of their ARNs, from the first after `after`.
pub fn list(tx: &mut dyn Tx, registry: &RegistryId, after: &str, limit: usize) -> Result<Vec<String>, StoreError> {
    readable_page(
        tx,
        limit,
        "pull_time_exclusions",
        "SELECT principal_arn FROM pull_time_exclusions WHERE account_id = $1 AND region = $2 AND principal_arn > $3 \
         ORDER BY principal_arn LIMIT $4",
        &[registry.account.as_str().into(), registry.region.as_str().into(), after.into()],
        |row| Ok(row.text(0)?.to_owned()),
    )
}

/// Every principal of every registry, for the copy that nodes hold in memory.
pub fn list_all(tx: &mut dyn Tx) -> Result<Vec<(RegistryId, String)>, StoreError> {
    let rows = tx.query("SELECT account_id, region, principal_arn FROM pull_time_exclusions", &[])?;
    readable(&rows, "pull_time_exclusions", |row| {
        let registry = RegistryId {
            account: parse_column(row.text(0)?, "pull_time_exclusions.account_id")?,
            region: parse_column(row.text(1)?, "pull_time_exclusions.region")?,
        };
        Ok((registry, row.text(2)?.to_owned()))
    })
}
