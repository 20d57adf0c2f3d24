//! A disk that is full: what the start frees there by itself, and what people are told who have to make room.

use std::path::Path;

use store::blob::BlobStore;
use store::db::Db;
use store::error::{StoreError, StoreErrorKind};
use store::tables::{collection_holds, removed_objects};

use crate::boxed;
use crate::start_error::StartError;

/// With less than this a disk counts as full.
pub const FULL_BYTES: u64 = 1024 * 1024;
/// So much lets a server start and delete.
const NEEDED_MIB: u64 = 4;
/// Objects that are looked for at a time.
const PAGE: usize = 1_000;
/// What to do where a server or a command works on a data folder.
pub const IN_PLACE: &str = "make room there, or give it a larger disk, and try again; a server that has started deletes \
                            images and collects garbage (`wharf gc`) with what is kept back for that";
/// What to do where something is written to a new place.
pub const ELSEWHERE: &str = "make room there, or name a folder on another disk, and try again";

/// What is free on the disk of a folder, which need not be there yet, for whoever is not root.
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = folder.ancestors().find_map(|folder| rustix::fs::statvfs(folder).ok())?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// Whether the disk of a folder is full.
pub fn is_full(folder: &Path) -> bool {
    free_bytes(folder).is_some_and(|free| free < FULL_BYTES)
}

/// The failure of what has written into these folders: where one's disk is full, what that means is said instead of what
/// failed of it.
pub fn explain(error: StartError, folders: &[&Path], way_out: &str) -> StartError {
    let StartError::Store(cause) = &error else { return error };
    let is_told = match cause.kind() {
        StoreErrorKind::Full => true,
        // A file that SQLite cannot make longer may be told as a failed access.
        StoreErrorKind::Unavailable => folders.iter().any(|folder| is_full(folder)),
        _ => false,
    };
    let fullest = folders.iter().filter_map(|folder| Some((free_bytes(folder)?, folder))).min();
    match fullest {
        Some((free, folder)) if is_told => {
            let folder = folder.display();
            StartError::Other(format!(
                "the disk of {folder} is full: {free} bytes are free there, and {NEEDED_MIB} MiB should be: {way_out}"
            ))
        }
        _ => error,
    }
}

/// Removes the files of objects that nothing needs any more, where the disk of their store is full: the collection, which
/// would, cannot begin before there is room for its notes. It finds them gone, which is fine.
#[boxed]
pub async fn free_due_objects(
    db: &Db,
    stores: [&BlobStore; 2],
    data_dir: &Path,
    now_ms: i64,
    until_ms: i64,
) -> Result<(), StoreError> {
    if !is_full(data_dir) {
        return Ok(());
    }
    let due = db.read(move |tx| {
        if collection_holds::held_until(tx, now_ms)?.is_some() {
            return Ok(Vec::new());
        }
        removed_objects::list_due(tx, until_ms, (i64::MIN, ""), PAGE)
    });
    let (mut objects, mut bytes) = (0_u64, 0);
    for due in due.await? {
        let [standard, archive] = stores;
        let store = match due.removed.tier {
            store::blob::Tier::Standard => standard,
            store::blob::Tier::Archive => archive,
        };
        // What is in a bucket takes no room here.
        if matches!(store, BlobStore::Files(_)) {
            store.remove(due.removed.object, None).await?;
            (objects, bytes) = (objects + 1, bytes + due.stored_bytes);
        }
    }
    let folder = data_dir.display();
    tracing::warn!("the disk of {folder} is full: {objects} objects that were to be removed are, of {bytes} bytes");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_as_one() {
        let folder = tempfile::tempdir().expect("a folder");
        let missing = folder.path().join("a/b");
        let full = StartError::Store(StoreError::new(StoreErrorKind::Full, "run COMMIT"));
        let text = explain(full, &[&missing], ELSEWHERE).to_string();
        assert!(text.contains("a/b is full: ") && text.contains("another disk") && !text.contains("COMMIT"), "{text}");
        for kind in [StoreErrorKind::Unavailable, StoreErrorKind::Corrupt] {
            let other = StartError::Store(StoreError::new(kind, "run COMMIT"));
            assert_eq!(explain(other, &[folder.path()], IN_PLACE).to_string(), "storage: run COMMIT");
        }
        let other = explain(StartError::Other("no".to_owned()), &[folder.path()], IN_PLACE);
        assert_eq!(other.to_string(), "no");
    }
}
