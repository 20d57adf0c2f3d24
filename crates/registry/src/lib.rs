//! What a registry does, whichever protocol asks: push, pull, lifecycle, restore, the pull through cache, replication, events and
//! the checks of what is stored. Knows no service and no route.
//!
//! What other crates await is boxed: an `async fn` is compiled by each crate that awaits it, with all that it calls.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod advisory_settings;
pub mod cache;
pub mod context;
pub mod events;
pub mod figures;
pub mod followers;
pub mod images;
pub mod layers;
pub mod pushes;
pub mod replication;
pub mod reseal;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use context::Registry;
