//! Account settings (reference/repositories-images.md 5): the switches of a registry, their values and defaults.

use store::db::Tx;
use store::error::StoreError;
use store::tables::account_settings;
use store::tables::registry_id::RegistryId;

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountSetting {
    /// Which basic scanner looks at images.
    BasicScanTypeVersion,
    /// What a registry policy governs.
    RegistryPolicyScope,
    /// Whether a push may take a layer from another repository.
    BlobMounting,
}

impl AccountSetting {
    /// Every setting.
    pub const ALL: [Self; 3] = [Self::BasicScanTypeVersion, Self::RegistryPolicyScope, Self::BlobMounting];

    /// The name as the API spells it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BasicScanTypeVersion => "BASIC_SCAN_TYPE_VERSION",
            Self::RegistryPolicyScope => "REGISTRY_POLICY_SCOPE",
            Self::BlobMounting => "BLOB_MOUNTING",
        }
    }

    /// The values that can be put; the first is the default.
    pub const fn values(self) -> &'static [&'static str] {
        match self {
            Self::BasicScanTypeVersion => &["AWS_NATIVE"],
            Self::RegistryPolicyScope => &["V2", "V1"],
            Self::BlobMounting => &["DISABLED", "ENABLED"],
        }
    }
}

/// The value in force.
pub fn value(tx: &mut dyn Tx, registry: &RegistryId, setting: AccountSetting) -> Result<String, StoreError> {
    Ok(account_settings::find(tx, registry, setting.as_str())?.unwrap_or_else(|| setting.values()[0].to_owned()))
}

/// Whether layers may be mounted from another repository.
pub fn is_blob_mounting_enabled(tx: &mut dyn Tx, registry: &RegistryId) -> Result<bool, StoreError> {
    Ok(value(tx, registry, AccountSetting::BlobMounting)? == "ENABLED")
}
