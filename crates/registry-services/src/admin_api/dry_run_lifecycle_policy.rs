//! DryRunLifecyclePolicy: what the lifecycle policy of a repository would do now, without doing it.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use oci::Digest;
use registry::images::lifecycle;
use registry::images::lifecycle::decision::{self, Decision, ImageAction, Selected};
use registry::images::repositories::require;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::lifecycle_policies;
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check};
use super::errors::WharfError;

/// Images of one answer. Each page costs an evaluation, so pages are long.
const IMAGES_PER_PAGE: usize = 10_000;

/// Works out what the lifecycle policy of a repository would do now, page by page, and does nothing.
pub struct DryRunLifecyclePolicy;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    repository_name: Option<String>,
    next_token: Option<String>,
}

/// Where the page before ended, and what it was a page of.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PlanPosition {
    decided_at_ms: Option<i64>,
    position: usize,
    plan: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    evaluated_at: Timestamp,
    image_count: usize,
    expiring_count: usize,
    transitioning_count: usize,
    failure_count: usize,
    images: Vec<PlannedImage>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlannedImage {
    image_digest: String,
    image_tags: Vec<String>,
    image_pushed_at: Timestamp,
    rule_priority: i64,
    action: ImageAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_reason: Option<String>,
}

impl PlannedImage {
    fn new(selected: Selected, failure: Option<(&'static str, String)>) -> Self {
        let (failure_code, failure_reason) = failure.unzip();
        Self {
            image_digest: selected.digest,
            image_tags: selected.tags,
            image_pushed_at: Timestamp::from_ms(selected.pushed_at_ms),
            rule_priority: selected.rule_priority,
            action: selected.action,
            failure_code,
            failure_reason,
        }
    }
}

impl Operation for DryRunLifecyclePolicy {
    const NAME: &'static str = "DryRunLifecyclePolicy";
    const ACTION: Action = Action::WharfRunLifecyclePolicy;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = (RepositoryRef, PlanPosition);
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, WharfError> {
        let place = constraints::repository(call, input.registry_id.as_deref(), input.repository_name.as_deref())?;
        Ok((place, Check::place(&List::Any, input.next_token.as_deref())?))
    }

    fn needs(_: &Call<'_>, (place, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &place.registry, place.name.as_str())]
    }

    async fn run(call: &Call<'_>, (repository, place): Self::Checked) -> Result<Output, WharfError> {
        let app = call.app;
        app.pull_times.flush(app).await?;
        let now_ms = app.now_ms();
        app.db.read(move |tx| show(tx, &repository, &place, now_ms)).await
    }
}

fn show(tx: &mut dyn Tx, repository: &RepositoryRef, place: &PlanPosition, now_ms: i64) -> Result<Output, WharfError> {
    let stored = require(tx, repository)?;
    let policy = lifecycle_policies::find(tx, stored.id)?
        .ok_or_else(|| WharfError::LifecyclePolicyNotFound(repository.clone()))?;
    let parsed = lifecycle::parse(&policy.text)
        .map_err(|error| StoreError::new(StoreErrorKind::Corrupt, "a lifecycle policy").with_source(error))?;
    // All pages tell what would happen at one moment.
    let decided_at_ms = place.decided_at_ms.unwrap_or(now_ms);
    let decision = decision::decide(tx, &stored, &policy.text, &parsed, decided_at_ms)?;
    let plan = mark(&decision);
    if place.decided_at_ms.is_some() && place.plan != plan {
        return Err(WharfError::RepositoryChanged(repository.clone()));
    }
    let count = |action| decision.actions.iter().filter(|planned| planned.selected.action == action).count();
    let (expiring_count, transitioning_count) = (count(ImageAction::Expire), count(ImageAction::Transition));
    let (failure_count, total) = (decision.failures.len(), decision.actions.len() + decision.failures.len());
    let planned = decision.actions.into_iter().map(|planned| PlannedImage::new(planned.selected, None));
    let unable = decision
        .failures
        .into_iter()
        .map(|unable| PlannedImage::new(unable.selected, Some((unable.code, unable.reason))));
    let images = planned.chain(unable).skip(place.position).take(IMAGES_PER_PAGE).collect();
    let position = place.position.saturating_add(IMAGES_PER_PAGE);
    Ok(Output {
        registry_id: repository.registry.account.to_string(),
        repository_name: repository.name.to_string(),
        evaluated_at: Timestamp::from_ms(decided_at_ms),
        image_count: decision.image_count,
        expiring_count,
        transitioning_count,
        failure_count,
        images,
        next_token: (position < total)
            .then(|| List::Any.token(&PlanPosition { decided_at_ms: Some(decided_at_ms), position, plan })),
    })
}

/// What tells one plan from another.
fn mark(decision: &Decision) -> String {
    let selected = decision.actions.iter().map(|planned| &planned.selected);
    let all = selected.chain(decision.failures.iter().map(|unable| &unable.selected));
    let mut text = String::new();
    for image in all {
        text.push_str(&image.digest);
        text.push(if image.action == ImageAction::Expire { 'e' } else { 't' });
    }
    Digest::sha256_of(text.as_bytes()).hex().chars().take(16).collect()
}
