//! What people say of advisories before a server starts: which feeds there are, whether they are fetched, how old they may be.
//! It lies here, and not with what scans, as the operations tell of it too, which are handed a registry.

use scan::feeds::catalog::{self, Feed};

const HOUR_MS: i64 = 60 * 60 * 1000;

/// How old advisories may be unless somebody says.
pub const DEFAULT_MAX_DATA_AGE_HOURS: u32 = 14 * 24;

/// Where advisories come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdvisorySettings {
    /// The feeds that there are, those that are switched off among them.
    pub feeds: Vec<Feed>,
    /// Whether nothing is fetched: advisories come by `wharf advisories import` alone.
    pub is_offline: bool,
    /// Advisories that were last seen to be current before so long are too old to call an image clean.
    pub max_data_age_ms: i64,
}

impl Default for AdvisorySettings {
    fn default() -> Self {
        Self {
            feeds: catalog::built_in(),
            is_offline: false,
            max_data_age_ms: i64::from(DEFAULT_MAX_DATA_AGE_HOURS) * HOUR_MS,
        }
    }
}
