//! The job that scans an image: what is stored of it.

use runtime::jobs::job::{Job, enqueue};
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::StoreError;
use store::tables::image_scans::{self, ScanCause};
use store::tables::scanning_configurations::ScanType;

/// The job, of one image and type of scanning.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
#[serde(into = "Stored", try_from = "Stored")]
pub struct ScanImage {
    /// The image.
    pub image_id: i64,
    /// The type of scanning.
    pub scan_type: ScanType,
}

/// What is stored of it.
#[derive(Serialize, Deserialize)]
struct Stored {
    image_id: i64,
    scan_type: String,
}

impl From<ScanImage> for Stored {
    fn from(ScanImage { image_id, scan_type }: ScanImage) -> Self {
        Self { image_id, scan_type: scan_type.as_str().to_owned() }
    }
}

impl TryFrom<Stored> for ScanImage {
    type Error = String;

    fn try_from(Stored { image_id, scan_type }: Stored) -> Result<Self, String> {
        match scan_type.parse() {
            Ok(scan_type) => Ok(Self { image_id, scan_type }),
            Err(()) => Err(format!("'{scan_type}' is no type of scanning")),
        }
    }
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
