//! The product: a registry that speaks ECR's API and the OCI distribution protocol.
//!
//! What the program awaits is boxed: an `async fn` is compiled by each crate that awaits it, with all that it calls, and
//! the program would hold two copies of the whole server.

pub mod app;
mod audit;
mod auth;
mod aws_api;
mod cache;
pub mod care;
pub mod clock;
mod cloudtrail;
pub mod config;
pub mod credentials;
mod ecr;
mod events;
mod http;
mod iam_api;
mod integrity;
mod jobs;
mod kms;
pub mod local_socket;
mod metrics;
mod nodes;
mod outbound;
mod rates;
mod registry;
mod replication;
mod root_keys;
mod secrets;
pub mod start;
mod sts;
mod telemetry;
#[cfg(test)]
mod tests;
mod v2;
mod wharf_api;

pub use start::{Server, StartError, Work};

/// Logs a failure of storage once, with its causes and the request that it ended.
fn log_store_error(request_id: uuid::Uuid, error: &store::error::StoreError) {
    let text = with_causes(error);
    tracing::error!(%request_id, kind = ?error.kind(), "request {request_id} failed: {text}");
}

/// What a failure of storage says, and what it says of its causes.
fn with_causes(error: &store::error::StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
