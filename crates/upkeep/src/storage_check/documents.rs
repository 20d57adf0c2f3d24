//! Policies that a disk has changed without their becoming unreadable: found by their copies, and denied by from then on.

use runtime::boxed;
use store::db::Db;
use store::error::{StoreError, StoreErrorKind};
use store::tables::{document_copies, identity_version};

/// Marks them, so that by each nothing is allowed until it is put again, and logs which they are. Whoever holds identities
/// in memory loads them anew.
#[boxed]
pub async fn mark_changed(db: &Db) -> Result<Vec<String>, StoreError> {
    match db.read(document_copies::is_any_changed).await {
        Ok(true) => {}
        Ok(false) => return Ok(Vec::new()),
        // What can be read of the database is still served; a check tells what cannot.
        Err(error) if error.kind() == StoreErrorKind::Corrupt => {
            tracing::error!("policies cannot be compared with their copies: {}", runtime::with_causes(&error));
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
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
