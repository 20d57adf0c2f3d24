//! DescribeAdvisories: where advisories come from, and how each file of each feed stands.

use access::action::Action;
use access::auth::authorize::Need;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use scan::feeds::catalog::{Feed, FeedFile, Role};
use scanning::advisory_overview::{self, FileOverview, Standing};
use serde::Serialize;
use store::tables::jobs::JobStatus;

use super::errors::WharfError;
use super::update_advisories::AdvisoryNames;

const HOUR_MS: i64 = 60 * 60 * 1000;

/// Describes where advisories come from, and how old they are: each file of each feed, or of those that are named.
pub struct DescribeAdvisories;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    is_offline: bool,
    max_data_age_hours: i64,
    files: Vec<File>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct File {
    name: String,
    status: &'static str,
    is_enabled: bool,
    is_wanted: bool,
    is_stale: bool,
    revision: i64,
    records: i64,
    broken_records: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    source_updated_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    checked_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempted_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_attempt_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    update: Option<Job>,
    #[serde(skip_serializing_if = "Option::is_none", rename = "import")]
    import_job: Option<Job>,
    /// Absent if no feed has the file any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    feed: Option<FeedOf>,
}

/// The feed that a file is of.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct FeedOf {
    name: String,
    url: String,
    form: String,
    packaging: String,
    ecosystems: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<String>,
    role: &'static str,
    licence: String,
    interval_minutes: u64,
    max_bytes: u64,
}

impl FeedOf {
    fn new((feed, file): (&Feed, &FeedFile)) -> Self {
        Self {
            name: feed.name.clone(),
            url: file.url.clone(),
            form: feed.form.to_string(),
            packaging: feed.packaging.to_string(),
            ecosystems: feed.covers.iter().map(|ecosystem| ecosystem.name()).collect(),
            release: file.release.clone(),
            role: match feed.role {
                Role::Authoritative => "AUTHORITATIVE",
                Role::Additional => "ADDITIONAL",
            },
            licence: feed.licence.clone(),
            interval_minutes: feed.interval.as_secs() / 60,
            max_bytes: feed.packed_bytes,
        }
    }
}

/// An update or an import that is not over.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Job {
    status: &'static str,
    attempts: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
}

impl From<JobStatus> for Job {
    fn from(job: JobStatus) -> Self {
        let status = match (job.is_dead, job.is_running) {
            (true, _) => "DEAD",
            (false, true) => "RUNNING",
            (false, false) => "WAITING",
        };
        Self { status, attempts: job.attempts, last_error: job.last_error }
    }
}

impl From<FileOverview<'_>> for File {
    fn from(of: FileOverview<'_>) -> Self {
        let FileOverview { name, of, wanted, standing, next_look_ms, update, import } = of;
        let at = |ms: Option<i64>| ms.map(Timestamp::from_ms);
        let stored = wanted.as_ref();
        Self {
            name,
            status: match standing {
                Standing::Off => "OFF",
                Standing::Removed => "REMOVED",
                Standing::Unwanted => "NOT_WANTED",
                Standing::Pending => "PENDING",
                Standing::Missing => "MISSING",
                Standing::Stale => "STALE",
                Standing::Current => "CURRENT",
            },
            is_enabled: of.is_some_and(|(feed, _)| feed.is_on),
            is_wanted: stored.is_some(),
            is_stale: standing == Standing::Stale,
            revision: stored.map_or(0, |row| row.revision),
            records: stored.map_or(0, |row| row.records),
            broken_records: stored.map_or(0, |row| row.broken),
            source_updated_at: at(stored.and_then(|row| row.source_updated_at_ms)),
            changed_at: at(stored.and_then(|row| row.changed_at_ms)),
            checked_at: at(stored.and_then(|row| row.checked_at_ms)),
            attempted_at: at(stored.and_then(|row| row.attempted_at_ms)),
            next_attempt_at: at(next_look_ms),
            failure: wanted.and_then(|row| row.failure),
            update: update.map(Job::from),
            import_job: import.map(Job::from),
            feed: of.map(FeedOf::new),
        }
    }
}

impl Operation for DescribeAdvisories {
    const NAME: &'static str = "DescribeAdvisories";
    const ACTION: Action = Action::WharfDescribeAdvisories;
    const READ_ONLY: bool = true;
    type Input = AdvisoryNames;
    type Output = Output;
    type Checked = Vec<String>;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: AdvisoryNames) -> Result<Vec<String>, WharfError> {
        input.check(call)
    }

    fn needs(_: &Call<'_>, _: &Vec<String>) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, names: Vec<String>) -> Result<Output, WharfError> {
        let settings = &call.app.advisories;
        let (app, now_ms) = (call.app.clone(), call.app.now_ms());
        let described = call.app.db.read(move |tx| {
            let is_asked = |file: &str| {
                let feed = file.split('/').next().unwrap_or_default();
                names.is_empty() || names.iter().any(|name| name == file || name == feed)
            };
            let files = advisory_overview::list(tx, &app.advisories, is_asked, now_ms)?;
            Ok::<_, WharfError>(files.into_iter().map(File::from).collect())
        });
        Ok(Output {
            is_offline: settings.is_offline,
            max_data_age_hours: settings.max_data_age_ms / HOUR_MS,
            files: described.await?,
        })
    }
}
