//! The job that scans an image: what is stored of it.

use std::str::FromStr as _;

use runtime::jobs::job::{Job, enqueue};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_scans::{self, ScanCause};
use store::tables::scanning_configurations::ScanType;

/// The job, of one image and type of scanning.
#[derive(Debug, Serialize, Deserialize)]
pub struct ScanImage {
    /// The image.
    pub image_id: i64,
    /// The type of scanning.
    #[serde(serialize_with = "by_word", deserialize_with = "of_word")]
    pub scan_type: ScanType,
}

fn by_word<S: Serializer>(scan_type: &ScanType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(scan_type.as_str())
}

fn of_word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ScanType, D::Error> {
    let word = String::deserialize(deserializer)?;
    ScanType::from_str(&word).map_err(|()| serde::de::Error::custom(format!("'{word}' is no type of scanning")))
}

impl Job for ScanImage {
    const KIND: &'static str = "scan_image";

    fn key(&self) -> String {
        format!("{} {}", self.image_id, self.scan_type.as_str())
    }
}

/// Has an image scanned: notes that somebody waits for it, and the job.
pub fn request(
    tx: &mut dyn Tx,
    image_id: i64,
    scan_type: ScanType,
    cause: ScanCause,
    now_ms: i64,
) -> Result<(), StoreError> {
    image_scans::request(tx, image_id, scan_type, cause, now_ms)?;
    enqueue(tx, &ScanImage { image_id, scan_type }, now_ms, now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_stored_as_it_always_was() {
        let job = ScanImage { image_id: 7, scan_type: ScanType::Enhanced };
        assert_eq!(job.key(), "7 ENHANCED");
        let stored = r#"{"image_id":7,"scan_type":"ENHANCED"}"#;
        assert_eq!(serde_json::to_string(&job).expect("JSON"), stored);
        let read: ScanImage = serde_json::from_str(stored).expect("a job");
        assert_eq!((read.image_id, read.scan_type), (7, ScanType::Enhanced));
        assert!(serde_json::from_str::<ScanImage>(r#"{"image_id":7,"scan_type":"OTHER"}"#).is_err());
    }
}
