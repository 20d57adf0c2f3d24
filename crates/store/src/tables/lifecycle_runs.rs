//! Runs of lifecycle policies that are being carried out: what was decided, on what that rests, and the steps left.

use super::repositories::count;
use crate::db::Tx;
use crate::error::StoreError;

/// A run that has not come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecycleRun {
    /// The policy that it carries out.
    pub policy_text: String,
    /// Whether it looked only at images that no list names.
    pub counts_root_images: bool,
    /// How often images had changed when it decided.
    pub change_count: i64,
    /// When it decided.
    pub decided_at_ms: i64,
    /// How many images it has decided to act on.
    pub action_count: i64,
    /// How many it has deleted so far.
    pub expired_count: i64,
    /// How many it has moved to the archive so far.
    pub archived_count: i64,
    /// What else is to be told of it in the end, as JSON.
    pub report: String,
}

/// Puts a run, with its steps (JSON), in place of the one that the repository has.
pub fn replace(
    tx: &mut dyn Tx,
    repository_id: i64,
    run: &LifecycleRun,
    steps: impl Iterator<Item = String>,
) -> Result<(), StoreError> {
    delete(tx, repository_id)?;
    tx.execute(
        "INSERT INTO lifecycle_runs (repository_id, policy_text, count_root_images, change_count, decided_at_ms, \
         action_count, expired_count, archived_count, report) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        &[
            repository_id.into(),
            run.policy_text.as_str().into(),
            run.counts_root_images.into(),
            run.change_count.into(),
            run.decided_at_ms.into(),
            run.action_count.into(),
            run.expired_count.into(),
            run.archived_count.into(),
            run.report.as_str().into(),
        ],
    )?;
    for (number, actions) in (0_i64..).zip(steps) {
        tx.execute(
            "INSERT INTO lifecycle_run_steps (repository_id, number, actions) VALUES ($1, $2, $3)",
            &[repository_id.into(), number.into(), actions.into()],
        )?;
    }
    Ok(())
}

/// The run of a repository.
pub fn find(tx: &mut dyn Tx, repository_id: i64) -> Result<Option<LifecycleRun>, StoreError> {
    tx.query_opt(
        "SELECT policy_text, count_root_images, change_count, decided_at_ms, action_count, expired_count, \
         archived_count, report FROM lifecycle_runs WHERE repository_id = $1",
        &[repository_id.into()],
    )?
    .map(|row| {
        Ok(LifecycleRun {
            policy_text: row.text(0)?.to_owned(),
            counts_root_images: row.bool(1)?,
            change_count: row.int(2)?,
            decided_at_ms: row.int(3)?,
            action_count: row.int(4)?,
            expired_count: row.int(5)?,
            archived_count: row.int(6)?,
            report: row.text(7)?.to_owned(),
        })
    })
    .transpose()
}

/// The next step of a run, with its number.
pub fn next_step(tx: &mut dyn Tx, repository_id: i64) -> Result<Option<(i64, String)>, StoreError> {
    tx.query_opt(
        "SELECT number, actions FROM lifecycle_run_steps WHERE repository_id = $1 ORDER BY number LIMIT $2",
        &[repository_id.into(), count(1)],
    )?
    .map(|mut row| Ok((row.int(0)?, row.take_text(1)?)))
    .transpose()
}

/// Notes that a step was carried out, and what it did.
pub fn finish_step(
    tx: &mut dyn Tx,
    repository_id: i64,
    number: i64,
    expired_count: i64,
    archived_count: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM lifecycle_run_steps WHERE repository_id = $1 AND number = $2",
        &[repository_id.into(), number.into()],
    )?;
    tx.execute(
        "UPDATE lifecycle_runs SET expired_count = expired_count + $1, archived_count = archived_count + $2 \
         WHERE repository_id = $3",
        &[expired_count.into(), archived_count.into(), repository_id.into()],
    )?;
    Ok(())
}

/// Notes that a step had to be left half done, and what it did: what is left must be decided anew.
pub fn overtake(
    tx: &mut dyn Tx,
    repository_id: i64,
    expired_count: i64,
    archived_count: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE lifecycle_runs SET expired_count = expired_count + $1, archived_count = archived_count + $2, \
         change_count = -1 WHERE repository_id = $3",
        &[expired_count.into(), archived_count.into(), repository_id.into()],
    )?;
    Ok(())
}

/// Puts another report in place of a run's.
pub fn set_report(tx: &mut dyn Tx, repository_id: i64, report: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE lifecycle_runs SET report = $1 WHERE repository_id = $2",
        &[report.into(), repository_id.into()],
    )?;
    Ok(())
}

/// Forgets the run of a repository.
pub fn delete(tx: &mut dyn Tx, repository_id: i64) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM lifecycle_run_steps WHERE repository_id = $1",
        "DELETE FROM lifecycle_runs WHERE repository_id = $1",
    ] {
        tx.execute(sql, &[repository_id.into()])?;
    }
    Ok(())
}
