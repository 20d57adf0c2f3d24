//! Who of scanning follows what changes in a registry: a part that something else follows from has its line here.

use std::sync::Arc;

use registry::images::followers::Follower;

use crate::triggers::ScanTriggers;

/// All of them, in the order in which they are told.
pub fn all() -> Vec<Arc<dyn Follower>> {
    vec![Arc::new(ScanTriggers)]
}
