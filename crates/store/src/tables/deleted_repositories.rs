//! What guarded repositories that were deleted: their policies and settings, for as long as images of them can be restored.

use oci::TagFilter;

use super::repositories::{Repository, RepositoryRef, TagMutability, join_filters, split_filters};
use super::{from_json, parse_column, repository_policies, resource_tags, to_json};
use crate::db::{Row, Tx};
use crate::error::StoreError;

/// A repository that was deleted, as far as it guarded its images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedRepository {
    /// When it was deleted.
    pub deleted_at_ms: i64,
    /// Whether its tags could move.
    pub tag_mutability: TagMutability,
    /// The exclusions from that.
    pub tag_mutability_filters: Vec<TagFilter>,
    /// Whether a push started a scan.
    pub scan_on_push: bool,
    /// For how many days its deleted images could be restored; none if the server's setting held.
    pub restore_window_days: Option<i64>,
    /// Its policy, as given.
    pub policy: Option<String>,
    /// Its resource tags.
    pub resource_tags: Vec<(String, String)>,
}

const COLUMNS: &str = "deleted_at_ms, tag_mutability, tag_mutability_filters, scan_on_push, restore_window_days, policy, \
                       resource_tags";

fn from_row(row: &Row) -> Result<DeletedRepository, StoreError> {
    Ok(DeletedRepository {
        deleted_at_ms: row.int(0)?,
        tag_mutability: parse_column(row.text(1)?, "deleted_repositories.tag_mutability")?,
        tag_mutability_filters: split_filters(row.text(2)?, "deleted_repositories.tag_mutability_filters")?,
        scan_on_push: row.bool(3)?,
        restore_window_days: row.opt_int(4)?,
        policy: row.opt_document(5).map(str::to_owned),
        resource_tags: from_json(row.text(6)?, "deleted_repositories.resource_tags")?,
    })
}

/// Writes down what guards a repository that is about to be deleted, if any image of it can be restored.
pub fn keep(tx: &mut dyn Tx, repository: &Repository, deleted_at_ms: i64) -> Result<(), StoreError> {
    let (registry, name) = (&repository.spec.registry, &repository.spec.name);
    let place = [registry.account.as_str().into(), registry.region.as_str().into(), name.as_str().into()];
    let sql = "SELECT MAX(deleted_at_ms) FROM deleted_images WHERE account_id = $1 AND region = $2 \
               AND repository_name = $3";
    let last = tx.query_opt(sql, &place)?.map_or(Ok(None), |row| row.opt_int(0))?;
    let Some(last) = last else { return Ok(()) };
    // The clock of another node may be ahead.
    let deleted_at_ms = deleted_at_ms.max(last);
    let access = repository_policies::find_access(tx, &registry.repository(name))?;
    let tags = resource_tags::list(tx, repository.id)?;
    let window = super::repositories::restore_window_days(tx, repository.id)?;
    let [account, region, name] = place;
    tx.execute(
        &format!(
            "INSERT INTO deleted_repositories (account_id, region, repository_name, {COLUMNS}) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
             ON CONFLICT (account_id, region, repository_name, deleted_at_ms) DO NOTHING"
        ),
        &[
            account,
            region,
            name,
            deleted_at_ms.into(),
            repository.spec.tag_mutability.as_str().into(),
            join_filters(&repository.spec.tag_mutability_filters).into(),
            repository.spec.scan_on_push.into(),
            window.into(),
            access.and_then(|access| access.policy).into(),
            to_json(&tags).into(),
        ],
    )?;
    Ok(())
}

/// What guarded an image that was deleted then: the repository of the name that was deleted next. None if it is still there,
/// or was deleted before this was noted.
pub fn find(
    tx: &mut dyn Tx,
    repository: &RepositoryRef,
    image_deleted_at_ms: i64,
) -> Result<Option<DeletedRepository>, StoreError> {
    let RepositoryRef { registry, name } = repository;
    tx.query_opt(
        &format!(
            "SELECT {COLUMNS} FROM deleted_repositories WHERE account_id = $1 AND region = $2 \
             AND repository_name = $3 AND deleted_at_ms >= $4 ORDER BY deleted_at_ms LIMIT 1"
        ),
        &[
            registry.account.as_str().into(),
            registry.region.as_str().into(),
            name.as_str().into(),
            image_deleted_at_ms.into(),
        ],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// Every deleted repository of a name that guards something, in the order of their deletions.
pub fn list(tx: &mut dyn Tx, repository: &RepositoryRef) -> Result<Vec<DeletedRepository>, StoreError> {
    let RepositoryRef { registry, name } = repository;
    tx.query(
        &format!(
            "SELECT {COLUMNS} FROM deleted_repositories WHERE account_id = $1 AND region = $2 \
             AND repository_name = $3 ORDER BY deleted_at_ms"
        ),
        &[registry.account.as_str().into(), registry.region.as_str().into(), name.as_str().into()],
    )?
    .iter()
    .map(from_row)
    .collect()
}

/// Drops what guards nothing any more; how many that were.
pub fn collect(tx: &mut dyn Tx) -> Result<usize, StoreError> {
    let removed = tx.execute(
        "DELETE FROM deleted_repositories WHERE NOT EXISTS (SELECT 1 FROM deleted_images i \
         WHERE i.account_id = deleted_repositories.account_id AND i.region = deleted_repositories.region \
         AND i.repository_name = deleted_repositories.repository_name \
         AND i.deleted_at_ms <= deleted_repositories.deleted_at_ms)",
        &[],
    )?;
    Ok(removed as usize)
}

/// A policy of a deleted repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedRepositoryPolicy {
    place: [String; 3],
    deleted_at_ms: i64,
    /// Its text.
    pub policy: String,
}

/// Every policy that is kept.
pub fn list_policies(tx: &mut dyn Tx) -> Result<Vec<DeletedRepositoryPolicy>, StoreError> {
    tx.query(
        "SELECT account_id, region, repository_name, deleted_at_ms, policy FROM deleted_repositories \
         WHERE policy IS NOT NULL",
        &[],
    )?
    .iter()
    .map(|row| {
        Ok(DeletedRepositoryPolicy {
            place: [row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.text(2)?.to_owned()],
            deleted_at_ms: row.int(3)?,
            policy: row.document(4).to_owned(),
        })
    })
    .collect()
}

/// Stores a policy that was listed, with another text.
pub fn set_policy(tx: &mut dyn Tx, deleted: &DeletedRepositoryPolicy) -> Result<(), StoreError> {
    let [account, region, name] = &deleted.place;
    tx.execute(
        "UPDATE deleted_repositories SET policy = $1 WHERE account_id = $2 AND region = $3 AND repository_name = $4 \
         AND deleted_at_ms = $5",
        &[
            deleted.policy.as_str().into(),
            account.as_str().into(),
            region.as_str().into(),
            name.as_str().into(),
            deleted.deleted_at_ms.into(),
        ],
    )?;
    Ok(())
}
