//! DescribeLifecyclePolicies: when lifecycle policies ran, what came of it, and which of them are running.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use registry::images::lifecycle::decision::ImageAction;
use registry::images::lifecycle::run::{self, Report, ReportedFailure};
use registry::images::lifecycle::run_lifecycle_policy::RunLifecyclePolicy;
use registry::images::repositories::require;
use runtime::jobs::job::Job as _;
use serde::Serialize;
use store::db::Tx;
use store::tables::lifecycle_policies::PolicyOfRepository;
use store::tables::repositories::RepositoryRef;
use store::tables::{jobs, lifecycle_policies, lifecycle_runs, lifecycle_settings};

use super::errors::WharfError;
use super::repository_pages::{RepositoryPage, RepositoryPageMembers};

/// Tells when lifecycle policies ran, what came of it and which run now: of one repository, or of all page by page.
pub struct DescribeLifecyclePolicies;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    policies: Vec<PolicyStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyStatus {
    repository_name: String,
    count_root_images: bool,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_run: Option<LastRun>,
}

#[derive(Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    /// Until its next run.
    Idle,
    /// A run is noted, or going on.
    Running,
    /// The last run was given up.
    Failed,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    planned_count: i64,
    done_count: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LastRun {
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    image_count: usize,
    expired_count: i64,
    archived_count: i64,
    failure_count: usize,
    failures: Vec<Failure>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    image_digest: String,
    rule_priority: i64,
    action: ImageAction,
    failure_code: String,
    failure_reason: String,
}

impl From<ReportedFailure> for Failure {
    fn from(failure: ReportedFailure) -> Self {
        Self {
            image_digest: failure.digest,
            rule_priority: failure.rule_priority,
            action: failure.action,
            failure_code: failure.code,
            failure_reason: failure.reason,
        }
    }
}

impl From<Report> for LastRun {
    fn from(report: Report) -> Self {
        Self {
            finished_at: report.finished_at_ms.map(Timestamp::from_ms),
            image_count: report.image_count,
            expired_count: report.expired_count,
            archived_count: report.archived_count,
            failure_count: report.failure_count,
            failures: report.failures.into_iter().map(Failure::from).collect(),
        }
    }
}

/// The input, validated: a page after this repository.
type Page = RepositoryPage<String>;

impl Operation for DescribeLifecyclePolicies {
    const NAME: &'static str = "DescribeLifecyclePolicies";
    const ACTION: Action = Action::WharfDescribeLifecyclePolicies;
    const READ_ONLY: bool = true;
    type Input = RepositoryPageMembers;
    type Output = Output;
    type Checked = Page;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: RepositoryPageMembers) -> Result<Page, WharfError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, page: &Page) -> Vec<Need> {
        page.needs(Self::ACTION)
    }

    async fn run(call: &Call<'_>, page: Page) -> Result<Output, WharfError> {
        let read = call.app.db.read(move |tx| {
            let Page { registry, repository, limit, place: after } = &page;
            let found = match repository {
                Some(name) => vec![find(tx, &registry.repository(name))?],
                None => lifecycle_policies::list(tx, registry, after, *limit)?,
            };
            let is_full = repository.is_none() && found.len() == *limit;
            let last = found.last().filter(|_| is_full).map(|last| last.repository.to_string());
            let policies = found.into_iter().map(|policy| status(tx, policy)).collect::<Result<_, _>>()?;
            Ok::<_, WharfError>(Output { policies, next_token: last.map(|last| List::Any.token(&last)) })
        });
        read.await
    }
}

fn find(tx: &mut dyn Tx, place: &RepositoryRef) -> Result<PolicyOfRepository, WharfError> {
    let repository_id = require(tx, place)?.id;
    match lifecycle_policies::find(tx, repository_id)? {
        Some(policy) => Ok(PolicyOfRepository { repository_id, repository: place.name.clone(), policy }),
        None => Err(WharfError::LifecyclePolicyNotFound(place.clone())),
    }
}

fn status(tx: &mut dyn Tx, stored: PolicyOfRepository) -> Result<PolicyStatus, WharfError> {
    let PolicyOfRepository { repository_id, repository, policy } = stored;
    let job = jobs::find(tx, RunLifecyclePolicy::KIND, &RunLifecyclePolicy { repository_id }.key())?;
    let state = match &job {
        None => State::Idle,
        Some(job) if job.is_dead => State::Failed,
        Some(_) => State::Running,
    };
    let run = lifecycle_runs::find(tx, repository_id)?;
    Ok(PolicyStatus {
        repository_name: repository.to_string(),
        count_root_images: lifecycle_settings::counts_root_images(tx, repository_id)?,
        state,
        last_error: job.and_then(|job| job.last_error),
        last_evaluated_at: (policy.last_evaluated_at_ms > 0).then(|| Timestamp::from_ms(policy.last_evaluated_at_ms)),
        progress: run.map(|run| Progress {
            planned_count: run.action_count,
            done_count: run.expired_count + run.archived_count,
        }),
        last_run: run::last_report(&policy).map(LastRun::from),
    })
}
