//! Gives a KMS key new material when its rotation period is over.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rotation::rotate;
use crate::app::App;
use crate::jobs::handler::Handle;
use crate::jobs::job::{Attempt, Job, JobError};

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

impl Handle<App> for RotateKmsKey {
    async fn run(self, app: Arc<App>, _: Attempt) -> Result<(), JobError> {
        let key_id = self.key_id.parse().map_err(|_| JobError::Hopeless(format!("{} is no key's id", self.key_id)))?;
        match rotate(&app, key_id).await? {
            None => Ok(()),
            Some(until_ms) => Err(JobError::TooEarly { until_ms }),
        }
    }
}
