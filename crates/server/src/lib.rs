//! The product: a registry that speaks ECR's API and the OCI distribution protocol.
//!
//! What the program awaits is boxed: an `async fn` is compiled by each crate that awaits it, with all that it calls, and
//! the program would hold two copies of the whole server.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

mod data_dir;
mod dispatch;
pub mod local_socket;
pub mod maintenance;
pub mod operations;
mod scans;
mod scrape;
mod services;
pub mod start;
#[cfg(test)]
mod tests;

pub use start::Server;
