//! The database's memory of multipart uploads and of who may write what.

use std::sync::atomic::{AtomicU32, Ordering};

use store::blob::{ObjectId, PartLedger, Reserved};
use store::db::Db;
use store::error::{StoreError, StoreErrorKind};
use store::tables::{removed_objects, uploads};
use uuid::Uuid;

/// Of one session of a layer upload.
pub struct UploadParts {
    /// Where it is remembered.
    pub db: Db,
    /// The upload.
    pub upload: Uuid,
    /// The session's number.
    pub epoch: u64,
}

impl PartLedger for UploadParts {
    fn reserve<'a>(&'a self, multipart: &'a str, count: u32) -> Reserved<'a> {
        let (upload, epoch, multipart) = (self.upload, self.epoch, multipart.to_owned());
        Box::pin(async move {
            let first = self.db.write(move |tx| uploads::reserve_parts(tx, upload, epoch, &multipart, count)).await?;
            first.ok_or_else(|| {
                StoreError::new(StoreErrorKind::Busy, format!("another request is writing upload {upload} by now"))
            })
        })
    }
}

/// Of a copy of a blob, which has one writer.
pub struct CopyParts {
    db: Db,
    object: ObjectId,
    /// By the time of the caller's clock when the copy was begun.
    begun_at_ms: i64,
    next: AtomicU32,
}

impl CopyParts {
    /// For an object that was noted as a copy.
    pub const fn new(db: Db, object: ObjectId, begun_at_ms: i64) -> Self {
        Self { db, object, begun_at_ms, next: AtomicU32::new(1) }
    }
}

impl PartLedger for CopyParts {
    fn reserve<'a>(&'a self, multipart: &'a str, count: u32) -> Reserved<'a> {
        let (object, now_ms, multipart) = (self.object, self.begun_at_ms, multipart.to_owned());
        Box::pin(async move {
            let is_noted =
                self.db.write(move |tx| removed_objects::note_multipart(tx, object, &multipart, now_ms)).await?;
            if !is_noted {
                return Err(StoreError::new(StoreErrorKind::Busy, format!("the copy {object} was given up")));
            }
            Ok(self.next.fetch_add(count, Ordering::Relaxed))
        })
    }
}
