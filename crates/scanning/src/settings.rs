//! What people say of scanning before a server starts.

use scan_worker::Demand;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// How a node scans.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanningSettings {
    /// Whether nothing is fetched: advisories come by `wharf advisories import` alone.
    pub is_offline: bool,
    /// Advisories that were last seen to be current before so long are too old to call an image clean.
    pub max_data_age_ms: i64,
    /// How what reads layers must be confined.
    pub confinement: Demand,
}

impl Default for ScanningSettings {
    fn default() -> Self {
        Self { is_offline: false, max_data_age_ms: 14 * 24 * HOUR_MS, confinement: Demand::BestEffort }
    }
}
