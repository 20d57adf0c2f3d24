//! What every part of the server stands on: connections and bodies, the clock, the queue of jobs, what is counted and told,
//! and the files of the data folder. Knows no service, no identity and no repository.

pub mod aws_error;
pub mod ballast;
pub mod clock;
pub mod config_error;
pub mod context;
pub mod data_folder;
pub mod edit_distance;
mod error_text;
pub mod files;
pub mod full_disk;
pub mod hidden;
pub mod host_name;
pub mod http;
pub mod jobs;
pub mod limits;
pub mod metrics;
pub mod network;
pub mod outbound;
pub mod private_files;
pub mod random;
pub mod random_text;
pub mod rates;
pub mod readiness;
pub mod root_keys;
pub mod shutdown;
pub mod source_network;
pub mod start_error;
pub mod tasks;
pub mod telemetry;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod timer;
pub mod work;

/// Boxes the future of an `async fn`, which other crates await: unboxed, each of them would compile it again, with all that
/// it calls.
pub use async_recursion::async_recursion as boxed;
pub use context::Runtime;
pub use error_text::{log_store_error, with_causes};
