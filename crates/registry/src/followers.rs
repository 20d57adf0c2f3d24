//! Who follows what changes in a registry: a part that something else follows from has its line here.

use std::sync::Arc;

use crate::events::Events;
use crate::images::followers::{Follower, Followers};
use crate::replication::triggers::Triggers;

/// All of them, in the order in which they are told, and `more` that stand above the registry.
pub fn all(events: &Arc<Events>, more: Vec<Arc<dyn Follower>>) -> Followers {
    let own: [Arc<dyn Follower>; 2] = [Arc::clone(events) as _, Arc::new(Triggers)];
    Followers::new(own.into_iter().chain(more).collect())
}
