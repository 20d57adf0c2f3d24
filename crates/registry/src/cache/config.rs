//! The section `pull_through_cache` of the configuration, as it is written.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The pull through cache. Which registries it fills is said with ECR's rules; here is where it may go.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PullThroughCacheConfig {
    /// Whether rules may name any upstream registry, not only those on ECR's list. Default: false.
    #[serde(default)]
    pub allow_any_upstream: bool,
    /// Whether rules may name upstreams without TLS (`http://…`). Default: false.
    #[serde(default)]
    pub allow_http: bool,
    /// Whether upstreams may be in private networks and on this machine. Default: false, so that whoever may create a
    /// rule cannot reach into the server's own network.
    #[serde(default)]
    pub allow_private_networks: bool,
    /// Private networks (`10.0.0.0/8`) and hosts (`registry.internal:5000`) that may be reached all the same.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Networks and hosts that are never reached.
    #[serde(default)]
    pub deny: Vec<String>,
    /// PEM file of certificates that upstreams may have beside those that the machine trusts.
    pub ca_file: Option<PathBuf>,
    /// Hours after which a cached tag is compared with the upstream's when it is pulled. Default: 24.
    pub check_hours: Option<u32>,
    /// Upstreams that are reached at another address: host and port as rules name it, and a URL.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub endpoints: BTreeMap<String, String>,
}
