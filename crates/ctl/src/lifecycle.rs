//! `wharf lifecycle`: running lifecycle policies, and what came of it.

use clap::{ArgAction, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::client::Client;
use crate::count::counted;
use crate::deleted_images::shown_tags;
use crate::error::Error;
use crate::{Outcome, Session, date};

/// How often a run is looked at.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(200);
/// How often a plan is asked for anew that did not stay the same over its pages.
const PLAN_ATTEMPTS: usize = 5;
/// More pages than any list has; ends what a faulty server would make endless.
const MAX_PAGES: usize = 100_000;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run lifecycle policies now, and wait for what comes of it. The exit code is 0 if all could be done, 1 if a rule
    /// could not act on an image, 2 after an error.
    Run {
        /// Repositories.
        #[arg(value_name = "REPO", required_unless_present = "all", conflicts_with = "all")]
        repositories: Vec<String>,
        /// All repositories that have a policy.
        #[arg(long)]
        all: bool,
        /// Show what would happen to which image, without doing it.
        #[arg(long)]
        dry_run: bool,
    },
    /// Show when policies ran, and what came of it.
    Status {
        /// Repositories [default: all that have a policy].
        #[arg(value_name = "REPO")]
        repositories: Vec<String>,
    },
    /// Change what a repository adds to lifecycle policies.
    Set {
        /// Repository.
        #[arg(value_name = "REPO")]
        repository: String,
        /// Whether rules look only at images that no manifest list names. Otherwise, as on AWS, the images of a list
        /// count each by itself.
        #[arg(long, required = true, action = ArgAction::Set, value_name = "BOOL")]
        count_root_images: bool,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeAnswer {
    policies: Vec<StatusAnswer>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatusAnswer {
    repository_name: String,
    count_root_images: bool,
    state: State,
    last_error: Option<String>,
    last_evaluated_at: Option<f64>,
    progress: Option<Progress>,
    last_run: Option<LastRun>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum State {
    Idle,
    Running,
    Failed,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Progress {
    planned_count: u64,
    done_count: u64,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct LastRun {
    image_count: u64,
    expired_count: u64,
    archived_count: u64,
    failure_count: u64,
    failures: Vec<Failure>,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Failure {
    image_digest: String,
    rule_priority: i64,
    action: String,
    failure_code: String,
    failure_reason: String,
}

/// The same with its dates as scripts read them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    repository_name: String,
    count_root_images: bool,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<String>,
    last_evaluated_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    last_run: Option<LastRun>,
}

impl From<StatusAnswer> for Status {
    fn from(answer: StatusAnswer) -> Self {
        Self {
            repository_name: answer.repository_name,
            count_root_images: answer.count_root_images,
            state: answer.state,
            last_error: answer.last_error,
            last_evaluated_at: answer.last_evaluated_at.map(date::iso8601),
            progress: answer.progress,
            last_run: answer.last_run,
        }
    }
}

impl Status {
    const COLUMNS: [&str; 7] = ["REPOSITORY", "STATE", "EVALUATED", "IMAGES", "EXPIRED", "ARCHIVED", "FAILED"];

    fn row(&self) -> Vec<String> {
        let state = match (self.state, &self.progress) {
            (State::Idle, _) => "idle".to_owned(),
            (State::Running, Some(progress)) => {
                format!("running, {} of {} done", progress.done_count, progress.planned_count)
            }
            (State::Running, None) => "running".to_owned(),
            (State::Failed, _) => format!("given up: {}", self.last_error.as_deref().unwrap_or("unknown")),
        };
        let evaluated = self.last_evaluated_at.as_deref().map_or_else(|| "never".to_owned(), date::of_iso8601);
        let mut row = vec![self.repository_name.clone(), state, evaluated];
        let counts = self.last_run.as_ref().map_or([None; 4], |run| {
            [run.image_count, run.expired_count, run.archived_count, run.failure_count].map(Some)
        });
        row.extend(counts.map(|count| count.map(|count| count.to_string()).unwrap_or_default()));
        row
    }

    fn has_failures(&self) -> bool {
        self.state == State::Failed || self.last_run.as_ref().is_some_and(|run| run.failure_count > 0)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DryRunAnswer {
    image_count: u64,
    images: Vec<ImageAnswer>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ImageAnswer {
    image_digest: String,
    image_tags: Vec<String>,
    image_pushed_at: f64,
    rule_priority: i64,
    action: String,
    failure_code: Option<String>,
    failure_reason: Option<String>,
}

/// An image of a plan.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlannedImage {
    repository_name: String,
    image_digest: String,
    image_tags: Vec<String>,
    image_pushed_at: String,
    rule_priority: i64,
    /// `EXPIRE` or `TRANSITION`; not done where there is a failure.
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
}

impl PlannedImage {
    fn new(repository: &str, answer: ImageAnswer) -> Self {
        Self {
            repository_name: repository.to_owned(),
            image_digest: answer.image_digest,
            image_tags: answer.image_tags,
            image_pushed_at: date::iso8601(answer.image_pushed_at),
            rule_priority: answer.rule_priority,
            action: answer.action,
            failure_code: answer.failure_code,
            failure_reason: answer.failure_reason,
        }
    }

    fn row(&self) -> Vec<String> {
        let tags = shown_tags(&self.image_tags);
        let action = match self.action.as_str() {
            "EXPIRE" => "expire",
            "TRANSITION" => "archive",
            other => other,
        };
        let action = match &self.failure_reason {
            Some(reason) => format!("stays ({action} failed): {reason}"),
            None => action.to_owned(),
        };
        vec![
            format!("{}@{}", self.repository_name, self.image_digest),
            tags,
            date::of_iso8601(&self.image_pushed_at),
            self.rule_priority.to_string(),
            action,
        ]
    }
}

async fn describe(client: &Client, repository: Option<&str>) -> Result<Vec<Status>, Error> {
    let mut input = json!({ "maxResults": 1000 });
    if let Some(repository) = repository {
        input["repositoryName"] = repository.into();
    }
    let mut found = Vec::new();
    for _ in 0..MAX_PAGES {
        let answer: DescribeAnswer = client.wharf("DescribeLifecyclePolicies", &input).await?;
        found.extend(answer.policies.into_iter().map(Status::from));
        match answer.next_token {
            Some(token) => input["nextToken"] = token.into(),
            None => break,
        }
    }
    Ok(found)
}

/// What would happen in a repository, and how many images it has.
async fn plan(client: &Client, repository: &str) -> Result<(u64, Vec<PlannedImage>), Error> {
    let mut attempts = 0;
    loop {
        match plan_once(client, repository).await {
            Err(error) if error.code() == Some("RepositoryChangedException") && attempts < PLAN_ATTEMPTS => {
                attempts += 1;
            }
            result => return result,
        }
    }
}

async fn plan_once(client: &Client, repository: &str) -> Result<(u64, Vec<PlannedImage>), Error> {
    let mut input = json!({ "repositoryName": repository });
    let mut images = Vec::new();
    let mut image_count = 0;
    for _ in 0..MAX_PAGES {
        let answer: DryRunAnswer = client.wharf("DryRunLifecyclePolicy", &input).await?;
        image_count = answer.image_count;
        images.extend(answer.images.into_iter().map(|image| PlannedImage::new(repository, image)));
        match answer.next_token {
            Some(token) => input["nextToken"] = token.into(),
            None => break,
        }
    }
    Ok((image_count, images))
}

/// Lets a policy run, and waits for the end.
async fn run_now(session: &mut Session<'_>, repository: &str) -> Result<Status, Error> {
    let _: Value = session.client.wharf("RunLifecyclePolicy", &json!({ "repositoryName": repository })).await?;
    let mut last_count = None;
    loop {
        let status = describe(&session.client, Some(repository)).await?.into_iter().next();
        // A policy that was deleted meanwhile is an error of the call itself.
        let status = status.ok_or_else(|| Error::Usage(format!("{repository} has no lifecycle policy any more")))?;
        if status.state != State::Running {
            return Ok(status);
        }
        if let Some(progress) = &status.progress
            && last_count != Some(progress.done_count)
        {
            last_count = Some(progress.done_count);
            session
                .output
                .note(&format!("{repository}: {} of {} done", progress.done_count, progress.planned_count))?;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

impl Command {
    pub(crate) async fn run(self, session: &mut Session<'_>) -> Result<Outcome, Error> {
        match self {
            Self::Run { repositories, all, dry_run } => {
                let names = if all {
                    describe(&session.client, None).await?.into_iter().map(|status| status.repository_name).collect()
                } else {
                    repositories
                };
                if dry_run { show_plans(session, &names).await } else { run_all(session, &names).await }
            }
            Self::Status { repositories } => {
                let mut found = Vec::new();
                if repositories.is_empty() {
                    found = describe(&session.client, None).await?;
                }
                for repository in &repositories {
                    found.extend(describe(&session.client, Some(repository)).await?);
                }
                show_statuses(session, &found)?;
                Ok(Outcome::Done)
            }
            Self::Set { repository, count_root_images } => {
                let input = json!({ "repositoryName": repository, "countRootImages": count_root_images });
                let _: Value = session.client.wharf("PutLifecycleSettings", &input).await?;
                session.output.show(&input, |_| {
                    let what =
                        if count_root_images { "only images that no manifest list names" } else { "every image" };
                    format!("Lifecycle rules of {repository} count {what} from the next run on")
                })?;
                Ok(Outcome::Done)
            }
        }
    }
}

async fn show_plans(session: &mut Session<'_>, names: &[String]) -> Result<Outcome, Error> {
    let (mut images, mut image_count) = (Vec::new(), 0);
    for name in names {
        let (count, planned) = plan(&session.client, name).await?;
        image_count += count;
        images.extend(planned);
    }
    let columns = ["IMAGE", "TAGS", "PUSHED", "RULE", "ACTION"];
    session.output.list(&images, "Nothing would happen.", &columns, PlannedImage::row)?;
    let failed = images.iter().filter(|image| image.failure_code.is_some()).count();
    session.output.note(&format!(
        "{} of {} would go or move, {failed} could not. Nothing was changed.",
        images.len() - failed,
        counted(image_count, "image", "images")
    ))?;
    Ok(if failed == 0 { Outcome::Done } else { Outcome::No })
}

async fn run_all(session: &mut Session<'_>, names: &[String]) -> Result<Outcome, Error> {
    let mut done = Vec::new();
    for name in names {
        done.push(run_now(session, name).await?);
    }
    show_statuses(session, &done)?;
    Ok(if done.iter().any(Status::has_failures) { Outcome::No } else { Outcome::Done })
}

fn show_statuses(session: &mut Session<'_>, statuses: &[Status]) -> Result<(), Error> {
    session.output.list(statuses, "No repository has a lifecycle policy.", &Status::COLUMNS, Status::row)?;
    for status in statuses {
        let failures = status.last_run.iter().flat_map(|run| &run.failures);
        for failure in failures {
            session.output.note(&format!(
                "{}@{} stays: rule {}: {}",
                status.repository_name, failure.image_digest, failure.rule_priority, failure.failure_reason
            ))?;
        }
    }
    Ok(())
}
