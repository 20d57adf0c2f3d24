//! Carrying a policy out: what was decided is stored, and done in steps, each of which first makes sure that nothing has
//! changed that the decision rests on. A run that is cut off goes on where it was; one that is overtaken by changes
//! decides anew.

use access::audit::ServiceEvent;
use oci::{Digest, RepositoryName};
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::lifecycle_runs::{self, LifecycleRun};
use store::tables::repositories::{self, Repository};
use store::tables::{image_tags, images, lifecycle_changes, lifecycle_images, lifecycle_policies, lifecycle_settings};

use super::decision::{self, Decision, ImageAction, Planned, Unable};
use super::service_events::{self, PolicyEvents};
use crate::Registry;
use crate::images::changes::{Actor, Cause};
use crate::images::delete::{self, Deletion, NotDeleted};
use crate::images::errors::RegistryError;
use crate::images::pull::Selector;
use crate::images::storage_class::{self, NotSupported, StorageClass};

/// Images of one step, which is one transaction.
const IMAGES_PER_STEP: usize = 100;
/// Failures that are kept of a run, and characters of each reason; more are only counted.
const MAX_FAILURES: usize = 100;
const MAX_REASON: usize = 1_000;
/// The failure code of an image that cannot be archived as it is; ECR has none.
const NOT_TRANSITIONED: &str = "ImageStorageClassUpdateNotSupported";

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// When it decided.
    pub decided_at_ms: i64,
    /// When it was done.
    pub finished_at_ms: Option<i64>,
    /// How many images there were.
    pub image_count: usize,
    /// How many it has deleted.
    pub expired_count: i64,
    /// How many it has moved to the archive.
    pub archived_count: i64,
    /// How many it would have acted on, but for a reason.
    pub failure_count: usize,
    /// Those that were decided first: the oldest of them, then those that came to light when they were acted on.
    pub failures: Vec<ReportedFailure>,
}

impl Report {
    fn add(&mut self, failures: Vec<ReportedFailure>) {
        self.failure_count += failures.len();
        let room = MAX_FAILURES.saturating_sub(self.failures.len());
        self.failures.extend(failures.into_iter().take(room));
    }
}

/// An image that could not be acted on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedFailure {
    /// The image.
    pub digest: String,
    /// The rule.
    pub rule_priority: i64,
    /// What the rule wanted.
    pub action: ImageAction,
    /// A word for the reason.
    pub code: String,
    /// The reason.
    pub reason: String,
}

impl From<&Unable> for ReportedFailure {
    fn from(unable: &Unable) -> Self {
        Self {
            digest: unable.selected.digest.clone(),
            rule_priority: unable.selected.rule_priority,
            action: unable.selected.action,
            code: unable.code.to_owned(),
            reason: unable.reason.chars().take(MAX_REASON).collect(),
        }
    }
}

impl ReportedFailure {
    /// An action that was decided, and is refused when it is done.
    fn refused(action: &StoredAction, code: &str, reason: &dyn std::fmt::Display) -> Self {
        Self {
            digest: action.digest.to_string(),
            rule_priority: action.rule_priority,
            action: action.action,
            code: code.to_owned(),
            reason: reason.to_string().chars().take(MAX_REASON).collect(),
        }
    }
}

impl From<&Decision> for Report {
    fn from(decision: &Decision) -> Self {
        Self {
            decided_at_ms: decision.decided_at_ms,
            finished_at_ms: None,
            image_count: decision.image_count,
            expired_count: 0,
            archived_count: 0,
            failure_count: decision.failures.len(),
            failures: decision.failures.iter().take(MAX_FAILURES).map(ReportedFailure::from).collect(),
        }
    }
}

/// One image of a step, as it is stored.
#[derive(Serialize, Deserialize)]
struct StoredAction {
    digest: Digest,
    action: ImageAction,
    rule_priority: i64,
    unless_pulled_after_ms: Option<i64>,
    referrer_count: i64,
}

impl StoredAction {
    fn new(planned: &Planned) -> Result<Self, StoreError> {
        Ok(Self {
            digest: planned.selected.digest.parse().map_err(|_| damaged("a digest of a run"))?,
            action: planned.selected.action,
            rule_priority: planned.selected.rule_priority,
            unless_pulled_after_ms: planned.unless_pulled_after_ms,
            referrer_count: planned.referrer_count,
        })
    }
}

pub(super) fn damaged(what: &str) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("{what} is not what Wharf has stored"))
}

fn to_json<T: Serialize>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value)
        .map_err(|error| StoreError::new(StoreErrorKind::Other, "what is decided cannot be stored").with_source(error))
}

/// What a stored policy or report says.
fn read_report(text: &str) -> Result<Report, StoreError> {
    serde_json::from_str(text).map_err(|error| damaged("the report of a run").with_source(error))
}

/// The last run of a repository's policy, as [`lifecycle_policies`] keeps it. One that is damaged is told of and left out, as
/// nothing is decided by it.
pub fn last_report(policy: &lifecycle_policies::LifecyclePolicy) -> Option<Report> {
    let report = read_report(policy.last_run.as_deref()?);
    report.inspect_err(|error| tracing::error!("the report of a policy's last run is left out: {error}")).ok()
}

/// What there is to do for a repository.
pub enum Work {
    /// It has no policy, or is gone.
    None,
    /// What was decided earlier still holds.
    GoOn,
    /// This was decided now.
    Begin(Box<Decision>),
}

/// Looks for the run that is to go on, and decides if there is none.
pub fn find_work(tx: &mut dyn Tx, repository_id: i64, now_ms: i64) -> Result<Work, StoreError> {
    let Some(policy) = lifecycle_policies::find(tx, repository_id)? else { return Ok(Work::None) };
    let Some(repository) = repositories::find_by_id(tx, repository_id)? else { return Ok(Work::None) };
    if let Some(run) = lifecycle_runs::find(tx, repository_id)?
        && still_holds(tx, repository_id, &run)?
    {
        return Ok(Work::GoOn);
    }
    let parsed = super::parse(&policy.text).map_err(|error| damaged("a lifecycle policy").with_source(error))?;
    let decision = decision::decide(tx, &repository, &policy.text, &parsed, now_ms)?;
    Ok(Work::Begin(Box::new(decision)))
}

/// Whether nothing has changed that a decision rests on.
fn holds(
    tx: &mut dyn Tx,
    repository_id: i64,
    policy_text: &str,
    counts_root_images: bool,
    change_count: i64,
) -> Result<bool, StoreError> {
    let policy = lifecycle_policies::find(tx, repository_id)?;
    Ok(policy.is_some_and(|policy| policy.text == policy_text)
        && lifecycle_settings::counts_root_images(tx, repository_id)? == counts_root_images
        && lifecycle_changes::count(tx, repository_id)? == change_count)
}

fn still_holds(tx: &mut dyn Tx, repository_id: i64, run: &LifecycleRun) -> Result<bool, StoreError> {
    holds(tx, repository_id, &run.policy_text, run.counts_root_images, run.change_count)
}

/// Stores what was decided, to be done in steps; `false` if it no longer holds.
pub fn begin(tx: &mut dyn Tx, repository_id: i64, decision: &Decision) -> Result<bool, StoreError> {
    let Decision { policy_text, counts_root_images, change_count, .. } = decision;
    if !holds(tx, repository_id, policy_text, *counts_root_images, *change_count)? {
        return Ok(false);
    }
    // What was done before it was overtaken belongs to the same run.
    let overtaken = lifecycle_runs::find(tx, repository_id)?.filter(|run| run.policy_text == *policy_text);
    let run = LifecycleRun {
        policy_text: policy_text.clone(),
        counts_root_images: *counts_root_images,
        change_count: *change_count,
        decided_at_ms: decision.decided_at_ms,
        action_count: i64::try_from(decision.actions.len()).unwrap_or(i64::MAX),
        expired_count: overtaken.as_ref().map_or(0, |run| run.expired_count),
        archived_count: overtaken.as_ref().map_or(0, |run| run.archived_count),
        report: to_json(&Report::from(decision))?,
    };
    let mut steps = Vec::new();
    for step in decision.actions.chunks(IMAGES_PER_STEP) {
        let actions: Vec<StoredAction> = step.iter().map(StoredAction::new).collect::<Result<_, _>>()?;
        steps.push(to_json(&actions)?);
    }
    lifecycle_runs::replace(tx, repository_id, &run, steps.into_iter())?;
    Ok(true)
}

/// How a step ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// There may be more.
    Done,
    /// Something has changed, so what is left must be decided anew.
    Overtaken,
    /// There was none left: the run of this repository is over, or was, if there is no report.
    RunEnded(Option<Box<(RepositoryName, Report)>>),
}

/// What a step did, and what CloudTrail is told of it once it is committed.
pub struct StepEnd {
    /// How it ended.
    pub step: Step,
    /// What it did.
    pub events: Vec<ServiceEvent>,
}

impl StepEnd {
    fn quiet(step: Step) -> Self {
        Self { step, events: Vec::new() }
    }
}

/// Does the next step of the repository's run, or ends it.
pub fn do_step(tx: &mut dyn Tx, app: &Registry, repository_id: i64, now_ms: i64) -> Result<StepEnd, RegistryError> {
    let ended = || Ok(StepEnd::quiet(Step::RunEnded(None)));
    let Some(run) = lifecycle_runs::find(tx, repository_id)? else { return ended() };
    let Some(repository) = repositories::find_by_id(tx, repository_id)? else { return ended() };
    let policy = lifecycle_policies::find(tx, repository_id)?;
    if !still_holds(tx, repository_id, &run)? {
        return Ok(StepEnd::quiet(Step::Overtaken));
    }
    let policy_events = app.audit.wants(false).then(|| PolicyEvents {
        name: service_events::EXECUTION,
        repository: &repository,
        policy_text: &run.policy_text,
        last_evaluated_at_ms: policy.map_or(0, |policy| policy.last_evaluated_at_ms),
    });
    let Some((number, actions)) = lifecycle_runs::next_step(tx, repository_id)? else {
        let report = finish(tx, repository_id, &run, now_ms)?;
        let events =
            policy_events.map_or(Ok(Vec::new()), |policy_events| events_of_end(tx, &policy_events, &report))?;
        let step = Step::RunEnded(Some(Box::new((repository.spec.name.clone(), report))));
        return Ok(StepEnd { step, events });
    };
    let actions: Vec<StoredAction> =
        serde_json::from_str(&actions).map_err(|error| damaged("a step of a run").with_source(error))?;
    let (mut expired_count, mut archived_count) = (0, 0);
    let (mut acted, mut refused) = (Vec::new(), Vec::new());
    let mut step = Step::Done;
    for action in &actions {
        let done = match carry_out(tx, app, &repository, action, now_ms)? {
            Outcome::Done(done) => done,
            Outcome::Refused(failure) => {
                refused.push(failure);
                continue;
            }
            Outcome::Overtaken => {
                step = Step::Overtaken;
                break;
            }
        };
        match action.action {
            ImageAction::Expire => expired_count += 1,
            ImageAction::Transition => archived_count += 1,
        }
        acted.push(service_events::action(
            &action.digest.to_string(),
            &done.tags,
            done.pushed_at_ms,
            action.rule_priority,
        ));
    }
    match step {
        Step::Overtaken => lifecycle_runs::overtake(tx, repository_id, expired_count, archived_count)?,
        Step::Done | Step::RunEnded(_) => {
            lifecycle_runs::finish_step(tx, repository_id, number, expired_count, archived_count)?;
        }
    }
    if !refused.is_empty() {
        let mut report = read_report(&run.report)?;
        report.add(refused);
        lifecycle_runs::set_report(tx, repository_id, &to_json(&report)?)?;
    }
    let events = policy_events.map_or(Ok(Vec::new()), |policy_events| policy_events.of(&acted, &[]))?;
    Ok(StepEnd { step, events })
}

/// What is told when a run ends: what it could not do, or that there was nothing to do.
fn events_of_end(
    tx: &mut dyn Tx,
    policy_events: &PolicyEvents<'_>,
    report: &Report,
) -> Result<Vec<ServiceEvent>, StoreError> {
    let mut failures = Vec::new();
    for failure in &report.failures {
        let digest: Digest = failure.digest.parse().map_err(|_| damaged("a digest of a run"))?;
        // What was deleted meanwhile has not failed any more.
        if let Some(image) = images::find(tx, policy_events.repository.id, &digest)? {
            let tags = image_tags::list_of_image(tx, image.id)?;
            failures.push(service_events::failure(&failure.digest, &tags, image.pushed_at_ms, failure));
        }
    }
    if failures.is_empty() && report.expired_count + report.archived_count == 0 {
        return Ok(vec![policy_events.of_nothing()?]);
    }
    policy_events.of(&[], &failures)
}

/// What came of one action.
enum Outcome {
    /// The image is deleted, or in the archive.
    Done(Acted),
    /// The image stays as it is, as something keeps it there: the run goes on without it.
    Refused(ReportedFailure),
    /// It is no longer as it was when the action was decided.
    Overtaken,
}

/// An image as it was when it was acted on.
struct Acted {
    tags: Vec<String>,
    pushed_at_ms: i64,
}

/// Acts on one image.
fn carry_out(
    tx: &mut dyn Tx,
    app: &Registry,
    repository: &Repository,
    action: &StoredAction,
    now_ms: i64,
) -> Result<Outcome, RegistryError> {
    let Some(image) = images::find(tx, repository.id, &action.digest)? else { return Ok(Outcome::Overtaken) };
    if action.unless_pulled_after_ms.is_some_and(|time_ms| image.last_pulled_at_ms.is_some_and(|last| last > time_ms)) {
        return Ok(Outcome::Overtaken);
    }
    // A referrer that came later would be left without its subject.
    if lifecycle_images::count_referrers(tx, repository.id, &action.digest.to_string())? > action.referrer_count {
        return Ok(Outcome::Overtaken);
    }
    let cause = Cause { at_ms: now_ms, ..Cause::now(app, Actor::Lifecycle) };
    let pushed_at_ms = image.pushed_at_ms;
    match action.action {
        ImageAction::Expire => {
            let reason = format!("lifecycle policy, rule {}", action.rule_priority);
            let deletion = Deletion::new(app, cause, reason);
            let refused = |code: &str, reason: &dyn std::fmt::Display| {
                Outcome::Refused(ReportedFailure::refused(action, code, reason))
            };
            Ok(match delete::delete(tx, repository, &Selector::Digest(action.digest), &deletion)? {
                Ok(deleted) => Outcome::Done(Acted { tags: deleted.tags, pushed_at_ms }),
                Err(NotDeleted::Absent(_)) => Outcome::Overtaken,
                Err(NotDeleted::Protected(protected)) => refused(decision::PROTECTED, &protected),
                Err(NotDeleted::Referenced(lists)) => refused(::lifecycle::Failure::CODE, &NotSupported::Listed(lists)),
            })
        }
        ImageAction::Transition => Ok(match storage_class::archive(tx, repository, &image, &cause)? {
            // A referrer may have followed its subject already.
            Ok(()) | Err(NotSupported::AlreadyIn(StorageClass::Archive)) => {
                Outcome::Done(Acted { tags: image_tags::list_of_image(tx, image.id)?, pushed_at_ms })
            }
            Err(reason) => {
                let code = match reason {
                    NotSupported::Listed(_) => ::lifecycle::Failure::CODE,
                    _ => NOT_TRANSITIONED,
                };
                Outcome::Refused(ReportedFailure::refused(action, code, &reason))
            }
        }),
    }
}

fn finish(tx: &mut dyn Tx, repository_id: i64, run: &LifecycleRun, now_ms: i64) -> Result<Report, StoreError> {
    let report = Report {
        finished_at_ms: Some(now_ms),
        expired_count: run.expired_count,
        archived_count: run.archived_count,
        ..read_report(&run.report)?
    };
    lifecycle_policies::note_run(tx, repository_id, run.decided_at_ms, &to_json(&report)?)?;
    lifecycle_runs::delete(tx, repository_id)?;
    Ok(report)
}
