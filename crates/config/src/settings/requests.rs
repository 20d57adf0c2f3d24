//! The section `[requests]`: what requests may hold of memory and disk while they are being received, and their answers
//! until they are taken.

use runtime::config_error::ConfigError;
use runtime::http::budget::BudgetLimits;
use runtime::http::memory_limit::memory_limit;
use serde::{Deserialize, Serialize};

const MIB: u64 = 1024 * 1024;
/// Less would refuse single requests that must be possible: one source has half of it.
const MIN_MEMORY_MIB: u32 = 48;
const MIN_ANSWERS_MIB: u32 = 48;
const MIN_SPOOL_MIB: u32 = 64;
const MAX_MIB: u32 = 1024 * 1024;

/// What requests that are not yet known to be good may hold, all together, on one node.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RequestsConfig {
    /// MiB of memory. Default: 64.
    pub memory_mib: Option<u32>,
    /// MiB of disk, in the data folder's `spool`. Default: 2048.
    pub spool_mib: Option<u32>,
    /// MiB of memory for answers that are long. Default: a fifth of what the process may use.
    pub answers_mib: Option<u32>,
}

impl RequestsConfig {
    /// The budget in force.
    pub fn budget(&self) -> Result<BudgetLimits, ConfigError> {
        let defaults = BudgetLimits::default();
        let memory_limit = memory_limit();
        let read = |key: &str, given: Option<u32>, least: u32, default: u64| match given {
            None => Ok(default),
            Some(mib) if (least..=MAX_MIB).contains(&mib) => Ok(u64::from(mib) * MIB),
            Some(_) => Err(ConfigError(format!("requests.{key}: a number from {least} to {MAX_MIB} is needed"))),
        };
        Ok(BudgetLimits {
            memory_bytes: read("memory_mib", self.memory_mib, MIN_MEMORY_MIB, defaults.memory_bytes)?,
            buffer_bytes: BudgetLimits::buffers_of(memory_limit),
            answer_bytes: read(
                "answers_mib",
                self.answers_mib,
                MIN_ANSWERS_MIB,
                BudgetLimits::answers_of(memory_limit),
            )?,
            disk_bytes: read("spool_mib", self.spool_mib, MIN_SPOOL_MIB, defaults.disk_bytes)?,
        })
    }

    /// With the defaults filled in.
    pub(super) fn filled(&self) -> Result<Self, ConfigError> {
        let budget = self.budget()?;
        Ok(Self {
            memory_mib: Some((budget.memory_bytes / MIB) as u32),
            spool_mib: Some((budget.disk_bytes / MIB) as u32),
            answers_mib: Some((budget.answer_bytes / MIB) as u32),
        })
    }
}
