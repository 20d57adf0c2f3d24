//! Lifecycle policies of repositories (ECR: PutLifecyclePolicy), and when they are due to be run. They go with their
//! repository.

use oci::RepositoryName;

use super::parse_column;
use super::registry_id::RegistryId;
use super::repositories::count;
use crate::db::{Row, Tx};
use crate::error::StoreError;
use crate::tables::readable::readable_page;

/// A repository's lifecycle policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LifecyclePolicy {
    /// The text, as given.
    pub text: String,
    /// When it last said what is to become of the images; 0 if never, as ECR shows it (reference/lifecycle.md 4).
    pub last_evaluated_at_ms: i64,
    /// What came of that, as JSON.
    pub last_run: Option<String>,
}

fn from_row(row: &Row) -> Result<LifecyclePolicy, StoreError> {
    Ok(LifecyclePolicy {
        text: row.text(0)?.to_owned(),
        last_evaluated_at_ms: row.int(1)?,
        last_run: row.opt_text(2)?.map(str::to_owned),
    })
}

/// Gives a repository a policy in place of the one it has. It is next due an interval from `now_ms`; whoever puts it on
/// images that are there lets it run at once.
pub fn upsert(tx: &mut dyn Tx, repository_id: i64, text: &str, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO lifecycle_policies (repository_id, policy_text, scheduled_at_ms, last_evaluated_at_ms) \
         VALUES ($1, $2, $3, 0) ON CONFLICT (repository_id) DO UPDATE SET policy_text = excluded.policy_text, \
         scheduled_at_ms = excluded.scheduled_at_ms, last_evaluated_at_ms = 0, last_run = NULL",
        &[repository_id.into(), text.into(), now_ms.into()],
    )?;
    Ok(())
}

/// The policy of a repository.
pub fn find(tx: &mut dyn Tx, repository_id: i64) -> Result<Option<LifecyclePolicy>, StoreError> {
    tx.query_opt(
        "SELECT policy_text, last_evaluated_at_ms, last_run FROM lifecycle_policies WHERE repository_id = $1",
        &[repository_id.into()],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// A repository's name with its policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PolicyOfRepository {
    /// The repository's row.
    pub repository_id: i64,
    /// Its name.
    pub repository: RepositoryName,
    /// Its policy.
    pub policy: LifecyclePolicy,
}

/// Up to `limit` policies of a registry in the order of the repositories' names, from the first after `after` (an empty
/// text: the first).
pub fn list(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    after: &str,
    limit: usize,
) -> Result<Vec<PolicyOfRepository>, StoreError> {
    readable_page(
        tx,
        limit,
        "repositories",
        "SELECT p.policy_text, p.last_evaluated_at_ms, p.last_run, r.id, r.name FROM repositories r \
         JOIN lifecycle_policies p ON p.repository_id = r.id \
         WHERE r.account_id = $1 AND r.region = $2 AND r.name > $3 ORDER BY r.name LIMIT $4",
        &[registry.account.as_str().into(), registry.region.as_str().into(), after.into()],
        |row| {
            Ok(PolicyOfRepository {
                repository_id: row.int(3)?,
                repository: parse_column(row.text(4)?, "repositories.name")?,
                policy: from_row(row)?,
            })
        },
    )
}

/// Takes the policy of a repository away, and returns it.
pub fn delete(tx: &mut dyn Tx, repository_id: i64) -> Result<Option<LifecyclePolicy>, StoreError> {
    let policy = find(tx, repository_id)?;
    tx.execute("DELETE FROM lifecycle_policies WHERE repository_id = $1", &[repository_id.into()])?;
    Ok(policy)
}

/// Keeps what came of a run.
pub fn note_run(
    tx: &mut dyn Tx,
    repository_id: i64,
    last_evaluated_at_ms: i64,
    last_run: &str,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE lifecycle_policies SET last_evaluated_at_ms = $1, last_run = $2 WHERE repository_id = $3",
        &[last_evaluated_at_ms.into(), last_run.into(), repository_id.into()],
    )?;
    Ok(())
}

/// Takes up to `limit` policies that were last due at `before_ms` or earlier, and makes them due an interval from
/// `now_ms` again. Returns their repositories; whoever takes them lets them run, in the same transaction.
pub fn take_due(tx: &mut dyn Tx, before_ms: i64, now_ms: i64, limit: usize) -> Result<Vec<i64>, StoreError> {
    let sql = format!(
        "UPDATE lifecycle_policies SET scheduled_at_ms = $1 WHERE repository_id IN ( \
         SELECT repository_id FROM lifecycle_policies WHERE scheduled_at_ms <= $2 ORDER BY scheduled_at_ms LIMIT $3{}) \
         RETURNING repository_id",
        tx.dialect().lock_free_rows()
    );
    let rows = tx.query(&sql, &[now_ms.into(), before_ms.into(), count(limit)])?;
    rows.iter().map(|row| row.int(0)).collect()
}
