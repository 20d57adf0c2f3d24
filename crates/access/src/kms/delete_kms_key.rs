//! Removes a KMS key for good when its days of waiting are over.

use std::sync::Arc;

use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::tables::{key_version, kms_keys};

use crate::Access;

/// The job, of one key.
#[derive(Debug, Serialize, Deserialize)]
pub struct DeleteKmsKey {
    /// The key's id.
    pub key_id: String,
}

impl Job for DeleteKmsKey {
    const KIND: &'static str = "delete_kms_key";

    fn key(&self) -> String {
        self.key_id.clone()
    }
}

impl Handle<Access> for DeleteKmsKey {
    async fn run(self, app: Arc<Access>, _: Attempt) -> Result<(), JobError> {
        let key_id = self.key_id.parse().map_err(|_| JobError::Hopeless(format!("{} is no key's id", self.key_id)))?;
        let now_ms = app.now_ms();
        let deleted = app.db.write(move |tx| {
            let Some(key) = kms_keys::find_by_key_id(tx, key_id)? else { return Ok(None) };
            match key.delete_at_ms {
                Some(at_ms) if at_ms <= now_ms => {
                    kms_keys::delete(tx, key.id)?;
                    key_version::increment(tx)?;
                    Ok(None)
                }
                // Cancelled, and perhaps asked for again.
                later => Ok::<_, StoreError>(later),
            }
        });
        match deleted.await? {
            None => Ok(app.publish_changes().await?),
            Some(until_ms) => Err(JobError::TooEarly { until_ms }),
        }
    }
}
