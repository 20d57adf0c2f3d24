//! Checks of all that is stored, and what they found. What settings, progress and findings hold is the checker's.

use super::parse_column;
use super::repositories::count;
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::stored_enum::stored_enum;
use crate::tables::readable::readable_page;

stored_enum! {
    /// Where a check is.
    pub enum CheckStatus {
        /// Nobody has begun it.
        Waiting = "WAITING",
        /// A node is at it.
        Running = "RUNNING",
        /// It has ended, and nothing is wrong any more.
        Clean = "CLEAN",
        /// It has ended, and something is wrong.
        Damaged = "DAMAGED",
        /// It could not be done.
        Failed = "FAILED",
    }
}

/// A check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageCheck {
    /// Its id.
    pub id: String,
    /// What it was asked to do, as JSON.
    pub settings: String,
    /// Where it is.
    pub status: CheckStatus,
    /// When it was asked for.
    pub started_at_ms: i64,
    /// When it ended.
    pub finished_at_ms: Option<i64>,
    /// How far it is, as JSON.
    pub progress: String,
    /// Why it could not be done.
    pub error: Option<String>,
}

const COLUMNS: &str = "id, settings, status, started_at_ms, finished_at_ms, progress, error";

fn from_row(row: &Row) -> Result<StorageCheck, StoreError> {
    Ok(StorageCheck {
        id: row.text(0)?.to_owned(),
        settings: row.text(1)?.to_owned(),
        status: parse_column(row.text(2)?, "storage_checks.status")?,
        started_at_ms: row.int(3)?,
        finished_at_ms: row.opt_int(4)?,
        progress: row.text(5)?.to_owned(),
        error: row.opt_text(6)?.map(str::to_owned),
    })
}

/// Adds a check, and forgets all but the last `keep` before it, with what they found.
pub fn insert(tx: &mut dyn Tx, check: &StorageCheck, keep: usize) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM storage_checks WHERE id NOT IN \
         (SELECT id FROM storage_checks ORDER BY started_at_ms DESC, id DESC LIMIT $1)",
        &[count(keep)],
    )?;
    tx.execute(
        "INSERT INTO storage_checks (id, settings, status, started_at_ms, finished_at_ms, progress, error) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
        &[
            check.id.as_str().into(),
            check.settings.as_str().into(),
            check.status.as_str().into(),
            check.started_at_ms.into(),
            check.finished_at_ms.into(),
            check.progress.as_str().into(),
            check.error.as_deref().into(),
        ],
    )?;
    Ok(())
}

/// The check of that id.
pub fn find(tx: &mut dyn Tx, id: &str) -> Result<Option<StorageCheck>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM storage_checks WHERE id = $1");
    tx.query_opt(&sql, &[id.into()])?.as_ref().map(from_row).transpose()
}

/// The check that began last.
pub fn find_last(tx: &mut dyn Tx) -> Result<Option<StorageCheck>, StoreError> {
    let sql = format!("SELECT {COLUMNS} FROM storage_checks ORDER BY started_at_ms DESC, id DESC LIMIT 1");
    tx.query_opt(&sql, &[])?.as_ref().map(from_row).transpose()
}

/// Stores where a check is; `false` if it is gone.
pub fn update(tx: &mut dyn Tx, check: &StorageCheck) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE storage_checks SET status = $1, finished_at_ms = $2, progress = $3, error = $4 WHERE id = $5",
        &[
            check.status.as_str().into(),
            check.finished_at_ms.into(),
            check.progress.as_str().into(),
            check.error.as_deref().into(),
            check.id.as_str().into(),
        ],
    )?;
    Ok(changed == 1)
}

/// Adds a finding, as JSON, under its number. One that is there, as after a check that was cut off, gives way.
pub fn put_finding(tx: &mut dyn Tx, check_id: &str, number: i64, finding: &str) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO storage_findings (check_id, number, finding) VALUES ($1, $2, $3) \
         ON CONFLICT (check_id, number) DO UPDATE SET finding = excluded.finding",
        &[check_id.into(), number.into(), finding.into()],
    )?;
    Ok(())
}

/// Forgets what a check has found: it begins anew.
pub fn clear_findings(tx: &mut dyn Tx, check_id: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM storage_findings WHERE check_id = $1", &[check_id.into()])?;
    Ok(())
}

/// Up to `limit` findings after a number, with their numbers.
pub fn list_findings(
    tx: &mut dyn Tx,
    check_id: &str,
    after: i64,
    limit: usize,
) -> Result<Vec<(i64, String)>, StoreError> {
    readable_page(
        tx,
        limit,
        "storage_findings",
        "SELECT number, finding FROM storage_findings WHERE check_id = $1 AND number > $2 ORDER BY number LIMIT $3",
        &[check_id.into(), after.into()],
        |row| Ok((row.int(0)?, row.text(1)?.to_owned())),
    )
}
