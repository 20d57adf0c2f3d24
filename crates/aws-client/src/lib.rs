//! Signed calls of services that speak AWS's protocols, of Amazon's or of another Wharf's, at an endpoint that whoever runs
//! this one has named.

mod answer;
mod client;
mod connection;
mod error;

pub use answer::{Answer, ServiceError};
pub use client::SignedClient;
pub use connection::{builder, is_loopback, root_cause};
pub use error::CallError;
