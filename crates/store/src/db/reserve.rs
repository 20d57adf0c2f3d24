//! Space that is kept back for the changes that make room: where the disk is full, SQLite cannot even delete.

use std::sync::{Arc, OnceLock};

use crate::error::{StoreError, StoreErrorKind};

/// What is kept back.
pub trait Reserve: Send + Sync {
    /// Gives the space to whoever needs it now; `false` if there is none to give, or the disk is not full.
    fn release(&self) -> bool;

    /// Whether it was given away and there is no room yet to keep it back again: then what fills the disk must wait.
    fn is_spent(&self) -> bool;
}

/// The reserve of a database, if it has one.
#[derive(Clone, Default)]
pub(super) struct ReserveSlot(Arc<OnceLock<Arc<dyn Reserve>>>);

impl ReserveSlot {
    /// Fills the slot; the first reserve stays.
    pub(super) fn set(&self, reserve: Arc<dyn Reserve>) {
        // A database has one owner, who does this once.
        let _ = self.0.set(reserve);
    }

    /// The error for what must wait until the reserve is kept back again; none if nothing must.
    pub(super) fn refusal(&self) -> Option<StoreError> {
        let is_spent = self.0.get().is_some_and(|reserve| reserve.is_spent());
        is_spent.then(|| {
            let context = "the disk is full, and what is left is for what makes room";
            StoreError::new(StoreErrorKind::Full, context)
        })
    }

    /// Whether something that failed so may be tried again, as there is room for it now.
    pub(super) fn release_for(&self, error: &StoreError) -> bool {
        // A file that SQLite cannot make longer may be told as a failed access.
        matches!(error.kind(), StoreErrorKind::Full | StoreErrorKind::Unavailable)
            && self.0.get().is_some_and(|reserve| reserve.release())
    }
}
