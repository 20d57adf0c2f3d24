//! The shapes of back-fills that several operations share.

use aws::Timestamp;
use serde::Serialize;
use store::db::Tx;
use store::error::StoreError;
use store::tables::replication_backfills::{self, Backfill, BackfillStatus};
use uuid::Uuid;

use super::constraints;
use super::errors::EcrError;
use super::replication_configuration::Destination;

/// The progress of a back-fill; absent until all that it replicates is known.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    total_replication_count: i64,
    completed_replication_count: i64,
    failed_replication_count: i64,
    failure_codes: Vec<String>,
}

impl Progress {
    /// Of a back-fill.
    pub fn find(tx: &mut dyn Tx, backfill: &Backfill) -> Result<Option<Self>, StoreError> {
        let is_known = match backfill.status {
            BackfillStatus::Preparing => false,
            // Stopped before all was listed, it never gets to know.
            BackfillStatus::Stopping | BackfillStatus::Stopped => backfill.is_prepared,
            BackfillStatus::InProgress | BackfillStatus::Complete => true,
        };
        if !is_known {
            return Ok(None);
        }
        let progress = replication_backfills::progress(tx, backfill.id)?;
        Ok(Some(Self {
            total_replication_count: progress.total,
            completed_replication_count: progress.completed,
            failed_replication_count: progress.failed,
            failure_codes: progress.failure_codes,
        }))
    }
}

/// A back-fill as the operations that start, stop and list it show it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    replication_backfill_id: String,
    destination: Destination,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
    started_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

impl Summary {
    /// Of a back-fill.
    pub fn new(backfill: &Backfill, progress: Option<Progress>) -> Self {
        Self {
            replication_backfill_id: backfill.id.to_string(),
            destination: (&backfill.route.destination).into(),
            status: backfill.status.as_str(),
            progress,
            started_at: Timestamp::from_ms(backfill.started_at_ms),
            ended_at: backfill.ended_at_ms.map(Timestamp::from_ms),
        }
    }
}

/// What the operations answer that start and stop a back-fill.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Changed {
    registry_id: String,
    replication_backfill_id: String,
    destination: Destination,
    status: &'static str,
    started_at: Timestamp,
}

impl From<&Backfill> for Changed {
    fn from(backfill: &Backfill) -> Self {
        Self {
            registry_id: backfill.route.source.account.to_string(),
            replication_backfill_id: backfill.id.to_string(),
            destination: (&backfill.route.destination).into(),
            status: backfill.status.as_str(),
            started_at: Timestamp::from_ms(backfill.started_at_ms),
        }
    }
}

/// A back-fill's id.
pub fn id(text: Option<String>) -> Result<Uuid, EcrError> {
    constraints::uuid("replicationBackfillId", text)
}
