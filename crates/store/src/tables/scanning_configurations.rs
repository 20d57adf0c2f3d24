//! How the images of registries are scanned (ECR: PutRegistryScanningConfiguration).

use super::parse_column;
use super::registry_id::RegistryId;
use crate::db::Tx;
use crate::error::StoreError;
use crate::stored_enum::stored_enum;

stored_enum! {
    /// What scanning of a registry is (ECR: `scanType`).
    pub enum ScanType {
        /// Scans of packages of operating systems and of languages, once.
        Basic = "BASIC",
        /// The same with more said of each finding, and images that are watched.
        Enhanced = "ENHANCED",
    }
}

/// What was put for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanningConfiguration {
    /// The type.
    pub scan_type: ScanType,
    /// The rules, as JSON.
    pub rules: String,
}

/// The configuration of a registry; none if none was ever put.
pub fn find(tx: &mut dyn Tx, registry: &RegistryId) -> Result<Option<ScanningConfiguration>, StoreError> {
    let sql = "SELECT scan_type, rules FROM scanning_configurations WHERE account_id = $1 AND region = $2";
    let row = tx.query_opt(sql, &[registry.account.as_str().into(), registry.region.as_str().into()])?;
    row.map(|row| {
        let scan_type = parse_column(row.text(0)?, "scanning_configurations.scan_type")?;
        Ok(ScanningConfiguration { scan_type, rules: row.text(1)?.to_owned() })
    })
    .transpose()
}

/// Stores a configuration, in place of the one before.
pub fn upsert(tx: &mut dyn Tx, registry: &RegistryId, configuration: &ScanningConfiguration) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO scanning_configurations (account_id, region, scan_type, rules) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (account_id, region) DO UPDATE SET scan_type = excluded.scan_type, rules = excluded.rules",
        &[
            registry.account.as_str().into(),
            registry.region.as_str().into(),
            configuration.scan_type.as_str().into(),
            configuration.rules.as_str().into(),
        ],
    )?;
    Ok(())
}
