//! What a request must be given before it writes to a store that several nodes share.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::object_id::ObjectId;
use crate::error::StoreError;

/// What a [`PartLedger`] answers with: the first of the part numbers.
pub type Reserved<'a> = Pin<Box<dyn Future<Output = Result<u32, StoreError>> + Send + 'a>>;

/// Remembers, outside of the store, what else would be forgotten with a node that dies.
pub trait PartLedger: Send + Sync {
    /// Remembers the multipart upload that receives an object, durably and before its first part, so that the garbage
    /// collection can end it; and gives the first of `count` part numbers that nobody has been given before, larger
    /// than all that were. An error if somebody else is writing the object by now. With a count of 0 it only asks that.
    fn reserve<'a>(&'a self, multipart: &'a str, count: u32) -> Reserved<'a>;
}

/// The right to write an object for as long as nobody has been given it since.
#[derive(Clone)]
pub struct SharedSession {
    /// An object that is noted for removal, and that no one else writes: it gets what is too short for a part, or the
    /// whole content. May be the object that is written, if no other session ever writes that.
    pub spare: ObjectId,
    /// The multipart upload that an earlier session has begun.
    pub multipart: Option<String>,
    /// Remembers parts.
    pub ledger: Arc<dyn PartLedger>,
}

impl fmt::Debug for SharedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedSession")
            .field("spare", &self.spare)
            .field("multipart", &self.multipart)
            .finish_non_exhaustive()
    }
}
