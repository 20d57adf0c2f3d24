//! Keeps a writer that another one has followed from the object.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Between a writer and its object. What a writer has handed to a thread cannot be called back, and may come to run when another
/// writer has followed: once the fence is closed, nothing of it gets to the object any more that was not on its way.
#[derive(Clone, Debug, Default)]
pub struct Fence(Arc<AtomicBool>);

impl Fence {
    /// Keeps the writer out from now on.
    pub fn close(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    /// Whether the writer is kept out.
    pub fn is_closed(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}
