//! Makes an image active that is on its way back from the archive, once all that it needs is there.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::tables::repositories;

use super::job::{Attempt, Job, JobError};
use crate::app::App;
use crate::registry::changes::{Actor, Cause};
use crate::registry::storage_class;

/// What an image waits for lets it go on when it is there; this is for what nobody has thought of.
const LOOK_AGAIN_MS: i64 = 60 * 1000;

/// The job, of one image.
#[derive(Debug, Serialize, Deserialize)]
pub struct RestoreImage {
    /// Its repository.
    pub repository_id: i64,
    /// The image.
    pub image_id: i64,
}

impl Job for RestoreImage {
    const KIND: &'static str = "restore_image";

    fn key(&self) -> String {
        self.image_id.to_string()
    }

    async fn run(self, app: Arc<App>, _: Attempt) -> Result<(), JobError> {
        let cause = Cause::now(&app, Actor::Service);
        let until_ms = cause.at_ms + LOOK_AGAIN_MS;
        let is_done = app.db.write(move |tx| {
            let Some(repository) = repositories::find_by_id(tx, self.repository_id)? else { return Ok(true) };
            storage_class::finish_restore(tx, &repository, self.image_id, &cause)
        });
        let is_done = is_done.await.map_err(|error: StoreError| JobError::from(error))?;
        if is_done { Ok(()) } else { Err(JobError::TooEarly { until_ms }) }
    }
}
