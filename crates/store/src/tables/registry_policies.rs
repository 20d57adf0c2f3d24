//! Registry policies (ECR: PutRegistryPolicy).

use super::parse_column;
use super::registry_id::RegistryId;
use crate::db::Tx;
use crate::error::StoreError;
use crate::tables::readable::readable;

/// The policy of a registry, as given.
pub fn find(tx: &mut dyn Tx, registry: &RegistryId) -> Result<Option<String>, StoreError> {
    tx.query_opt(
        "SELECT document FROM registry_policies WHERE account_id = $1 AND region = $2",
        &[registry.account.as_str().into(), registry.region.as_str().into()],
    )?
    .map(|row| Ok(row.document(0).to_owned()))
    .transpose()
}

/// Every policy, for the copy that nodes hold in memory.
pub fn list_all(tx: &mut dyn Tx) -> Result<Vec<(RegistryId, String)>, StoreError> {
    let rows = tx.query("SELECT account_id, region, document FROM registry_policies", &[])?;
    readable(&rows, "registry_policies", |row| {
        let registry = RegistryId {
            account: parse_column(row.text(0)?, "registry_policies.account_id")?,
            region: parse_column(row.text(1)?, "registry_policies.region")?,
        };
        Ok((registry, row.document(2).to_owned()))
    })
}

/// Stores a policy, in place of the one before.
pub fn upsert(tx: &mut dyn Tx, registry: &RegistryId, document: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO registry_policies (account_id, region, document) VALUES ($1, $2, $3) \
         ON CONFLICT (account_id, region) DO UPDATE SET document = excluded.document",
        &[registry.account.as_str().into(), registry.region.as_str().into(), document.into()],
    )?;
    Ok(())
}

/// Removes the policy; `false` if there was none.
pub fn delete(tx: &mut dyn Tx, registry: &RegistryId) -> Result<bool, StoreError> {
    let deleted = tx.execute(
        "DELETE FROM registry_policies WHERE account_id = $1 AND region = $2",
        &[registry.account.as_str().into(), registry.region.as_str().into()],
    )?;
    Ok(deleted == 1)
}
