//! DescribeReplicationBackfillResults: how a back-fill stands, and once it has ended what became of each image.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use registry::replication::backfill::RETAINED_MS;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;
use store::tables::replication_backfills::{self, BackfillLine, LineStatus};
use uuid::Uuid;

use super::constraints::{self, Check, Page};
use super::errors::EcrError;
use super::image_identifiers::ImageIdentifier;
use super::replication_backfill::{self, Progress, Summary};

/// Tells how far a back-fill has come and, once it has ended, lists what became of each image.
pub struct DescribeReplicationBackfillResults;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    replication_backfill_id: Option<String>,
    result_status_filter: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    #[serde(flatten)]
    backfill: Summary,
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<Vec<LineResult>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LineResult {
    repository_name: String,
    image_id: ImageIdentifier,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_image_failure_codes: Option<Vec<String>>,
}

impl From<BackfillLine> for LineResult {
    fn from(line: BackfillLine) -> Self {
        Self {
            repository_name: line.repository.to_string(),
            image_id: ImageIdentifier { image_digest: Some(line.digest.to_string()), image_tag: line.tag },
            status: line.status.as_str(),
            failure_code: line.failure_code,
            sub_image_failure_codes: line.child_codes,
        }
    }
}

/// The input, validated.
pub struct Checked {
    registry: RegistryId,
    id: Uuid,
    status: Option<LineStatus>,
    page: Page,
}

/// Where a page of lines ended: the token has two places for three texts, and no digest holds a space.
fn place(line: &BackfillLine) -> [String; 2] {
    [line.repository.to_string(), format!("{} {}", line.digest, line.tag.as_deref().unwrap_or_default())]
}

impl Operation for DescribeReplicationBackfillResults {
    const NAME: &'static str = "DescribeReplicationBackfillResults";
    const ACTION: Action = Action::EcrDescribeReplicationBackfillResults;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let id = replication_backfill::id(input.replication_backfill_id)?;
        let status = input
            .result_status_filter
            .as_deref()
            .map(|text| {
                let values = [LineStatus::Complete, LineStatus::Failed];
                Check::one_of("resultStatusFilter", text, &values, LineStatus::as_str)
            })
            .transpose()?;
        let list = List::with_members(Self::NAME, &[&registry, &id, &status]);
        let page = Check::page(list, input.max_results, input.next_token.as_deref(), 1000, 1000)?;
        Ok(Checked { registry, id, status, page })
    }

    fn needs(_: &Call<'_>, checked: &Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, &checked.registry, "*")]
    }

    async fn run(call: &Call<'_>, checked: Checked) -> Result<Output, EcrError> {
        let oldest_ms = call.app.now_ms() - RETAINED_MS;
        let Checked { registry, id, status, page } = checked;
        call.app
            .db
            .read(move |tx| {
                let backfill = replication_backfills::find(tx, &registry, id)?
                    .filter(|found| found.ended_at_ms.is_none_or(|at| at >= oldest_ms))
                    .ok_or_else(|| EcrError::BackfillNotFound(registry.clone(), id))?;
                let mut results = None;
                let mut next_token = None;
                if backfill.status.is_terminal() {
                    let (digest, tag) = page.after[1].split_once(' ').unwrap_or_default();
                    let after = (page.after[0].as_str(), digest, tag);
                    let mut lines = replication_backfills::list_lines(tx, id, status, after, page.limit + 1)?;
                    next_token = page.cut(&mut lines, place);
                    results = Some(lines.into_iter().map(LineResult::from).collect());
                }
                let progress = Progress::find(tx, &backfill)?;
                Ok(Output {
                    registry_id: registry.account.to_string(),
                    backfill: Summary::new(&backfill, progress),
                    results,
                    next_token,
                })
            })
            .await
    }
}
