//! Background work that waits, is being done, or has been given up.
//!
//! A job is noted in the transaction of the change that it follows from, so it is never lost and never early. One row
//! exists per kind and key: noting a job that waits changes nothing but its payload, and noting one that is being
//! worked on lets it run once more afterwards. Nodes share the work out by leases: who takes a job holds it until a
//! time, and if that passes, it is anybody's again. Accounts take turns, so that one with much to do keeps none waiting.

use std::collections::VecDeque;

use aws::AccountId;

use super::repositories::count;
use crate::db::{Row, Tx};
use crate::error::{StoreError, StoreErrorKind};
use crate::tables::parse_column;
use crate::tables::readable::{self, readable, readable_page};

/// A job to do.
#[derive(Clone, Copy, Debug)]
pub struct NewJob<'a> {
    /// What is to be done.
    pub kind: &'a str,
    /// To what; one job of a kind exists per key.
    pub key: &'a str,
    /// All else that the work needs to know, as JSON.
    pub payload: &'a str,
    /// For which account, where accounts take turns.
    pub account: Option<AccountId>,
    /// Not before.
    pub due_at_ms: i64,
}

/// Which jobs are taken, and by whom.
#[derive(Clone, Debug)]
pub struct Taking<'a> {
    /// Of this kind.
    pub kind: &'a str,
    /// Who takes them.
    pub lease: &'a str,
    /// Those that are due at this time.
    pub now_ms: i64,
    /// How long they are held.
    pub until_ms: i64,
    /// How many at most.
    pub limit: usize,
    /// Whose turn is over: the accounts that come after it in the order of their numbers are asked first.
    pub after: Option<AccountId>,
    /// If not empty, one job at most of each account that is not among these, and none that is of no account.
    pub without: &'a [AccountId],
}

impl<'a> Taking<'a> {
    /// Of all accounts, from the first on.
    pub const fn of_all(kind: &'a str, lease: &'a str, now_ms: i64, until_ms: i64, limit: usize) -> Self {
        Self { kind, lease, now_ms, until_ms, limit, after: None, without: &[] }
    }
}

/// A job that its taker holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenJob {
    /// The row's key.
    pub id: i64,
    /// See [`NewJob::kind`].
    pub kind: String,
    /// See [`NewJob::key`].
    pub key: String,
    /// See [`NewJob::payload`].
    pub payload: String,
    /// See [`NewJob::account`].
    pub account: Option<AccountId>,
    /// How often it was noted; tells whether it was noted again meanwhile.
    pub generation: i64,
    /// How often it was taken, this time included.
    pub attempts: i64,
    /// Whose it is.
    pub lease: String,
}

/// A job as people see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobStatus {
    /// The row's key.
    pub id: i64,
    /// See [`NewJob::kind`].
    pub kind: String,
    /// See [`NewJob::key`].
    pub key: String,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was first noted.
    pub created_at_ms: i64,
    /// When it is tried next; of no meaning for a job that was given up.
    pub due_at_ms: i64,
    /// Whether a node is at it.
    pub is_running: bool,
    /// Whether it was given up.
    pub is_dead: bool,
    /// What the last attempt failed of.
    pub last_error: Option<String>,
}

/// Notes a job. One that waits takes the new payload and the earlier time; one that was given up begins anew.
pub fn enqueue(tx: &mut dyn Tx, job: &NewJob<'_>, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO jobs (kind, key, payload, generation, attempts, created_at_ms, due_at_ms, is_dead, account) \
         VALUES ($1, $2, $3, 1, 0, $4, $5, 0, $6) ON CONFLICT (kind, key) DO UPDATE SET \
         payload = excluded.payload, account = excluded.account, generation = jobs.generation + 1, is_dead = 0, \
         attempts = CASE WHEN jobs.is_dead = 1 THEN 0 ELSE jobs.attempts END, \
         due_at_ms = CASE WHEN jobs.is_dead = 1 THEN excluded.due_at_ms \
                          WHEN jobs.lease IS NOT NULL OR jobs.due_at_ms < excluded.due_at_ms THEN jobs.due_at_ms \
                          ELSE excluded.due_at_ms END",
        &[
            job.kind.into(),
            job.key.into(),
            job.payload.into(),
            now_ms.into(),
            job.due_at_ms.into(),
            text_of(job.account.as_ref()).into(),
        ],
    )?;
    Ok(())
}

/// As it is stored: jobs of no account come before all others.
fn text_of(account: Option<&AccountId>) -> &str {
    account.map_or("", AccountId::as_str)
}

/// Whether any job of the kind can be taken.
pub fn is_any_due(tx: &mut dyn Tx, kind: &str, now_ms: i64) -> Result<bool, StoreError> {
    let found = tx.query_opt(
        "SELECT 1 FROM jobs WHERE kind = $1 AND is_dead = 0 AND due_at_ms <= $2 LIMIT 1",
        &[kind.into(), now_ms.into()],
    )?;
    Ok(found.is_some())
}

/// How many jobs of a kind there are, given up or not; counts up to `limit`.
pub fn count_of_kind(tx: &mut dyn Tx, kind: &str, limit: usize) -> Result<usize, StoreError> {
    let row = tx.query_opt(
        "SELECT COUNT(*) FROM (SELECT id FROM jobs WHERE kind = $1 LIMIT $2) AS counted",
        &[kind.into(), count(limit)],
    )?;
    Ok(row.map_or(Ok(0), |row| row.int(0))? as usize)
}

/// Whether a job of the kind can be taken that is of an account, and of none of these.
pub fn is_due_for_others(tx: &mut dyn Tx, kind: &str, accounts: &[AccountId], now_ms: i64) -> Result<bool, StoreError> {
    let mut last = String::new();
    while let Some(next) = next_account(tx, kind, Some(&last), now_ms)? {
        if !accounts.iter().any(|account| account.as_str() == next) {
            return Ok(true);
        }
        last = next;
    }
    Ok(false)
}

/// The account that comes after another in the order of their numbers and has a job that is due; of none: the first that has.
fn next_account(tx: &mut dyn Tx, kind: &str, after: Option<&str>, now_ms: i64) -> Result<Option<String>, StoreError> {
    let comparison = if after.is_some() { ">" } else { ">=" };
    let sql = format!(
        "SELECT account FROM jobs WHERE kind = $1 AND is_dead = 0 AND account {comparison} $2 AND due_at_ms <= $3 \
         ORDER BY account LIMIT 1"
    );
    let found = tx.query_opt(&sql, &[kind.into(), after.unwrap_or_default().into(), now_ms.into()])?;
    found.map(|row| row.text(0).map(str::to_owned)).transpose()
}

/// The accounts whose turn it is, in their order: as many as can have a job.
fn turns(tx: &mut dyn Tx, taking: &Taking<'_>) -> Result<VecDeque<String>, StoreError> {
    let is_for_others = !taking.without.is_empty();
    let is_left_out = |account: &str| {
        is_for_others && (account.is_empty() || taking.without.iter().any(|without| without.as_str() == account))
    };
    let mut found = VecDeque::new();
    let mut last = taking.after.map(|account| account.as_str().to_owned());
    // Whoever is asked first is asked last, too, where the round is full.
    let end = last.clone();
    let mut is_second_half = end.is_none();
    while found.len() < taking.limit {
        match next_account(tx, taking.kind, last.as_deref(), taking.now_ms)? {
            Some(next) if is_second_half && end.as_ref().is_some_and(|end| next > *end) => break,
            Some(next) => {
                if !is_left_out(&next) {
                    found.push_back(next.clone());
                }
                last = Some(next);
            }
            None if is_second_half => break,
            None => {
                is_second_half = true;
                last = None;
            }
        }
    }
    Ok(found)
}

/// Takes jobs that are due, and holds them. The accounts that have some share alike; of each, and of those of no account, the
/// longest due come first.
pub fn take_due(tx: &mut dyn Tx, taking: &Taking<'_>) -> Result<Vec<TakenJob>, StoreError> {
    let mut accounts = turns(tx, taking)?;
    let mut taken = Vec::with_capacity(taking.limit.min(64));
    while let Some(account) = accounts.pop_front()
        && taken.len() < taking.limit
    {
        let free = taking.limit - taken.len();
        let share = if taking.without.is_empty() { free.div_ceil(accounts.len() + 1) } else { 1 };
        let batch = take_of(tx, taking, &account, share)?;
        // It may have more, when all others have had theirs.
        if batch.len() == share && taking.without.is_empty() {
            accounts.push_back(account);
        }
        taken.extend(batch);
    }
    Ok(taken)
}

/// Takes up to `limit` of an account's jobs. Those whose rows are damaged are given up, and are not among them.
fn take_of(tx: &mut dyn Tx, taking: &Taking<'_>, account: &str, limit: usize) -> Result<Vec<TakenJob>, StoreError> {
    let sql = format!(
        "UPDATE jobs SET lease = $1, due_at_ms = $2, attempts = attempts + 1 WHERE id IN ( \
         SELECT id FROM jobs WHERE kind = $3 AND is_dead = 0 AND account = $4 AND due_at_ms <= $5 \
         ORDER BY due_at_ms, id LIMIT $6{}) \
         RETURNING id, kind, key, payload, generation, attempts, lease, account",
        tx.dialect().lock_free_rows()
    );
    let Taking { kind, lease, now_ms, until_ms, .. } = *taking;
    let rows =
        tx.query(&sql, &[lease.into(), until_ms.into(), kind.into(), account.into(), now_ms.into(), count(limit)])?;
    let mut taken = Vec::with_capacity(rows.len());
    for row in &rows {
        match taken_from_row(row) {
            Ok(job) => taken.push(job),
            Err(error) if error.kind() == StoreErrorKind::Corrupt => bury(tx, row, &error, now_ms)?,
            Err(error) => return Err(error),
        }
    }
    taken.sort_by_key(|job| job.id);
    Ok(taken)
}

/// Gives up a job whose row cannot be read: nobody can do it, and it must keep nobody from the others.
fn bury(tx: &mut dyn Tx, row: &Row, error: &StoreError, now_ms: i64) -> Result<(), StoreError> {
    readable::log_left_out(row, "jobs", error);
    tx.execute(
        "UPDATE jobs SET lease = NULL, due_at_ms = $1, last_error = $2, is_dead = 1 WHERE id = $3",
        &[now_ms.into(), format!("its row is damaged: {error}").into(), row.int(0)?.into()],
    )?;
    Ok(())
}

fn taken_from_row(row: &Row) -> Result<TakenJob, StoreError> {
    Ok(TakenJob {
        id: row.int(0)?,
        kind: row.text(1)?.to_owned(),
        key: row.text(2)?.to_owned(),
        payload: row.text(3)?.to_owned(),
        generation: row.int(4)?,
        attempts: row.int(5)?,
        lease: row.text(6)?.to_owned(),
        account: match row.text(7)? {
            "" => None,
            account => Some(parse_column(account, "jobs.account")?),
        },
    })
}

/// Holds a job longer; `false` if it is no longer held by that lease.
pub fn extend(tx: &mut dyn Tx, job: &TakenJob, until_ms: i64) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE jobs SET due_at_ms = $1 WHERE id = $2 AND lease = $3 AND is_dead = 0",
        &[until_ms.into(), job.id.into(), job.lease.as_str().into()],
    )?;
    Ok(changed == 1)
}

/// Ends a job that was done. If it was noted again meanwhile, it is due at once, as a fresh one. Without effect if the
/// lease has gone to another node.
pub fn finish(tx: &mut dyn Tx, job: &TakenJob, now_ms: i64) -> Result<(), StoreError> {
    let done = tx.execute(
        "DELETE FROM jobs WHERE id = $1 AND lease = $2 AND generation = $3",
        &[job.id.into(), job.lease.as_str().into(), job.generation.into()],
    )?;
    if done == 0 {
        tx.execute(
            "UPDATE jobs SET lease = NULL, attempts = 0, due_at_ms = $1, last_error = NULL WHERE id = $2 AND lease = $3",
            &[now_ms.into(), job.id.into(), job.lease.as_str().into()],
        )?;
    }
    Ok(())
}

/// Puts a job back that is to be tried again, with what went wrong; none if it only waits for something. If it was noted
/// again meanwhile, it is due at once: what it waits for may have come.
pub fn put_back(tx: &mut dyn Tx, job: &TakenJob, due_at_ms: i64, error: Option<&str>) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE jobs SET lease = NULL, due_at_ms = CASE WHEN generation = $1 THEN $2 ELSE created_at_ms END, \
         last_error = $3, attempts = attempts - $4 WHERE id = $5 AND lease = $6",
        &[
            job.generation.into(),
            due_at_ms.into(),
            error.into(),
            i64::from(error.is_none()).into(),
            job.id.into(),
            job.lease.as_str().into(),
        ],
    )?;
    Ok(())
}

/// Gives a job up, with what went wrong. If it was noted again meanwhile, it is due at once instead.
pub fn give_up(tx: &mut dyn Tx, job: &TakenJob, now_ms: i64, error: &str) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE jobs SET lease = NULL, due_at_ms = $1, last_error = $2, \
         attempts = CASE WHEN generation = $3 THEN attempts ELSE 0 END, \
         is_dead = CASE WHEN generation = $3 THEN 1 ELSE 0 END WHERE id = $4 AND lease = $5",
        &[now_ms.into(), error.into(), job.generation.into(), job.id.into(), job.lease.as_str().into()],
    )?;
    Ok(())
}

/// Puts back what a lease holds, for a node that stops. Those attempts do not count: the stop is no fault of the jobs.
pub fn release(tx: &mut dyn Tx, lease: &str, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE jobs SET lease = NULL, due_at_ms = $1, attempts = attempts - 1 WHERE lease = $2",
        &[now_ms.into(), lease.into()],
    )?;
    Ok(())
}

/// Puts back what any lease holds, for the start of the only node: the one that held it has died.
pub fn release_all(tx: &mut dyn Tx, now_ms: i64) -> Result<(), StoreError> {
    tx.execute("UPDATE jobs SET lease = NULL, due_at_ms = $1 WHERE lease IS NOT NULL", &[now_ms.into()])?;
    Ok(())
}

/// Forgets a job, whether or not a node is at it.
pub fn cancel(tx: &mut dyn Tx, kind: &str, key: &str) -> Result<(), StoreError> {
    tx.execute("DELETE FROM jobs WHERE kind = $1 AND key = $2", &[kind.into(), key.into()])?;
    Ok(())
}

/// Whether the job of that kind and key waits, or somebody is at it.
pub fn is_noted(tx: &mut dyn Tx, kind: &str, key: &str) -> Result<bool, StoreError> {
    Ok(find(tx, kind, key)?.is_some_and(|job| !job.is_dead))
}

/// The job of that kind and key.
pub fn find(tx: &mut dyn Tx, kind: &str, key: &str) -> Result<Option<JobStatus>, StoreError> {
    tx.query_opt(&format!("SELECT {STATUS} FROM jobs WHERE kind = $1 AND key = $2"), &[kind.into(), key.into()])?
        .as_ref()
        .map(status_from_row)
        .transpose()
}

/// Up to `limit` jobs in the order of their ids, from the first after `after`.
pub fn list(tx: &mut dyn Tx, after: i64, limit: usize) -> Result<Vec<JobStatus>, StoreError> {
    list_from(tx, after, false, limit)
}

/// As [`list`], of those that were given up.
pub fn list_dead(tx: &mut dyn Tx, after: i64, limit: usize) -> Result<Vec<JobStatus>, StoreError> {
    list_from(tx, after, true, limit)
}

fn list_from(tx: &mut dyn Tx, after: i64, only_dead: bool, limit: usize) -> Result<Vec<JobStatus>, StoreError> {
    let sql = format!("SELECT {STATUS} FROM jobs WHERE id > $1 AND is_dead >= $2 ORDER BY id LIMIT $3");
    readable_page(tx, limit, "jobs", &sql, &[after.into(), i64::from(only_dead).into()], status_from_row)
}

const STATUS: &str = "id, kind, key, attempts, created_at_ms, due_at_ms, lease, is_dead, last_error";

fn status_from_row(row: &Row) -> Result<JobStatus, StoreError> {
    Ok(JobStatus {
        id: row.int(0)?,
        kind: row.text(1)?.to_owned(),
        key: row.text(2)?.to_owned(),
        attempts: row.int(3)?,
        created_at_ms: row.int(4)?,
        due_at_ms: row.int(5)?,
        is_running: row.opt_text(6)?.is_some(),
        is_dead: row.bool(7)?,
        last_error: row.opt_text(8)?.map(str::to_owned),
    })
}

/// Jobs of one kind, by what they are at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KindCounts {
    /// See [`NewJob::kind`].
    pub kind: String,
    /// Those that can be taken or will be.
    pub waiting: u64,
    /// Those that a node is at.
    pub running: u64,
    /// Those that were given up.
    pub dead: u64,
    /// Since when the longest due of those that wait could have been taken; none if none could yet.
    pub oldest_due_at_ms: Option<i64>,
}

/// Counts the jobs of every kind that has any. Reads every row.
pub fn count_by_kind(tx: &mut dyn Tx, now_ms: i64) -> Result<Vec<KindCounts>, StoreError> {
    let kinds = tx.query(
        "SELECT kind, CAST(SUM(CASE WHEN is_dead = 0 AND lease IS NULL THEN 1 ELSE 0 END) AS BIGINT), \
         CAST(SUM(CASE WHEN is_dead = 0 AND lease IS NOT NULL THEN 1 ELSE 0 END) AS BIGINT), \
         CAST(SUM(CASE WHEN is_dead = 1 THEN 1 ELSE 0 END) AS BIGINT), \
         MIN(CASE WHEN is_dead = 0 AND lease IS NULL AND due_at_ms <= $1 THEN due_at_ms END) \
         FROM jobs GROUP BY kind ORDER BY kind",
        &[now_ms.into()],
    )?;
    readable(&kinds, "jobs", |row| {
        Ok(KindCounts {
            kind: row.text(0)?.to_owned(),
            waiting: row.int(1)? as u64,
            running: row.int(2)? as u64,
            dead: row.int(3)? as u64,
            oldest_due_at_ms: row.opt_int(4)?,
        })
    })
}

/// Lets jobs that were given up begin anew: the one of that id, or all.
pub fn revive(tx: &mut dyn Tx, id: Option<i64>, now_ms: i64) -> Result<u64, StoreError> {
    tx.execute(
        "UPDATE jobs SET is_dead = 0, attempts = 0, due_at_ms = $1 WHERE is_dead = 1 AND id = COALESCE($2, id)",
        &[now_ms.into(), id.into()],
    )
}

/// Lets a job that waits be tried now; `false` if none of that id waits.
pub fn hasten(tx: &mut dyn Tx, id: i64, now_ms: i64) -> Result<bool, StoreError> {
    let changed = tx.execute(
        "UPDATE jobs SET due_at_ms = $1 WHERE id = $2 AND is_dead = 0 AND lease IS NULL",
        &[now_ms.into(), id.into()],
    )?;
    Ok(changed == 1)
}

/// Forgets up to `limit` jobs whose kind begins with `kind_prefix` and that nothing has been done about since
/// `until_ms`: those that were given up, and those that no node knows. Says how many. `kind_prefix` has no `%` or `_`.
pub fn forget_stale(tx: &mut dyn Tx, kind_prefix: &str, until_ms: i64, limit: usize) -> Result<usize, StoreError> {
    let forgotten = tx.execute(
        "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE kind LIKE $1 AND due_at_ms < $2 ORDER BY id LIMIT $3)",
        &[format!("{kind_prefix}%").into(), until_ms.into(), count(limit)],
    )?;
    Ok(forgotten as usize)
}
