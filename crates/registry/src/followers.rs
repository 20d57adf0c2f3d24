//! Who follows what changes in a registry: a part that something else follows from has its line here.

use std::sync::Arc;

use crate::events::Events;
use crate::images::followers::Followers;
use crate::replication::triggers::Triggers;

/// All of them, in the order in which they are told.
pub fn all(events: &Arc<Events>) -> Followers {
    Followers::new(vec![Arc::clone(events) as _, Arc::new(Triggers)])
}
