//! Registry-wide switches (ECR: PutAccountSetting), their values and defaults.

use super::registry_id::RegistryId;
use crate::db::Tx;
use crate::error::StoreError;
use crate::stored_enum::stored_enum;

stored_enum! {
    /// A setting.
    pub enum AccountSetting {
        /// Which basic scanner looks at images.
        BasicScanTypeVersion = "BASIC_SCAN_TYPE_VERSION",
        /// What a registry policy governs.
        RegistryPolicyScope = "REGISTRY_POLICY_SCOPE",
        /// Whether a push may take a layer from another repository.
        BlobMounting = "BLOB_MOUNTING",
    }
}

impl AccountSetting {
    /// The values that can be put; the first is the default.
    pub const fn values(self) -> &'static [&'static str] {
        match self {
            Self::BasicScanTypeVersion => &["AWS_NATIVE"],
            Self::RegistryPolicyScope => &["V2", "V1"],
            Self::BlobMounting => &["DISABLED", "ENABLED"],
        }
    }
}

/// The stored value of a setting, if it was ever put.
pub fn find(tx: &mut dyn Tx, registry: &RegistryId, setting: AccountSetting) -> Result<Option<String>, StoreError> {
    tx.query_opt(
        "SELECT value FROM account_settings WHERE account_id = $1 AND region = $2 AND name = $3",
        &[registry.account.as_str().into(), registry.region.as_str().into(), setting.as_str().into()],
    )?
    .map(|row| Ok(row.document(0).to_owned()))
    .transpose()
}

/// Stores a setting.
pub fn upsert(tx: &mut dyn Tx, registry: &RegistryId, setting: AccountSetting, value: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO account_settings (account_id, region, name, value) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account_id, region, name) DO UPDATE SET value = excluded.value",
        &[registry.account.as_str().into(), registry.region.as_str().into(), setting.as_str().into(), value.into()],
    )?;
    Ok(())
}
