//! ListReplicationBackfills: the back-fills of a registry that run, or ended in the last 90 days.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use registry::replication::backfill::RETAINED_MS;
use serde::{Deserialize, Serialize};
use store::tables::registry_id::RegistryId;
use store::tables::replication_backfills;

use super::constraints::{self, Check, Page};
use super::errors::EcrError;
use super::replication_backfill::{Progress, Summary};

/// Lists the back-fills of a registry that run, or ended in the last 90 days, page by page.
pub struct ListReplicationBackfills;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    registry_id: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    registry_id: String,
    backfills: Vec<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
}

impl Operation for ListReplicationBackfills {
    const NAME: &'static str = "ListReplicationBackfills";
    const ACTION: Action = Action::EcrListReplicationBackfills;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = (RegistryId, Page);
    type Error = EcrError;

    fn check(call: &Call<'_>, input: Input) -> Result<Self::Checked, EcrError> {
        let registry = constraints::registry(call, input.registry_id.as_deref())?;
        let list = List::with_members(Self::NAME, &[&registry]);
        let page = Check::page(list, input.max_results, input.next_token.as_deref(), 50, 50)?;
        Ok((registry, page))
    }

    fn needs(_: &Call<'_>, (registry, _): &Self::Checked) -> Vec<Need> {
        vec![Need::on_repository(Self::ACTION, registry, "*")]
    }

    async fn run(call: &Call<'_>, (registry, page): Self::Checked) -> Result<Output, EcrError> {
        let oldest_ms = call.app.now_ms() - RETAINED_MS;
        call.app
            .db
            .read(move |tx| {
                let after = (page.after[0].parse().unwrap_or(i64::MIN), page.after[1].as_str());
                let mut found = replication_backfills::list(tx, &registry, after, page.limit + 1)?;
                let next_token = page.cut(&mut found, |last| [last.started_at_ms.to_string(), last.id.to_string()]);
                let mut backfills = Vec::new();
                for backfill in found.iter().filter(|found| found.ended_at_ms.is_none_or(|at| at >= oldest_ms)) {
                    backfills.push(Summary::new(backfill, Progress::find(tx, backfill)?));
                }
                Ok(Output { registry_id: registry.account.to_string(), backfills, next_token })
            })
            .await
    }
}
