//! GetLifecyclePolicyPreview: what a lifecycle policy would do, in pages.

use std::collections::BTreeMap;

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use registry::images::lifecycle::decision::{ImageAction, Selected};
use registry::images::lifecycle::{PREVIEW_DEADLINE_MS, PREVIEW_LIFETIME_MS};
use registry::images::pull::{Selector, find_image};
use registry::images::repositories::require;
use serde::{Deserialize, Serialize};
use store::db::Tx;
use store::error::{StoreError, StoreErrorKind};
use store::tables::lifecycle_previews::{self, Preview, PreviewResult, PreviewStatus};
use store::tables::repositories::RepositoryRef;

use super::constraints::{self, Check, Page};
use super::errors::EcrError;
use super::image_identifiers::{self, ImageIdentifier};
use super::shapes::{self, RepositoryMembers};

/// Tells how far a preview has come and, page by page, what its policy would do to which images.
pub struct GetLifecyclePolicyPreview;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    #[serde(flatten)]
    repository: RepositoryMembers,
    image_ids: Option<Vec<ImageIdentifier>>,
    next_token: Option<String>,
    max_results: Option<i64>,
    filter: Option<Filter>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Filter {
    tag_status: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownResult {
    image_tags: Vec<String>,
    image_digest: String,
    image_pushed_at: Timestamp,
    action: ShownAction,
    applied_rule_priority: i64,
    storage_class: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ShownAction {
    r#type: ImageAction,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_storage_class: Option<&'static str>,
}

impl From<Selected> for ShownResult {
    fn from(selected: Selected) -> Self {
        let target_storage_class = match selected.action {
            ImageAction::Expire => None,
            ImageAction::Transition => Some("ARCHIVE"),
        };
        Self {
            image_tags: selected.tags,
            image_digest: selected.digest,
            image_pushed_at: Timestamp::from_ms(selected.pushed_at_ms),
            action: ShownAction { r#type: selected.action, target_storage_class },
            applied_rule_priority: selected.rule_priority,
            storage_class: if selected.is_archived { "ARCHIVE" } else { "STANDARD" },
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    expiring_image_total_count: i64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    transitioning_image_total_counts: Vec<TransitioningCount>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TransitioningCount {
    target_storage_class: &'static str,
    image_total_count: i64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    repository_name: String,
    lifecycle_policy_text: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    preview_results: Vec<ShownResult>,
    #[serde(skip_serializing_if = "Option::is_none")]
    summary: Option<Summary>,
}

/// Which results are asked for.
pub enum ResultSelection {
    /// Those of these images; an identifier that no image can have fits none.
    Images(Vec<Option<Selector>>),
    /// A page.
    Page(Page),
}

/// The input, validated.
pub struct Checked {
    repository: RepositoryRef,
    selection: ResultSelection,
    is_tagged: Option<bool>,
}

impl Operation for GetLifecyclePolicyPreview {
    const NAME: &'static str = "GetLifecyclePolicyPreview";
    const ACTION: Action = Action::EcrGetLifecyclePolicyPreview;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let repository = input.repository.check(call)?;
        let filter = input.filter.unwrap_or_default();
        let list = List::with_members(Self::NAME, &[&repository, &filter]);
        let is_tagged = shapes::tag_status(filter.tag_status.as_deref())?;
        let selection = if input.image_ids.is_some() {
            let ids = image_identifiers::image_ids(input.image_ids)?;
            constraints::refuse_beside("imageIds", input.max_results, input.next_token.as_deref())?;
            ResultSelection::Images(ids.iter().map(|id| id.check("imageIds")).collect::<Result<_, _>>()?)
        } else {
            ResultSelection::Page(Check::page(list, input.max_results, input.next_token.as_deref(), 100, 100)?)
        };
        Ok(Checked { repository, selection, is_tagged })
    }

    fn needs(_: &Call<'_>, Checked { repository, .. }: &Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &repository.registry, repository.name.as_str())]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let now_ms = call.app.now_ms();
        call.app.db.read(move |tx| show(tx, &checked, now_ms)).await
    }
}

/// How far a preview is at this moment.
fn status(preview: &Preview, now_ms: i64) -> PreviewStatus {
    match preview.status {
        PreviewStatus::InProgress if now_ms - preview.started_at_ms >= PREVIEW_DEADLINE_MS => PreviewStatus::Failed,
        PreviewStatus::Complete
            if preview.finished_at_ms.is_some_and(|finished_ms| now_ms - finished_ms >= PREVIEW_LIFETIME_MS) =>
        {
            PreviewStatus::Expired
        }
        status => status,
    }
}

fn show(tx: &mut dyn Tx, checked: &Checked, now_ms: i64) -> Result<Output, EcrError> {
    let Checked { repository, selection, is_tagged } = checked;
    let stored = require(tx, repository)?;
    let preview = lifecycle_previews::find(tx, stored.id)?
        .ok_or_else(|| EcrError::LifecyclePolicyPreviewNotFound(repository.clone()))?;
    let status = status(&preview, now_ms);
    let mut output = Output {
        registry_id: repository.registry.account.to_string(),
        repository_name: repository.name.to_string(),
        lifecycle_policy_text: preview.policy_text,
        status: status.as_str(),
        next_token: None,
        preview_results: Vec::new(),
        summary: None,
    };
    if status != PreviewStatus::Complete {
        return Ok(output);
    }
    output.summary = Some(Summary {
        expiring_image_total_count: preview.expiring_count,
        transitioning_image_total_counts: (preview.archiving_count > 0)
            .then_some(TransitioningCount {
                target_storage_class: "ARCHIVE",
                image_total_count: preview.archiving_count,
            })
            .into_iter()
            .collect(),
    });
    let results = match selection {
        ResultSelection::Images(selectors) => of_images(tx, stored.id, selectors, *is_tagged)?,
        ResultSelection::Page(page) => {
            let after = page.after[0].parse().unwrap_or(-1);
            let mut results = lifecycle_previews::list_results(tx, stored.id, after, *is_tagged, page.limit + 1)?;
            output.next_token = page.cut(&mut results, |last| constraints::after(last.position));
            results
        }
    };
    for PreviewResult { result, .. } in results {
        let selected: Selected = serde_json::from_str(&result).map_err(|error| {
            StoreError::new(StoreErrorKind::Corrupt, "a result of a lifecycle policy preview").with_source(error)
        })?;
        output.preview_results.push(selected.into());
    }
    Ok(output)
}

/// The results of some images, in their order, each once.
fn of_images(
    tx: &mut dyn Tx,
    repository_id: i64,
    selectors: &[Option<Selector>],
    is_tagged: Option<bool>,
) -> Result<Vec<PreviewResult>, StoreError> {
    let mut found = BTreeMap::new();
    for selector in selectors.iter().flatten() {
        let digest = match selector {
            // The preview knows it, whether or not it is still there.
            Selector::Digest(digest) => *digest,
            Selector::Tag(_) | Selector::Both(..) => match find_image(tx, repository_id, selector)? {
                Ok(image) => image.digest,
                Err(_) => continue,
            },
        };
        let result = lifecycle_previews::find_result(tx, repository_id, &digest.to_string())?;
        if let Some(result) = result.filter(|result| is_tagged.is_none_or(|asked| asked == result.is_tagged)) {
            found.insert(result.position, result);
        }
    }
    Ok(found.into_values().collect())
}
