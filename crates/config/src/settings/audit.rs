//! The section `[audit]`: what is recorded of who did what, where, and for how long.

use std::path::PathBuf;

use access::audit::{AuditFile, AuditSettings};
use runtime::config_error::ConfigError;
use serde::{Deserialize, Serialize};

const DEFAULT_ROTATE_MIB: u64 = 100;
const DEFAULT_KEEP_FILES: u32 = 10;
/// CloudTrail's event history.
const DEFAULT_RETENTION_DAYS: u32 = 90;
const DEFAULT_MAX_EVENTS: u64 = 1_000_000;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;
const MIB: u64 = 1024 * 1024;

/// The audit.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuditConfig {
    /// A file that takes every record as a line of JSON. Default: none.
    pub file: Option<PathBuf>,
    /// Length in MiB at which a new file begins. Default: 100.
    pub rotate_mib: Option<u64>,
    /// Files that are kept, the one that is written included. Default: 10.
    pub keep_files: Option<u32>,
    /// Whether LookupEvents also knows of what was only read. Default: false, so that pulls cost nothing.
    #[serde(default)]
    pub record_reads: bool,
    /// Days that LookupEvents looks back. Default: 90.
    pub retention_days: Option<u32>,
    /// Events that LookupEvents knows of, the newest; 0 for none at all. Default: 1000000.
    pub max_events: Option<u64>,
}

impl AuditConfig {
    /// The settings in force.
    pub fn settings(&self) -> Result<AuditSettings, ConfigError> {
        let at_least_one = |key: &str, is_zero: bool| {
            if is_zero { Err(ConfigError(format!("audit.{key}: at least 1 is needed"))) } else { Ok(()) }
        };
        at_least_one("rotate_mib", self.rotate_mib == Some(0))?;
        at_least_one("keep_files", self.keep_files == Some(0))?;
        at_least_one("retention_days", self.retention_days == Some(0))?;
        Ok(AuditSettings {
            file: self.file.clone().map(|path| AuditFile {
                path,
                rotate_bytes: self.rotate_mib.unwrap_or(DEFAULT_ROTATE_MIB).saturating_mul(MIB),
                keep_files: self.keep_files.unwrap_or(DEFAULT_KEEP_FILES),
            }),
            record_reads: self.record_reads,
            retention_ms: i64::from(self.retention_days.unwrap_or(DEFAULT_RETENTION_DAYS)) * DAY_MS,
            max_events: self.max_events.unwrap_or(DEFAULT_MAX_EVENTS),
        })
    }

    /// With the defaults filled in.
    pub(super) fn filled(&self) -> Self {
        let mut filled = self.clone();
        if filled.file.is_some() {
            filled.rotate_mib.get_or_insert(DEFAULT_ROTATE_MIB);
            filled.keep_files.get_or_insert(DEFAULT_KEEP_FILES);
        }
        filled.retention_days.get_or_insert(DEFAULT_RETENTION_DAYS);
        filled.max_events.get_or_insert(DEFAULT_MAX_EVENTS);
        filled
    }
}
