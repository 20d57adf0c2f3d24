//! Checks all that is stored, when somebody has asked for it.

use std::sync::Arc;

use registry::Registry;
use runtime::boxed;
use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, Job, JobError, enqueue};
use runtime::with_causes;
use serde::{Deserialize, Serialize};
use store::error::StoreError;
use store::tables::storage_checks::{self, CheckStatus, StorageCheck};

use super::check::{self, KEPT, Progress, Settings};

/// The job, of one check.
#[derive(Debug, Serialize, Deserialize)]
pub struct CheckStorage {
    /// Its id.
    pub check_id: String,
}

impl Job for CheckStorage {
    const KIND: &'static str = "check_storage";

    fn key(&self) -> String {
        self.check_id.clone()
    }
}

impl Handle<Registry> for CheckStorage {
    const AT_ONCE: usize = 1;
    const MAX_ATTEMPTS: i64 = 3;

    async fn run(self, app: Arc<Registry>, attempt: Attempt) -> Result<(), JobError> {
        let id = self.check_id;
        let Some(row) = app.db.read(move |tx| storage_checks::find(tx, &id)).await? else { return Ok(()) };
        let settings: Settings = serde_json::from_str(&row.settings)
            .map_err(|error| JobError::Hopeless(format!("its settings cannot be read: {error}")))?;
        let result = check::run(Arc::clone(&app), row.clone(), settings).await;
        if let Err(error) = &result
            && attempt.is_last
        {
            let text = Some(with_causes(error));
            let finished_at_ms = Some(app.now_ms());
            let failed = StorageCheck { status: CheckStatus::Failed, error: text, finished_at_ms, ..row };
            app.db.write(move |tx| storage_checks::update(tx, &failed)).await?;
        }
        Ok(result?)
    }
}

/// Has a check done; returns its id. What goes on already is left alone.
#[boxed]
pub async fn start(app: &Registry, settings: &Settings) -> Result<String, StoreError> {
    let (id, now_ms) = (runtime::random::uuid().to_string(), app.now_ms());
    let row = StorageCheck {
        id: id.clone(),
        settings: serde_json::to_string(settings).expect("numbers can be written as JSON"),
        status: CheckStatus::Waiting,
        started_at_ms: now_ms,
        finished_at_ms: None,
        progress: serde_json::to_string(&Progress::default()).expect("numbers can be written as JSON"),
        error: None,
    };
    app.db
        .write(move |tx| {
            storage_checks::insert(tx, &row, KEPT)?;
            enqueue(tx, &CheckStorage { check_id: row.id.clone() }, now_ms, now_ms)
        })
        .await?;
    app.wake_jobs.wake();
    Ok(id)
}
