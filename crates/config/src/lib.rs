//! What people say about a server before it starts: its configuration, and the keys of its root users.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod credentials;
pub mod settings;
