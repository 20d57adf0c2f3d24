//! Lets the artifacts that refer to an image follow it to the archive and back (reference/repositories-images.md 4).

use std::sync::Arc;

use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::tables::repositories;

use super::changes::{Actor, Cause};
use super::storage_class;
use crate::Registry;

/// Referrers that one transaction takes along.
const BATCH: usize = 50;

/// The job, of one subject. Which way they go follows from where the subject is when it runs.
#[derive(Debug, Serialize, Deserialize)]
pub struct FollowSubject {
    /// Its repository.
    pub repository_id: i64,
    /// The subject.
    pub image_id: i64,
}

impl Job for FollowSubject {
    const KIND: &'static str = "follow_subject";

    fn key(&self) -> String {
        self.image_id.to_string()
    }
}

impl Handle<Registry> for FollowSubject {
    async fn run(self, app: Arc<Registry>, _: Attempt) -> Result<(), JobError> {
        let Self { repository_id, image_id } = self;
        let mut after = String::new();
        loop {
            let cause = Cause::now(&app, Actor::Service);
            let from = after.clone();
            let next = app.db.write(move |tx| {
                let Some(repository) = repositories::find_by_id(tx, repository_id)? else { return Ok(None) };
                storage_class::follow_subject(tx, &repository, image_id, &from, BATCH, &cause)
            });
            match next.await.map_err(|error: StoreError| JobError::from(error))? {
                Some(last) => after = last,
                None => return Ok(()),
            }
        }
    }
}
