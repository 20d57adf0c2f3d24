//! Events of registries that somebody follows, kept for a little while: who follows has them from here, whichever node
//! they happened at.

use super::registry_id::RegistryId;
use super::repositories::count;
use crate::db::Tx;
use crate::error::StoreError;
use crate::tables::readable::readable_page;

/// An event as it was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowedEvent {
    /// The row's key.
    pub id: i64,
    /// When it was kept.
    pub at_ms: i64,
    /// The event, as JSON.
    pub event: String,
}

/// Until when the events of a registry are kept; none if nobody has ever followed them.
pub fn followed_until_ms(tx: &mut dyn Tx, registry: &RegistryId) -> Result<Option<i64>, StoreError> {
    tx.query_opt(
        "SELECT until_ms FROM followed_registries WHERE account_id = $1 AND region = $2",
        &[registry.account.as_str().into(), registry.region.as_str().into()],
    )?
    .map(|row| row.int(0))
    .transpose()
}

/// Lets the events of a registry be kept until then, or longer if that was said before.
pub fn follow(tx: &mut dyn Tx, registry: &RegistryId, until_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO followed_registries (account_id, region, until_ms) VALUES ($1, $2, $3) \
         ON CONFLICT (account_id, region) DO UPDATE SET until_ms = excluded.until_ms \
         WHERE followed_registries.until_ms < excluded.until_ms",
        &[registry.account.as_str().into(), registry.region.as_str().into(), until_ms.into()],
    )?;
    Ok(())
}

/// Keeps an event.
pub fn insert(tx: &mut dyn Tx, registry: &RegistryId, event: &str, now_ms: i64) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO followed_events (account_id, region, at_ms, event) VALUES ($1, $2, $3, $4)",
        &[registry.account.as_str().into(), registry.region.as_str().into(), now_ms.into(), event.into()],
    )?;
    Ok(())
}

/// The key of the newest event of a registry; 0 if there is none.
pub fn newest_id(tx: &mut dyn Tx, registry: &RegistryId) -> Result<i64, StoreError> {
    let row = tx.query_opt(
        "SELECT max(id) FROM followed_events WHERE account_id = $1 AND region = $2",
        &[registry.account.as_str().into(), registry.region.as_str().into()],
    )?;
    row.map_or(Ok(0), |row| Ok(row.opt_int(0)?.unwrap_or(0)))
}

/// Up to `limit` events of a registry after the key `after`, in the order of their keys.
pub fn list(
    tx: &mut dyn Tx,
    registry: &RegistryId,
    after: i64,
    limit: usize,
) -> Result<Vec<FollowedEvent>, StoreError> {
    readable_page(
        tx,
        limit,
        "followed_events",
        "SELECT id, at_ms, event FROM followed_events WHERE account_id = $1 AND region = $2 AND id > $3 \
         ORDER BY id LIMIT $4",
        &[registry.account.as_str().into(), registry.region.as_str().into(), after.into()],
        |row| Ok(FollowedEvent { id: row.int(0)?, at_ms: row.int(1)?, event: row.text(2)?.to_owned() }),
    )
}

/// Removes up to `limit` events that were kept before a time; how many there were.
pub fn delete_before(tx: &mut dyn Tx, before_ms: i64, limit: usize) -> Result<usize, StoreError> {
    let removed = tx.execute(
        "DELETE FROM followed_events WHERE id IN (SELECT id FROM followed_events WHERE at_ms < $1 \
         ORDER BY at_ms LIMIT $2)",
        &[before_ms.into(), count(limit)],
    )?;
    Ok(usize::try_from(removed).unwrap_or(usize::MAX))
}
