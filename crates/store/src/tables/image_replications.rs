//! Where images are replicated to, and how far each got.
//!
//! A row per image and destination is both what people see of a replication and its place in the destination's queue:
//! noting an image again while it waits changes nothing but its generation, so repeated pushes are one transfer. Rows
//! end with their image.

use oci::{Digest, RepositoryName};

use super::parse_column;
use super::registry_id::RegistryId;
use super::repositories::count;
use crate::db::{Row, Tx, Value};
use crate::error::StoreError;
use crate::stored_enum::stored_enum;
use crate::tables::readable::readable;
use crate::tables::readable::readable_page;

/// From which registry to which.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReplicationRoute {
    /// Where images are pushed to.
    pub source: RegistryId,
    /// Where they go.
    pub destination: RegistryId,
}

impl ReplicationRoute {
    /// The columns of a route, in the order in which every statement here names them.
    pub(super) fn columns(&self) -> [Value; 4] {
        [
            self.source.account.as_str().into(),
            self.source.region.as_str().into(),
            self.destination.account.as_str().into(),
            self.destination.region.as_str().into(),
        ]
    }
}

impl std::fmt::Display for ReplicationRoute {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}->{}", self.source, self.destination)
    }
}

stored_enum! {
    /// How a replication stands (ECR: `ReplicationStatus`).
    pub enum ReplicationStatus {
        /// It waits, is being done, or is tried again.
        InProgress = "IN_PROGRESS",
        /// The destination has the image.
        Complete = "COMPLETE",
        /// It was refused, or given up.
        Failed = "FAILED",
    }
}

/// An image on its way to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageReplication {
    /// The row's key.
    pub id: i64,
    /// Where it goes.
    pub destination: RegistryId,
    /// How it stands.
    pub status: ReplicationStatus,
    /// ECR's `failureCode`.
    pub failure_code: Option<String>,
    /// Why it failed, or what the last attempt failed of.
    pub failure_reason: Option<String>,
    /// Attempts that failed since it was last noted.
    pub attempts: i64,
    /// When anything of this changed last.
    pub updated_at_ms: i64,
}

/// A replication of a registry, with its image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedReplication {
    /// The replication.
    pub replication: ImageReplication,
    /// The image's row.
    pub image_id: i64,
    /// The image's repository.
    pub repository: RepositoryName,
    /// The image.
    pub digest: Digest,
}

/// An image whose turn has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueReplication {
    /// The row's key.
    pub id: i64,
    /// The image's row.
    pub image_id: i64,
    /// The image's repository.
    pub repository_id: i64,
    /// Its name.
    pub repository: RepositoryName,
    /// The image.
    pub digest: Digest,
    /// How often it was noted; tells whether it was noted again meanwhile.
    pub generation: i64,
    /// Attempts that failed since it was last noted.
    pub attempts: i64,
}

/// Which of a registry's replications to list.
#[derive(Clone, Debug, Default)]
pub struct ReplicationFilter {
    /// Of this repository.
    pub repository: Option<RepositoryName>,
    /// Of this image.
    pub digest: Option<Digest>,
    /// With this status.
    pub status: Option<ReplicationStatus>,
}

const COLUMNS: &str = "r.id, r.destination_account_id, r.destination_region, r.status, r.failure_code, \
                       r.failure_reason, r.attempts, r.updated_at_ms";

fn from_row(row: &Row) -> Result<ImageReplication, StoreError> {
    Ok(ImageReplication {
        id: row.int(0)?,
        destination: RegistryId {
            account: parse_column(row.text(1)?, "image_replications.destination_account_id")?,
            region: parse_column(row.text(2)?, "image_replications.destination_region")?,
        },
        status: parse_column(row.text(3)?, "image_replications.status")?,
        failure_code: row.opt_text(4)?.map(str::to_owned),
        failure_reason: row.opt_text(5)?.map(str::to_owned),
        attempts: row.int(6)?,
        updated_at_ms: row.int(7)?,
    })
}

const INSERT: &str = "INSERT INTO image_replications (image_id, account_id, region, destination_account_id, \
                      destination_region, status, generation, attempts, due_at_ms, updated_at_ms) \
                      VALUES ($1, $2, $3, $4, $5, 'IN_PROGRESS', 1, 0, $6, $6) \
                      ON CONFLICT (image_id, destination_account_id, destination_region) DO ";

fn insert_values(image_id: i64, route: &ReplicationRoute, now_ms: i64) -> Vec<Value> {
    let mut values = vec![image_id.into()];
    values.extend(route.columns());
    values.push(now_ms.into());
    values
}

/// Notes that an image is to be replicated now, whatever became of it before.
pub fn note(tx: &mut dyn Tx, image_id: i64, route: &ReplicationRoute, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        &format!(
            "{INSERT} UPDATE SET tags_since_ms = CASE WHEN image_replications.status = 'COMPLETE' \
             THEN excluded.updated_at_ms ELSE image_replications.tags_since_ms END, \
             status = 'IN_PROGRESS', generation = image_replications.generation + 1, attempts = 0, due_at_ms = excluded.due_at_ms, failure_code = NULL, failure_reason = NULL, \
             updated_at_ms = excluded.updated_at_ms"
        ),
        &insert_values(image_id, route, now_ms),
    )?;
    Ok(())
}

/// Notes that an image is to be replicated, unless that was noted ever before.
pub fn note_first(tx: &mut dyn Tx, image_id: i64, route: &ReplicationRoute, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(&format!("{INSERT} NOTHING"), &insert_values(image_id, route, now_ms))?;
    Ok(())
}

/// Up to `limit` images of a route that are due, the longest due first.
pub fn list_due(
    tx: &mut dyn Tx,
    route: &ReplicationRoute,
    now_ms: i64,
    limit: usize,
) -> Result<Vec<DueReplication>, StoreError> {
    let mut values = route.columns().to_vec();
    values.extend([now_ms.into(), count(limit)]);
    tx.query(
        "SELECT r.id, r.image_id, i.repository_id, p.name, i.digest, r.generation, r.attempts FROM image_replications r \
         JOIN images i ON i.id = r.image_id JOIN repositories p ON p.id = i.repository_id \
         WHERE r.account_id = $1 AND r.region = $2 AND r.destination_account_id = $3 AND r.destination_region = $4 \
         AND r.status = 'IN_PROGRESS' AND r.due_at_ms <= $5 ORDER BY r.due_at_ms, r.id LIMIT $6",
        &values,
    )?
    .iter()
    .map(|row| {
        Ok(DueReplication {
            id: row.int(0)?,
            image_id: row.int(1)?,
            repository_id: row.int(2)?,
            repository: parse_column(row.text(3)?, "repositories.name")?,
            digest: parse_column(row.text(4)?, "images.digest")?,
            generation: row.int(5)?,
            attempts: row.int(6)?,
        })
    })
    .collect()
}

/// When the next image of a route is due; none if nothing waits.
pub fn next_due_ms(tx: &mut dyn Tx, route: &ReplicationRoute) -> Result<Option<i64>, StoreError> {
    tx.query_opt(
        "SELECT min(due_at_ms) FROM image_replications WHERE account_id = $1 AND region = $2 \
         AND destination_account_id = $3 AND destination_region = $4 AND status = 'IN_PROGRESS'",
        &route.columns(),
    )?
    .map_or(Ok(None), |row| row.opt_int(0))
}

/// How often a replication was noted; none if it no longer waits.
pub fn generation(tx: &mut dyn Tx, id: i64) -> Result<Option<i64>, StoreError> {
    tx.query_opt("SELECT generation FROM image_replications WHERE id = $1 AND status = 'IN_PROGRESS'", &[id.into()])?
        .map(|row| row.int(0))
        .transpose()
}

/// Ends a replication that is still of that generation; one that was noted again goes on waiting. Whether it ended.
pub fn end(
    tx: &mut dyn Tx,
    id: i64,
    generation: i64,
    failure: Option<(&str, &str)>,
    now_ms: i64,
) -> Result<bool, StoreError> {
    let status = if failure.is_some() { ReplicationStatus::Failed } else { ReplicationStatus::Complete };
    let (code, reason) = failure.unzip();
    let changed = tx.execute(
        "UPDATE image_replications SET status = $1, failure_code = $2, failure_reason = $3, attempts = 0, \
         updated_at_ms = $4 WHERE id = $5 AND generation = $6",
        &[status.as_str().into(), code.into(), reason.into(), now_ms.into(), id.into(), generation.into()],
    )?;
    Ok(changed == 1)
}

/// The tags that a replication brings to its destination, in order: those that the image got since the destination had
/// it last, and all of them the first time.
pub fn new_tags(tx: &mut dyn Tx, id: i64) -> Result<Vec<String>, StoreError> {
    tx.query(
        "SELECT t.tag FROM image_replications r JOIN image_tags t ON t.image_id = r.image_id \
         WHERE r.id = $1 AND t.tagged_at_ms >= r.tags_since_ms ORDER BY t.tag",
        &[id.into()],
    )?
    .iter()
    .map(|row| Ok(row.text(0)?.to_owned()))
    .collect()
}

/// Lets a replication that is still of that generation wait until a time, and says why. `is_failed` counts it as an
/// attempt that failed.
pub fn postpone(
    tx: &mut dyn Tx,
    id: i64,
    generation: i64,
    due_at_ms: i64,
    reason: Option<&str>,
    is_failed: bool,
    now_ms: i64,
) -> Result<(), StoreError> {
    tx.execute(
        "UPDATE image_replications SET due_at_ms = $1, attempts = attempts + $2, \
         failure_reason = COALESCE($3, failure_reason), updated_at_ms = $4 \
         WHERE id = $5 AND generation = $6 AND status = 'IN_PROGRESS'",
        &[due_at_ms.into(), i64::from(is_failed).into(), reason.into(), now_ms.into(), id.into(), generation.into()],
    )?;
    Ok(())
}

/// How the images that a list names stand at one destination: digest, and status with failure code.
pub fn of_children(
    tx: &mut dyn Tx,
    parent_image_id: i64,
    destination: &RegistryId,
) -> Result<Vec<(Digest, ReplicationStatus, Option<String>)>, StoreError> {
    tx.query(
        "SELECT i.digest, r.status, r.failure_code FROM image_children c \
         JOIN images i ON i.repository_id = c.repository_id AND i.digest = c.child_digest \
         JOIN image_replications r ON r.image_id = i.id \
         WHERE c.parent_image_id = $1 AND r.destination_account_id = $2 AND r.destination_region = $3 \
         ORDER BY i.digest",
        &[parent_image_id.into(), destination.account.as_str().into(), destination.region.as_str().into()],
    )?
    .iter()
    .map(|row| {
        Ok((
            parse_column(row.text(0)?, "images.digest")?,
            parse_column(row.text(1)?, "image_replications.status")?,
            row.opt_text(2)?.map(str::to_owned),
        ))
    })
    .collect()
}

/// How one image stands at one destination.
pub fn find(tx: &mut dyn Tx, image_id: i64, destination: &RegistryId) -> Result<Option<ImageReplication>, StoreError> {
    tx.query_opt(
        &format!(
            "SELECT {COLUMNS} FROM image_replications r WHERE r.image_id = $1 AND r.destination_account_id = $2 \
             AND r.destination_region = $3"
        ),
        &[image_id.into(), destination.account.as_str().into(), destination.region.as_str().into()],
    )?
    .as_ref()
    .map(from_row)
    .transpose()
}

/// Every replication of an image, by destination.
pub fn list_of_image(tx: &mut dyn Tx, image_id: i64) -> Result<Vec<ImageReplication>, StoreError> {
    let rows = tx.query(
        &format!(
            "SELECT {COLUMNS} FROM image_replications r WHERE r.image_id = $1 \
             ORDER BY r.destination_region, r.destination_account_id"
        ),
        &[image_id.into()],
    )?;
    readable(&rows, "image_replications", from_row)
}

/// Up to `limit` replications of a registry in the order of their ids, from the first after `after`.
pub fn list(
    tx: &mut dyn Tx,
    source: &RegistryId,
    filter: &ReplicationFilter,
    after: i64,
    limit: usize,
) -> Result<Vec<ListedReplication>, StoreError> {
    let digest = filter.digest.map(|digest| digest.to_string());
    readable_page(
        tx,
        limit,
        "image_replications",
        &format!(
            "SELECT {COLUMNS}, r.image_id, p.name, i.digest FROM image_replications r JOIN images i ON i.id = r.image_id \
             JOIN repositories p ON p.id = i.repository_id WHERE r.account_id = $1 AND r.region = $2 AND r.id > $3 \
             AND p.name = COALESCE($4, p.name) AND i.digest = COALESCE($5, i.digest) \
             AND r.status = COALESCE($6, r.status) ORDER BY r.id LIMIT $7"
        ),
        &[
            source.account.as_str().into(),
            source.region.as_str().into(),
            after.into(),
            filter.repository.as_ref().map(RepositoryName::as_str).into(),
            digest.as_deref().into(),
            filter.status.map(ReplicationStatus::as_str).into(),
        ],
        |row| {
            Ok(ListedReplication {
                replication: from_row(row)?,
                image_id: row.int(8)?,
                repository: parse_column(row.text(9)?, "repositories.name")?,
                digest: parse_column(row.text(10)?, "images.digest")?,
            })
        },
    )
}

/// Lets a failed replication of a registry begin anew; where it goes, or none if there is no such.
pub fn retry(tx: &mut dyn Tx, source: &RegistryId, id: i64, now_ms: i64) -> Result<Option<RegistryId>, StoreError> {
    tx.query_opt(
        "UPDATE image_replications SET status = 'IN_PROGRESS', generation = generation + 1, attempts = 0, \
         due_at_ms = $1, failure_code = NULL, failure_reason = NULL, updated_at_ms = $1 \
         WHERE id = $2 AND account_id = $3 AND region = $4 AND status = 'FAILED' \
         RETURNING destination_account_id, destination_region",
        &[now_ms.into(), id.into(), source.account.as_str().into(), source.region.as_str().into()],
    )?
    .map(|row| {
        Ok(RegistryId {
            account: parse_column(row.text(0)?, "image_replications.destination_account_id")?,
            region: parse_column(row.text(1)?, "image_replications.destination_region")?,
        })
    })
    .transpose()
}

/// Forgets what became of an image.
pub fn delete_of_image(tx: &mut dyn Tx, repository_id: i64, digest: &Digest) -> Result<(), StoreError> {
    tx.execute(
        "DELETE FROM image_replications WHERE image_id IN \
         (SELECT id FROM images WHERE repository_id = $1 AND digest = $2)",
        &[repository_id.into(), digest.to_string().into()],
    )?;
    Ok(())
}
