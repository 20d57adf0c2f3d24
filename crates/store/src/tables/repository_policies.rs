//! Repository policies (ECR: SetRepositoryPolicy); a column of `repositories`.

use super::repositories::RepositoryRef;
use crate::db::Tx;
use crate::error::StoreError;

/// What a decision about a repository needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositoryAccess {
    /// The repository's row.
    pub repository_id: i64,
    /// Its policy, as given.
    pub policy: Option<String>,
}

/// What a decision about a repository needs; none if there is no such repository.
pub fn find_access(tx: &mut dyn Tx, repository: &RepositoryRef) -> Result<Option<RepositoryAccess>, StoreError> {
    let RepositoryRef { registry, name } = repository;
    tx.query_opt(
        "SELECT id, policy FROM repositories WHERE account_id = $1 AND region = $2 AND name = $3",
        &[registry.account.as_str().into(), registry.region.as_str().into(), name.as_str().into()],
    )?
    .map(|row| Ok(RepositoryAccess { repository_id: row.int(0)?, policy: row.opt_document(1).map(str::to_owned) }))
    .transpose()
}

/// Stores the policy of a repository, or with none takes it away.
pub fn set(tx: &mut dyn Tx, repository_id: i64, policy: Option<&str>) -> Result<(), StoreError> {
    tx.execute("UPDATE repositories SET policy = $1 WHERE id = $2", &[policy.into(), repository_id.into()])?;
    Ok(())
}

/// Every repository that has a policy with `part` in it, as (row, policy).
pub fn list_containing(tx: &mut dyn Tx, part: &str) -> Result<Vec<(i64, String)>, StoreError> {
    tx.query("SELECT id, policy FROM repositories WHERE policy IS NOT NULL", &[])?
        .iter()
        .map(|row| Ok((row.int(0)?, row.document(1).to_owned())))
        .filter(|row| row.as_ref().map_or(true, |(_, policy): &(i64, String)| policy.contains(part)))
        .collect()
}
