//! The job that scans an image: what is stored of it.

use aws::AccountId;
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
    /// Whose image it is.
    pub account: AccountId,
    /// The image.
    pub image_id: i64,
    /// The type of scanning.
    pub scan_type: ScanType,
}

/// What is stored of it.
#[derive(Serialize, Deserialize)]
struct Stored {
    account: String,
    image_id: i64,
    scan_type: String,
}

impl From<ScanImage> for Stored {
    fn from(ScanImage { account, image_id, scan_type }: ScanImage) -> Self {
        Self { account: account.to_string(), image_id, scan_type: scan_type.as_str().to_owned() }
    }
}

impl TryFrom<Stored> for ScanImage {
    type Error = String;

    fn try_from(Stored { account, image_id, scan_type }: Stored) -> Result<Self, String> {
        let account = account.parse().map_err(|error| format!("'{account}' is no account: {error}"))?;
        let is_none = |()| format!("'{scan_type}' is no type of scanning");
        Ok(Self { account, image_id, scan_type: scan_type.parse().map_err(is_none)? })
    }
}

impl Job for ScanImage {
    const KIND: &'static str = "scan_image";

    fn key(&self) -> String {
        format!("{} {}", self.image_id, self.scan_type.as_str())
    }

    fn account(&self) -> Option<AccountId> {
        Some(self.account)
    }
}

/// Has an image scanned: notes that somebody waits for it, and the job.
pub fn request(tx: &mut dyn Tx, job: ScanImage, cause: ScanCause, now_ms: i64) -> Result<(), StoreError> {
    image_scans::request(tx, job.image_id, job.scan_type, cause, now_ms)?;
    enqueue(tx, &job, now_ms, now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_stored_as_it_always_was() {
        let account: AccountId = "000000000007".parse().expect("an account");
        let job = ScanImage { account, image_id: 7, scan_type: ScanType::Enhanced };
        assert_eq!((job.key().as_str(), job.account()), ("7 ENHANCED", Some(account)));
        let stored = r#"{"account":"000000000007","image_id":7,"scan_type":"ENHANCED"}"#;
        assert_eq!(serde_json::to_string(&job).expect("JSON"), stored);
        let read: ScanImage = serde_json::from_str(stored).expect("a job");
        assert_eq!((read.account, read.image_id, read.scan_type), (account, 7, ScanType::Enhanced));
        for (from, to) in [("ENHANCED", "OTHER"), ("000000000007", "7")] {
            assert!(serde_json::from_str::<ScanImage>(&stored.replace(from, to)).is_err(), "{to}");
        }
    }
}
