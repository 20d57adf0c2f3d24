//! Policies that a disk has changed without their becoming unreadable: found by their copies, and denied by from then on.

use store::db::Db;
use store::error::StoreError;
use store::tables::{document_copies, identity_version};

/// Marks them, so that by each nothing is allowed until it is put again, and logs which they are. Whoever holds identities
/// in memory loads them anew.
pub async fn mark_changed(db: &Db) -> Result<Vec<String>, StoreError> {
    if !db.read(document_copies::is_any_changed).await? {
        return Ok(Vec::new());
    }
    let marked = db.make_room(|tx| {
        let marked = document_copies::mark_changed(tx)?;
        identity_version::increment(tx)?;
        Ok::<_, StoreError>(marked)
    });
    let marked = marked.await?;
    for place in &marked {
        tracing::error!(
            "the policy of {place} is not what was stored, so what it governs is denied until it is put again"
        );
    }
    Ok(marked)
}
