//! Makes an image active that is on its way back from the archive, once all that it needs is there.

use std::sync::Arc;

use access::audit::{ServiceEvent, record_service_event};
use oci::Digest;
use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use serde_json::json;
use store::error::StoreError;
use store::tables::images::ImageStatus;
use store::tables::repositories::{self, NewRepository, Repository};

use super::changes::{Actor, Cause};
use super::storage_class::{self, RestoreEnd, StorageClass};
use crate::Registry;

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
}

impl Handle<Registry> for RestoreImage {
    async fn run(self, app: Arc<Registry>, _: Attempt) -> Result<(), JobError> {
        let cause = Cause::now(&app, Actor::Service);
        let until_ms = cause.at_ms + LOOK_AGAIN_MS;
        let restored = app.db.write(move |tx| {
            let Some(repository) = repositories::find_by_id(tx, self.repository_id)? else { return Ok(None) };
            let end = storage_class::finish_restore(tx, &repository, self.image_id, &cause)?;
            Ok::<_, StoreError>(Some((repository, end)))
        });
        match restored.await? {
            None | Some((_, RestoreEnd::Settled)) => Ok(()),
            Some((_, RestoreEnd::Waits)) => Err(JobError::TooEarly { until_ms }),
            Some((repository, RestoreEnd::Active(digest))) => {
                record_service_event(&app, &restored_event(&repository, &digest));
                Ok(())
            }
        }
    }
}

/// The second event of a restore (reference/repositories-images.md 4): the first is the call that began it. It has the
/// call's name (inferred), so that whoever looks for one finds both.
fn restored_event(repository: &Repository, digest: &Digest) -> ServiceEvent {
    let NewRepository { registry, name, .. } = &repository.spec;
    ServiceEvent {
        registry: registry.clone(),
        name: "UpdateImageStorageClass",
        repositories: vec![name.to_string()],
        details: json!({
            "repositoryName": name.as_str(),
            "imageDigest": digest.to_string(),
            "targetStorageClass": StorageClass::Standard.as_str(),
            "imageStatus": ImageStatus::Active.as_str(),
        }),
    }
}
