//! What people say about a server before it starts: its configuration, and the keys of its root users.

pub mod credentials;
pub mod settings;
