//! Reading an object on the node that is writing it, before its end.

use std::fs::File;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use tokio::sync::watch;

use super::files::FileObject;
use super::object_id::ObjectId;
use super::protection::Protection;
use super::reader::BlobReader;
use crate::error::{StoreError, StoreErrorKind};

/// Where the segments of an object are while it is written.
#[derive(Default)]
struct Shared {
    is_followed: AtomicBool,
    place: OnceLock<FollowedObject>,
}

impl Shared {
    fn is_followed(&self) -> bool {
        self.is_followed.load(Ordering::SeqCst)
    }
}

enum FollowedObject {
    File(Arc<File>),
    /// It is small, and has ended.
    Small(Bytes),
}

/// The writing half.
pub(super) struct Leader {
    shared: Arc<Shared>,
    readable: watch::Sender<u64>,
}

/// What others need in order to read an object while it is written. Cheap to clone.
#[derive(Clone)]
pub struct Follower {
    object: ObjectId,
    shared: Arc<Shared>,
    readable: watch::Receiver<u64>,
}

impl Leader {
    pub fn new(object: ObjectId) -> (Self, Follower) {
        let (sender, readable) = watch::channel(0);
        let shared = Arc::<Shared>::default();
        (Self { shared: Arc::clone(&shared), readable: sender }, Follower { object, shared, readable })
    }

    /// Whether anybody wants to read.
    pub fn is_followed(&self) -> bool {
        self.shared.is_followed()
    }

    /// Shows readers the file, if they do not have it: it holds the sealed segments at their places.
    pub fn publish(&self, open: impl FnOnce() -> std::io::Result<File>) -> std::io::Result<()> {
        if self.shared.place.get().is_none() {
            let _ = self.shared.place.set(FollowedObject::File(Arc::new(open()?)));
        }
        Ok(())
    }

    /// Shows readers the sealed bytes of an object that is small.
    pub fn publish_small(&self, sealed: Bytes) {
        let _ = self.shared.place.set(FollowedObject::Small(sealed));
    }

    /// Tells readers that they can read so many bytes.
    pub fn advance(&self, bytes: u64) {
        self.readable.send_replace(bytes);
    }
}

impl Follower {
    pub(super) fn begin(&self) {
        self.shared.is_followed.store(true, Ordering::SeqCst);
    }

    /// Whether anybody reads along.
    pub(super) fn is_begun(&self) -> bool {
        self.shared.is_followed()
    }

    /// How many plaintext bytes can be read already, as it grows. The end of the object is never among them: that can be
    /// read when the writer has finished, and not before.
    pub fn readable(&self) -> watch::Receiver<u64> {
        self.readable.clone()
    }

    /// Opens the object, which is to have `size_bytes` plaintext bytes, for reading what is
    /// [readable](Self::readable). An error before anything is.
    pub fn open(&self, protection: impl Into<Protection>, size_bytes: u64) -> Result<BlobReader, StoreError> {
        let protection = protection.into();
        match self.shared.place.get() {
            Some(FollowedObject::File(file)) => {
                let file = Arc::clone(file);
                Ok(BlobReader::of_file(FileObject::growing(file, self.object, &protection, size_bytes)))
            }
            Some(FollowedObject::Small(sealed)) => {
                BlobReader::of_small(self.object, &protection, sealed.clone(), size_bytes)
            }
            None => {
                let context = format!("nothing of object {} can be read yet", self.object);
                Err(StoreError::new(StoreErrorKind::Other, context))
            }
        }
    }
}
