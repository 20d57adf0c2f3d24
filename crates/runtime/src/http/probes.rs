//! The paths of probes, who are let in where there is no room for anybody else.

/// Where the server says whether it lives.
pub const HEALTH_PATH: &str = "/healthz";
/// Where the server says whether it is ready.
pub const READY_PATH: &str = "/readyz";
