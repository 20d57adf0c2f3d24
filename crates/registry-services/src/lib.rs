//! The services of a registry beside ECR's API: the OCI distribution protocol, Wharf's own API, and CloudTrail's view of what was
//! asked of them.

#![cfg_attr(not(test), deny(clippy::disallowed_methods))]

pub mod admin_api;
pub mod cloudtrail;
pub mod v2;
