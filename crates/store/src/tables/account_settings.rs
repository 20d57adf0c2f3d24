//! Registry-wide switches (ECR: PutAccountSetting).

use super::registry_id::RegistryId;
use crate::db::Tx;
use crate::error::StoreError;

/// The stored value of a setting, if it was ever put.
pub fn find(tx: &mut dyn Tx, registry: &RegistryId, name: &str) -> Result<Option<String>, StoreError> {
    tx.query_opt(
        "SELECT value FROM account_settings WHERE account_id = $1 AND region = $2 AND name = $3",
        &[registry.account.as_str().into(), registry.region.as_str().into(), name.into()],
    )?
    .map(|row| Ok(row.document(0).to_owned()))
    .transpose()
}

/// Stores a setting.
pub fn upsert(tx: &mut dyn Tx, registry: &RegistryId, name: &str, value: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO account_settings (account_id, region, name, value) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account_id, region, name) DO UPDATE SET value = excluded.value",
        &[registry.account.as_str().into(), registry.region.as_str().into(), name.into(), value.into()],
    )?;
    Ok(())
}
