//! Reports as bytes for storage: JSON, packed, which is never in memory as a whole when it is written.

use std::collections::HashMap;
use std::io::{self, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use store::error::{StoreError, StoreErrorKind};

/// The form that is written; the first byte of what is stored.
const FORM: u8 = 1;
/// How hard reports are packed: they are made once and read seldom.
const LEVEL: i32 = 3;
/// Bytes that a report may have when it is unpacked: larger ones are not ours.
const MOST_READ: usize = 256 << 20;
/// Bytes of JSON that are written of a report: who reads it takes some times as much. Real ones have some millions.
pub(super) const MOST_WRITTEN: u64 = 64 << 20;

/// Counts bytes.
struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The bytes of a report; none if its JSON has more than `most`.
pub(super) fn to_bytes(report: &impl Serialize, most: u64) -> Result<Option<Vec<u8>>, StoreError> {
    let mut counter = Counter(0);
    serde_json::to_writer(&mut counter, report).map_err(failed)?;
    if counter.0 > most {
        return Ok(None);
    }
    let write = || -> io::Result<Vec<u8>> {
        let mut packer = zstd::stream::write::Encoder::new(vec![FORM], LEVEL)?;
        // Who reads it asks how long it is.
        packer.set_pledged_src_size(Some(counter.0))?;
        packer.include_contentsize(true)?;
        let mut packer = io::BufWriter::with_capacity(128 << 10, packer);
        serde_json::to_writer(&mut packer, report)?;
        packer.into_inner().map_err(io::IntoInnerError::into_error)?.finish()
    };
    write().map(Some).map_err(failed)
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Other, format!("a report of a scan cannot be written: {error}"))
}

/// Reads what [`to_bytes`] wrote.
pub(super) fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StoreError> {
    let damaged = |why: String| StoreError::new(StoreErrorKind::Corrupt, format!("a report of a scan {why}"));
    let Some((&FORM, packed)) = bytes.split_first() else {
        return Err(damaged("is of no form that this program knows".to_owned()));
    };
    let json = zstd::bulk::decompress(packed, MOST_READ).map_err(|error| damaged(format!("is damaged: {error}")))?;
    serde_json::from_slice(&json).map_err(|error| damaged(format!("is damaged: {error}")))
}

/// When each vulnerability of each package was found first, by names: versions change, and the finding is the same.
#[derive(Default)]
pub struct FirstSeen(HashMap<String, HashMap<String, i64>>);

impl FirstSeen {
    /// What a report that was stored knows of it.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, StoreError> {
        #[derive(Deserialize)]
        struct Before {
            findings: Vec<Finding>,
        }

        #[derive(Deserialize)]
        struct Finding {
            vulnerability: String,
            name: String,
            first_seen_ms: i64,
        }

        let Before { findings } = from_bytes(bytes)?;
        let mut first = Self::default();
        for Finding { vulnerability, name, first_seen_ms } in findings {
            let of_name = first.0.entry(name).or_default();
            let at_ms = of_name.entry(vulnerability).or_insert(first_seen_ms);
            *at_ms = (*at_ms).min(first_seen_ms);
        }
        Ok(first)
    }

    /// When a vulnerability of a package was found first.
    pub fn of(&self, vulnerability: &str, name: &str) -> Option<i64> {
        self.0.get(name)?.get(vulnerability).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_that_is_too_long_is_not_kept() {
        let texts = vec!["a".repeat(100); 100];
        let bytes = to_bytes(&texts, 20_000).expect("it can be written").expect("it is small");
        assert_eq!(from_bytes::<Vec<String>>(&bytes).expect("it can be read"), texts);
        assert_eq!(to_bytes(&texts, 1_000).expect("it can be written"), None);
    }

    #[test]
    fn what_was_seen_first_is_known_of_each_name() {
        let finding = |vulnerability: &str, name: &str, first_seen_ms: i64| serde_json::json!({"vulnerability": vulnerability, "name": name, "first_seen_ms": first_seen_ms, "x": 1});
        let findings = [finding("CVE-1", "a", 7), finding("CVE-1", "a", 5), finding("CVE-1", "b", 9)];
        let report = serde_json::json!({"findings": findings, "packages": []});
        let bytes = to_bytes(&report, 1_000).expect("it can be written").expect("it is small");
        let first = FirstSeen::from_bytes(&bytes).expect("it can be read");
        assert_eq!((first.of("CVE-1", "a"), first.of("CVE-1", "b"), first.of("CVE-2", "a")), (Some(5), Some(9), None));
    }
}
