//! Gives a KMS key new material when its rotation period is over.

use std::sync::Arc;

use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::tables::key_version;
use store::tables::kms_keys::{self, RotationType};
use uuid::Uuid;

use super::errors::KmsError;
use super::material::next_version;
use crate::Access;

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// The job, of one key; it notes itself for the next time.
#[derive(Debug, Serialize, Deserialize)]
pub struct RotateKmsKey {
    /// The key's id.
    pub key_id: String,
}

impl Job for RotateKmsKey {
    const KIND: &'static str = "rotate_kms_key";

    fn key(&self) -> String {
        self.key_id.clone()
    }
}

impl Handle<Access> for RotateKmsKey {
    async fn run(self, app: Arc<Access>, _: Attempt) -> Result<(), JobError> {
        let key_id = self.key_id.parse().map_err(|_| JobError::Hopeless(format!("{} is no key's id", self.key_id)))?;
        match rotate(&app, key_id).await? {
            None => Ok(()),
            Some(until_ms) => Err(JobError::TooEarly { until_ms }),
        }
    }
}

/// Gives a key new material if its time has come, and says when that is next; none if it is not rotated by itself.
async fn rotate(app: &Access, key_id: Uuid) -> Result<Option<i64>, StoreError> {
    let now_ms = app.now_ms();
    let found = app.db.read_point(move |tx| kms_keys::find_by_key_id(tx, key_id)).await?;
    let Some(key) = found else { return Ok(None) };
    let version = next_version(app, &key, RotationType::Automatic);
    let next_ms = app
        .db
        .write(move |tx| {
            let Some(mut key) = kms_keys::find_by_key_id(tx, key_id)? else { return Ok(None) };
            let (Some(days), Some(mut next_ms)) = (key.rotation_days, key.next_rotation_at_ms) else {
                return Ok(None);
            };
            if next_ms <= now_ms {
                // A key that cannot be used is not rotated; it is when it can be, at the time after.
                if KmsError::of_state(&key).is_none() && key.current_version + 1 == version.version {
                    kms_keys::rotate(tx, &key, &version)?;
                    key_version::increment(tx)?;
                }
                next_ms = now_ms + days * DAY_MS;
                key.next_rotation_at_ms = Some(next_ms);
                kms_keys::update(tx, &key)?;
            }
            Ok::<_, StoreError>(Some(next_ms))
        })
        .await?;
    app.publish_changes().await?;
    Ok(next_ms)
}
