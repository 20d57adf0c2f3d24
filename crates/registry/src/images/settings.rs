//! Account settings (reference/repositories-images.md 5): the switches of a registry as they are in force.

use store::db::Tx;
use store::error::StoreError;
use store::tables::account_settings::{self, AccountSetting};
use store::tables::registry_id::RegistryId;

/// The value in force.
pub fn value(tx: &mut dyn Tx, registry: &RegistryId, setting: AccountSetting) -> Result<String, StoreError> {
    Ok(account_settings::find(tx, registry, setting)?.unwrap_or_else(|| setting.values()[0].to_owned()))
}

/// Whether layers may be mounted from another repository.
pub fn is_blob_mounting_enabled(tx: &mut dyn Tx, registry: &RegistryId) -> Result<bool, StoreError> {
    Ok(value(tx, registry, AccountSetting::BlobMounting)? == "ENABLED")
}
