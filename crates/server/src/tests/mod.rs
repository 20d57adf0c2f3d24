//! Tests of the server as a whole, in this process, each with storage of its own and a clock that stands still.

mod advisories;
mod contract;
mod cut_requests;
mod damage;
mod denied_by_default;
mod identities;
mod lifecycle;
mod lifecycle_properties;
mod lifecycle_scale;
mod origins;
mod protection;
mod pull_through_secrets;
mod read_only;
mod replication;
mod restore_window;
mod root_keys;
mod scanning;
mod secrets_expiry;
pub mod test_app;
mod test_server;
mod upload_writers;
mod visibility;
