//! The job that takes a feed's file from a layer of a repository, for servers that fetch nothing: what is stored of it.
//!
//! Of a file, at one time one revision is written: an update waits while an import is asked for, and an import waits while
//! an update is at it. Each is noted before the other looks, so that they cannot both go on.

use oci::Digest;
use runtime::jobs::job::{self, Job};
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::StoreError;
use store::tables::advisory_feeds;
use store::tables::jobs;
use store::tables::repositories::Repository;

use crate::update_advisories::UpdateAdvisories;

/// The job, of one file of a feed.
#[derive(Debug, Serialize, Deserialize)]
pub struct ImportAdvisories {
    /// The file, by the name under which it is stored.
    pub file: String,
    /// The repository that has it as a layer.
    pub repository_id: i64,
    /// The layer.
    pub digest: String,
    /// Whether it may have less than half of what is in force.
    #[serde(default)]
    pub is_forced: bool,
}

impl Job for ImportAdvisories {
    const KIND: &'static str = "import_advisories";

    fn key(&self) -> String {
        self.file.clone()
    }
}

/// Asks for the import of a file, which is wanted from now on; gives the revision that is in force until then.
pub fn ask(
    tx: &mut dyn Tx,
    file: &str,
    (repository, digest): (&Repository, &Digest),
    is_forced: bool,
    now_ms: i64,
) -> Result<i64, StoreError> {
    advisory_feeds::want(tx, file)?;
    let (file_name, digest) = (file.to_owned(), digest.to_string());
    let job = ImportAdvisories { file: file_name, repository_id: repository.id, digest, is_forced };
    job::enqueue(tx, &job, now_ms, now_ms)?;
    advisory_feeds::revision(tx, file)
}

/// Whether an import of the file waits or is under way.
pub(crate) fn is_asked_for(tx: &mut dyn Tx, file: &str) -> Result<bool, StoreError> {
    jobs::is_noted(tx, ImportAdvisories::KIND, file)
}

/// Whether an update of the file is under way.
pub(crate) fn is_being_updated(tx: &mut dyn Tx, file: &str) -> Result<bool, StoreError> {
    Ok(jobs::find(tx, UpdateAdvisories::KIND, file)?.is_some_and(|job| job.is_running))
}
