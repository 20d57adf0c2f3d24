//! The job that runs a repository's lifecycle policy.

use std::sync::Arc;

use access::audit::{ServiceEvent, record_service_event};
use oci::RepositoryName;
use runtime::jobs::handler::Handle;
use runtime::jobs::job::{Attempt, Job, JobError};
use serde::{Deserialize, Serialize};
use store::error::StoreError;

use super::run::{self, Report, ReportedFailure, Step, StepEnd, Work};
use crate::Registry;
use crate::images::errors::RegistryError;

/// After so many decisions that were overtaken before anything came of them, one is made and begun in a transaction that
/// keeps others out.
const MAX_OVERTAKEN: usize = 5;

/// Runs the policy that a repository has by then.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct RunLifecyclePolicy {
    /// The repository.
    pub repository_id: i64,
}

impl Job for RunLifecyclePolicy {
    const KIND: &'static str = "run_lifecycle_policy";

    fn key(&self) -> String {
        self.repository_id.to_string()
    }
}

impl Handle<Registry> for RunLifecyclePolicy {
    const AT_ONCE: usize = 2;

    async fn run(self, app: Arc<Registry>, _: Attempt) -> Result<(), JobError> {
        let repository_id = self.repository_id;
        let mut overtaken = 0;
        loop {
            // What was pulled a moment ago has been pulled.
            app.pull_times.flush(&app).await?;
            let has_begun = if overtaken < MAX_OVERTAKEN {
                begin(&app, repository_id).await?
            } else {
                begin_alone(&app, repository_id).await?
            };
            match has_begun {
                Begun::NoPolicy => return Ok(()),
                Begun::Overtaken => overtaken += 1,
                Begun::Run { steps } => match work_off(&app, repository_id, steps).await? {
                    Worked { last: Step::Overtaken, steps: 0 } => overtaken += 1,
                    Worked { last: Step::Overtaken, .. } => overtaken = 0,
                    Worked { last: Step::RunEnded(report), .. } => {
                        if let Some((name, report)) = report.as_deref() {
                            log_report(name, report);
                        }
                        return Ok(());
                    }
                    Worked { last: Step::Done, .. } => {}
                },
            }
        }
    }
}

enum Begun {
    NoPolicy,
    Overtaken,
    Run { steps: usize },
}

/// Decides on a state of the database that is read without keeping anybody out, and stores what was decided if that
/// still holds.
async fn begin(app: &Registry, repository_id: i64) -> Result<Begun, StoreError> {
    let now_ms = app.now_ms();
    let decision = match app.db.read(move |tx| run::find_work(tx, repository_id, now_ms)).await? {
        Work::None => return Ok(Begun::NoPolicy),
        Work::GoOn => return Ok(Begun::Run { steps: 0 }),
        Work::Begin(decision) => decision,
    };
    let is_begun = app.db.make_room(move |tx| run::begin(tx, repository_id, &decision)).await?;
    Ok(if is_begun { Begun::Run { steps: 0 } } else { Begun::Overtaken })
}

/// Decides and does the first step in one transaction: a repository whose tags never rest must not escape its policy.
async fn begin_alone(app: &Arc<Registry>, repository_id: i64) -> Result<Begun, JobError> {
    let now_ms = app.now_ms();
    let node = Arc::clone(app);
    let begun = app.db.make_room(move |tx| {
        match run::find_work(tx, repository_id, now_ms)? {
            Work::None => return Ok((Begun::NoPolicy, Vec::new())),
            Work::GoOn => {}
            Work::Begin(decision) => {
                run::begin(tx, repository_id, &decision)?;
            }
        }
        let StepEnd { step, events } = run::do_step(tx, &node, repository_id, now_ms)?;
        let begun = match step {
            Step::Done | Step::RunEnded(_) => Begun::Run { steps: 1 },
            Step::Overtaken => Begun::Overtaken,
        };
        Ok::<_, RegistryError>((begun, events))
    });
    let (begun, events) = begun.await.map_err(failed)?;
    record(app, &events);
    Ok(begun)
}

fn record(app: &Registry, events: &[ServiceEvent]) {
    for event in events {
        record_service_event(app, event);
    }
}

struct Worked {
    last: Step,
    steps: usize,
}

async fn work_off(app: &Arc<Registry>, repository_id: i64, mut steps: usize) -> Result<Worked, JobError> {
    loop {
        app.pull_times.flush(app).await?;
        let node = Arc::clone(app);
        let now_ms = app.now_ms();
        let done = app.db.make_room(move |tx| run::do_step(tx, &node, repository_id, now_ms)).await;
        let StepEnd { step, events } = done.map_err(failed)?;
        record(app, &events);
        match step {
            Step::Done => steps += 1,
            last @ (Step::Overtaken | Step::RunEnded(_)) => return Ok(Worked { last, steps }),
        }
    }
}

fn log_report(repository: &RepositoryName, report: &Report) {
    let Report { image_count, expired_count, archived_count, failure_count, .. } = report;
    tracing::info!(
        %repository, expired_count, archived_count, failure_count,
        "lifecycle policy of {repository}: {expired_count} of {image_count} images expired, {archived_count} archived, \
         {failure_count} could not be"
    );
    for ReportedFailure { digest, rule_priority, code, reason, .. } in &report.failures {
        tracing::info!(
            %repository, %digest, rule_priority, code,
            "lifecycle policy of {repository}: rule {rule_priority} leaves {digest}: {reason}"
        );
    }
}

fn failed(error: RegistryError) -> JobError {
    match error {
        RegistryError::Store(error) => JobError::Store(error),
        other => JobError::Failed(other.to_string()),
    }
}
