//! DescribeStorageCheck: how far a check of all that is stored is, and what it has found; the last one, if none is named.

use access::action::Action;
use access::auth::authorize::Need;
use api::paging::List;
use api::protocols::operation::{Call, Operation};
use aws::Timestamp;
use serde::{Deserialize, Serialize};
use store::tables::damaged_objects::{self, DamagedObject};
use store::tables::storage_checks;
use store::tables::storage_scrubs::{self, Scrub as ScrubRow};
use upkeep::storage_check::check::{Progress, Settings};
use upkeep::storage_check::finding::Finding;

use super::constraints::{self, DEFAULT_RESULTS, MAX_RESULTS};
use super::errors::WharfError;

/// Damaged objects that are shown.
const DAMAGED: usize = 100;

/// Tells how far a check of all that is stored has come and what it has found: the one that is named, or the last.
pub struct DescribeStorageCheck;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Input {
    check_id: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Output {
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
    findings: Vec<Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scrub: Option<Scrub>,
    damaged_objects: Vec<Damaged>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Check {
    check_id: String,
    status: &'static str,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    settings: Option<Settings>,
    progress: Progress,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Where the background scrub is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Scrub {
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
    objects_read: u64,
    bytes_read: u64,
}

impl From<ScrubRow> for Scrub {
    fn from(row: ScrubRow) -> Self {
        Self {
            started_at: Timestamp::from_ms(row.started_at_ms),
            finished_at: row.finished_at_ms.map(Timestamp::from_ms),
            objects_read: row.objects_read,
            bytes_read: row.bytes_read,
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Damaged {
    object: String,
    problem: String,
    found_at: Timestamp,
}

impl From<DamagedObject> for Damaged {
    fn from(found: DamagedObject) -> Self {
        Self {
            object: found.object.to_string(),
            problem: found.problem,
            found_at: Timestamp::from_ms(found.found_at_ms),
        }
    }
}

/// The input, validated.
pub struct Checked {
    check_id: Option<String>,
    after: i64,
    limit: usize,
}

impl Operation for DescribeStorageCheck {
    const NAME: &'static str = "DescribeStorageCheck";
    const ACTION: Action = Action::WharfDescribeStorageCheck;
    const READ_ONLY: bool = true;
    type Input = Input;
    type Output = Output;
    type Checked = Checked;
    type Error = WharfError;

    fn check(call: &Call<'_>, input: Input) -> Result<Checked, WharfError> {
        WharfError::unless_operator(call)?;
        Ok(Checked {
            check_id: input.check_id,
            after: constraints::Check::place(&List::Any, input.next_token.as_deref())?,
            limit: constraints::Check::limit(input.max_results, DEFAULT_RESULTS, MAX_RESULTS)?,
        })
    }

    fn needs(_: &Call<'_>, _: &Checked) -> Vec<Need> {
        vec![Need::anywhere(Self::ACTION)]
    }

    async fn run(call: &Call<'_>, Checked { check_id, after, limit }: Checked) -> Result<Output, WharfError> {
        let asked = check_id.clone();
        let found = call.app.db.read(move |tx| {
            let check = match &asked {
                Some(id) => storage_checks::find(tx, id)?,
                None => storage_checks::find_last(tx)?,
            };
            let findings = match &check {
                Some(check) => storage_checks::list_findings(tx, &check.id, after, limit)?,
                None => Vec::new(),
            };
            let damaged = damaged_objects::list(tx, DAMAGED)?;
            Ok::<_, WharfError>((check, findings, storage_scrubs::find(tx)?, damaged))
        });
        let (check, findings, scrub, damaged) = found.await?;
        if let (Some(id), None) = (check_id, &check) {
            return Err(WharfError::StorageCheckNotFound(id));
        }
        let next_token = findings.last().filter(|_| findings.len() == limit).map(|(number, _)| List::Any.token(number));
        Ok(Output {
            check: check.map(|check| Check {
                check_id: check.id,
                status: check.status.as_str(),
                started_at: Timestamp::from_ms(check.started_at_ms),
                finished_at: check.finished_at_ms.map(Timestamp::from_ms),
                settings: serde_json::from_str(&check.settings).ok(),
                progress: serde_json::from_str(&check.progress).unwrap_or_default(),
                error: check.error,
            }),
            // What another version of the program has written and this one cannot read is left out.
            findings: findings.iter().filter_map(|(_, text)| serde_json::from_str(text).ok()).collect(),
            next_token,
            scrub: scrub.map(Scrub::from),
            damaged_objects: damaged.into_iter().map(Damaged::from).collect(),
        })
    }
}
