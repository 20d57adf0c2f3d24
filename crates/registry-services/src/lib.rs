//! The services of a registry: ECR's API, the OCI distribution protocol, Wharf's own API, and CloudTrail's view of what was
//! asked of them.

pub mod admin_api;
pub mod cloudtrail;
pub mod ecr;
mod registry_error;
pub mod v2;
