//! New root keys and old ones: making one and sealing everything anew with it, wrapping all by another service key, and
//! letting one go.

mod reseal_job;
mod retire;

use runtime::boxed;
use store::blob::RootKey;
use store::db::Dialect;
use store::error::StoreError;
use store::tables::key_version;
use store::tables::root_keys::{self, StoredRootKey};

pub use reseal_job::Reseal;
pub use retire::{NotRetired, RETIRE_AFTER_MS, may_retire, retire};

use runtime::jobs::job;

use crate::Access;

/// A new root key seals only after so long where there are several nodes, each of which has read it by then.
const LEAD_MS: i64 = 10_000;

/// Makes a new root key, which takes over a few seconds later, and has everything sealed anew. Gives its number; none if
/// another node has made one at the same moment.
#[boxed]
pub async fn rotate(app: &Access) -> Result<Option<u32>, StoreError> {
    let now_ms = app.now_ms();
    let stored = app.db.read(|tx| root_keys::list(tx)).await?;
    let number = stored.last().map_or(1, |last| last.number.saturating_add(1));
    let wrapped = app.root_keys.wrapping_key().wrap(number, &RootKey::generate(), now_ms).await?;
    let lead_ms = if app.db.dialect() == Dialect::Sqlite { 0 } else { LEAD_MS };
    let new = StoredRootKey {
        number,
        wrapped,
        created_at_ms: now_ms,
        active_from_ms: now_ms + lead_ms,
        unused_since_ms: None,
    };
    let is_made = app.db.write(move |tx| {
        let is_made = root_keys::insert(tx, &new)?;
        if is_made {
            key_version::increment(tx)?;
            job::enqueue(tx, &Reseal {}, new.active_from_ms, now_ms)?;
        }
        Ok::<_, StoreError>(is_made)
    });
    let is_made = is_made.await?;
    app.publish_changes().await?;
    app.wake_jobs.wake();
    Ok(is_made.then_some(number))
}

/// Makes a new root key if the newest is older than the configuration wants.
#[boxed]
pub async fn rotate_if_due(app: &Access) -> Result<(), StoreError> {
    let Some(interval_ms) = app.limits.root_key_rotation_ms else { return Ok(()) };
    let stored = app.db.read(|tx| root_keys::list(tx)).await?;
    if stored.last().is_some_and(|last| app.now_ms() - last.created_at_ms >= interval_ms)
        && let Some(number) = rotate(app).await?
    {
        tracing::info!("root key {number} was made, as the last one has reached its age");
    }
    Ok(())
}

/// Wraps every root key anew by the service key; says how many.
#[boxed]
pub async fn rewrap(app: &Access) -> Result<usize, StoreError> {
    app.refresh_keys().await?;
    let stored = app.db.read(|tx| root_keys::list(tx)).await?;
    app.root_keys.rewrap_rows(&app.db, &stored, &app.key_ring.all(), app.now_ms()).await
}
