//! What reading a feed may cost at most.

use super::reckoning;
use crate::advisory::Advisory;

/// What reading a feed may cost at most: hostile feeds reach these bounds, real ones do not.
#[derive(Debug, Clone, Copy)]
pub struct FeedLimits {
    /// Bytes of one record.
    pub record_bytes: usize,
    /// Bytes that one record takes in memory while it is read, as reckoned from its text.
    pub record_memory: usize,
    /// Records of the whole feed.
    pub records: u64,
    /// Bytes of the whole feed, without compression.
    pub bytes: u64,
    /// Rows of one advisory.
    pub rows: usize,
    /// Names of the vulnerabilities of one advisory.
    pub names: usize,
    /// Bytes that one advisory takes in memory.
    pub advisory_memory: usize,
    /// How deep a record's parts lie in one another.
    pub depth: usize,
    /// Files of an archive.
    pub entries: u64,
    /// How many times its size a file may unpack to, once it has unpacked to more than [`FeedLimits::ratio_from_bytes`].
    pub ratio: u64,
    /// Unpacked bytes up to which [`FeedLimits::ratio`] is not asked: small feeds of much the same pack very well.
    pub ratio_from_bytes: u64,
}

impl Default for FeedLimits {
    fn default() -> Self {
        Self {
            record_bytes: 64 << 20,
            record_memory: 128 << 20,
            records: 2_000_000,
            bytes: 16 << 30,
            rows: 100_000,
            names: 10_000,
            advisory_memory: 64 << 20,
            depth: 100,
            entries: 2_000_000,
            ratio: 1000,
            ratio_from_bytes: 256 << 20,
        }
    }
}

impl FeedLimits {
    /// Whether so much may be made of so much.
    pub(super) fn check(&self, unpacked: u64, packed: u64) -> Result<(), String> {
        if unpacked > self.bytes {
            return Err(format!("it is larger than {} bytes", self.bytes));
        }
        if unpacked > self.ratio_from_bytes && unpacked / self.ratio.max(1) > packed {
            return Err(format!("it unpacks to more than {} times its size", self.ratio));
        }
        Ok(())
    }

    /// Whether an advisory is within what one may hold.
    pub(super) fn check_advisory(&self, advisory: &Advisory) -> Result<(), String> {
        let Advisory { head, affected } = advisory;
        if affected.len() > self.rows {
            return Err(format!("it has more than {} rows", self.rows));
        }
        self.check_names(head.vulnerabilities.len().saturating_add(head.aliases.len()))?;
        if reckoning::of_advisory(advisory) > self.advisory_memory {
            return Err(format!("what it says takes more than {} bytes of memory", self.advisory_memory));
        }
        Ok(())
    }

    /// Whether an advisory may have so many names of vulnerabilities.
    pub(super) fn check_names(&self, names: usize) -> Result<(), String> {
        if names > self.names {
            return Err(format!("it names more than {} vulnerabilities", self.names));
        }
        Ok(())
    }
}
