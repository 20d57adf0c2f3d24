//! The product: a registry that speaks ECR's API and the OCI distribution protocol.
//!
//! What the program awaits is boxed: an `async fn` is compiled by each crate that awaits it, with all that it calls, and
//! the program would hold two copies of the whole server.

mod action_names;
pub mod app;
mod audit;
mod auth;
mod aws_api;
mod background;
mod cache;
pub mod care;
pub mod clock;
mod cloudtrail;
pub mod config;
mod config_error;
pub mod credentials;
mod data_dir;
mod dispatch;
mod ecr;
mod edit_distance;
mod events;
mod figures;
mod followers;
mod hidden;
mod host_name;
mod http;
mod iam_api;
mod integrity;
mod jobs;
mod kms;
pub mod local_socket;
mod metrics;
mod nodes;
pub mod operations;
mod outbound;
mod private_files;
mod random_text;
mod rates;
mod readiness;
mod registry;
mod replication;
mod reseal;
mod root_keys;
mod scrape;
mod secrets;
mod services;
mod shutdown;
mod source_network;
pub mod start;
mod start_error;
mod sts;
mod telemetry;
#[cfg(test)]
mod tests;
mod v2;
mod wharf_api;
mod work;

pub use config_error::ConfigError;
pub use start::Server;
pub use start_error::StartError;
pub use work::Work;

/// Logs a failure of storage once, with its causes and the request that it ended.
fn log_store_error(request_id: uuid::Uuid, error: &store::error::StoreError) {
    let text = with_causes(error);
    tracing::error!(%request_id, kind = ?error.kind(), "request {request_id} failed: {text}");
}

/// What a failure says, and what it says of its causes; what one of them repeats is told once.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        let said = source.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = source.source();
    }
    text
}

#[cfg(test)]
mod error_texts {
    use store::error::{StoreError, StoreErrorKind};

    #[test]
    fn causes_are_told_and_none_is_told_twice() {
        let disk = std::io::Error::other("the disk is gone");
        let inner = StoreError::new(StoreErrorKind::Unavailable, "run SELECT 1").with_source(disk);
        let outer = StoreError::new(StoreErrorKind::Other, "look (run SELECT 1)").with_source(inner);
        assert_eq!(super::with_causes(&outer), "look (run SELECT 1): the disk is gone");
    }
}
