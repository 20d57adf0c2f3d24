//! What registries replicate (ECR: PutReplicationConfiguration), and what the server's configuration adds to that.

use super::registry_id::RegistryId;
use crate::db::Tx;
use crate::error::StoreError;

/// The rules of a registry, as stored; none if it never had any.
pub fn find(tx: &mut dyn Tx, registry: &RegistryId) -> Result<Option<String>, StoreError> {
    tx.query_opt(
        "SELECT rules FROM replication_configurations WHERE account_id = $1 AND region = $2",
        &[registry.account.as_str().into(), registry.region.as_str().into()],
    )?
    .map(|row| Ok(row.text(0)?.to_owned()))
    .transpose()
}

/// Stores rules, in place of those before.
pub fn upsert(tx: &mut dyn Tx, registry: &RegistryId, rules: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO replication_configurations (account_id, region, rules) VALUES ($1, $2, $3) \
         ON CONFLICT (account_id, region) DO UPDATE SET rules = excluded.rules",
        &[registry.account.as_str().into(), registry.region.as_str().into(), rules.into()],
    )?;
    Ok(())
}

/// What the configuration adds, as the node that started last stored it.
pub fn find_extensions(tx: &mut dyn Tx) -> Result<Option<String>, StoreError> {
    tx.query_opt("SELECT settings FROM replication_extensions WHERE id = 1", &[])?
        .map(|row| Ok(row.text(0)?.to_owned()))
        .transpose()
}

/// Stores what the configuration adds.
pub fn upsert_extensions(tx: &mut dyn Tx, settings: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO replication_extensions (id, settings) VALUES (1, $1) \
         ON CONFLICT (id) DO UPDATE SET settings = excluded.settings",
        &[settings.into()],
    )?;
    Ok(())
}
