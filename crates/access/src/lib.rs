//! Who asks, and whether they may: accounts, identities, signatures, sessions and tokens, the one authorization step, the keys
//! that things are sealed with, and the records of who did what. Knows no service and no image.
//!
//! What other crates await is boxed: an `async fn` is compiled by each crate that awaits it, with all that it calls.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod action;
pub mod action_names;
pub mod audit;
pub mod auth;
pub mod context;
pub mod kms;
pub mod nodes;
pub mod request;
pub mod root_key_rotation;
pub mod secret_values;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod web_identity;

pub use context::Access;
